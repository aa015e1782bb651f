"""Spoken words: counts, splits that share no voice or take, and files that are refused when they are not whole."""

import build_spoken_words as build
import numpy as np
import pytest
import torch

from fmlib.data import DataError, _store, load_spoken_words
from fmlib.data.spoken_words import SAMPLES, SPLITS, decode_mu_law, encode_mu_law


@pytest.fixture(scope="module")
def splits():
    return {split: load_spoken_words(split) for split in SPLITS}


def test_counts(splits):
    assert {split: len(part) for split, part in splits.items()} == {
        "train": 24 * 12 * 2, "held_out_takes": 24 * 12, "validation": 4 * 12 * 3, "held_out_voices": 8 * 12 * 3
    }  # fmt: skip


def test_every_voice_says_every_word_equally_often(splits):
    for part in splits.values():
        pairs = part.voices * 12 + part.words
        assert len(pairs.unique(return_counts=True)[1].unique()) == 1
        assert len(part.words.unique()) == 12


def test_no_recording_is_in_two_splits(splits):
    seen = [
        (voice, word, take)
        for part in splits.values()
        for voice, word, take in zip(
            *(x.tolist() for x in (part.voices, part.words, part.takes)), strict=True
        )
    ]
    assert len(set(seen)) == len(seen) == 36 * 12 * 3


def test_held_out_voices_are_heard_nowhere_else(splits):
    voices = {split: set(part.voices.tolist()) for split, part in splits.items()}
    assert voices["train"] == voices["held_out_takes"]
    for one, other in (
        ("train", "validation"),
        ("train", "held_out_voices"),
        ("validation", "held_out_voices"),
    ):
        assert not voices[one] & voices[other]


def test_recordings_are_sound_of_the_length_that_is_said_and_all_different(splits):
    every = torch.cat([part.waves for part in splits.values()])
    assert every.shape == (1296, SAMPLES)
    assert every.dtype == torch.float32
    assert every.abs().max() <= 1
    assert (every.abs().amax(1) > 0.2).all()
    assert len(every.unique(dim=0)) == len(every)


def test_names_are_those_of_the_builder(splits):
    part = splits["train"]
    assert part.word_names == build.WORDS
    timbres = [name.split("+")[1] for name in part.voice_names]
    assert timbres == [*build.TRAINING, *build.VALIDATION, *build.HELD_OUT]
    assert len(set(timbres)) == 36


def test_a_subset_keeps_rows_together(splits):
    part = splits["train"]
    few = part.subset([5, 0])
    assert torch.equal(few.waves, part.waves[[5, 0]])
    assert few.words.tolist() == part.words[[5, 0]].tolist()
    assert "2 recordings of" in repr(few)


def test_each_call_gives_tensors_of_its_own():
    load_spoken_words("validation").waves.zero_()
    assert load_spoken_words("validation").waves.abs().max() > 0


def test_mu_law_comes_back_within_its_steps():
    wave = np.linspace(-1, 1, 2001)
    back = decode_mu_law(encode_mu_law(wave))
    assert np.abs(back - wave).max() < 0.025
    assert np.abs(back - wave)[np.abs(wave) < 0.02].max() < 1e-3  # fine where it is quiet
    codes = np.arange(1, 256).astype(np.uint8)
    assert np.array_equal(encode_mu_law(decode_mu_law(codes)), codes)
    assert encode_mu_law(np.zeros(1)).tolist() == [128]


def test_the_embedded_files_stay_small():
    assert sum(path.stat().st_size for path in (_store.FILES / "spoken_words").iterdir()) < 3e6


def test_an_unknown_split_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="unknown split 'test': choose one of 'train'"):
        load_spoken_words("test")


@pytest.mark.parametrize("name", ["waves.xz", "index.json.xz"])
def test_a_missing_or_damaged_file_is_refused_by_name(spoilable, name):
    path = spoilable / "spoken_words" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"data file corrupt: .*{name}"):
        load_spoken_words()
    path.unlink()
    with pytest.raises(DataError, match=f"data file missing: .*{name}"):
        load_spoken_words()
