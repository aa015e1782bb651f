"""What features of sound are worth: the classical ones, and two probes that hear nothing of what they are asked."""

import pytest
import torch

from fmlib.data import load_spoken_words
from fmlib.self_supervised.pretext.listening import (
    hear,
    log_mel,
    mel_bands,
    pool_time,
    voice_folds,
    word_and_voice,
)
from fmlib.self_supervised.pretext.training import make_cpc


def test_a_tone_is_loudest_in_the_band_that_holds_it():
    time = torch.arange(4800, dtype=torch.float64) / 8000
    bands = mel_bands(32, 256)
    for hertz in (300, 1000, 2500):
        energy = log_mel(torch.sin(2 * torch.pi * hertz * time)[None])[0]
        at = bands[round(hertz / 4000 * 128)].argmax()
        assert abs(energy.mean(0).argmax() - at) <= 1


def test_energy_is_that_of_torch_s_own_spectrogram(generator):
    waves = torch.randn(2, 1000, generator=generator, dtype=torch.float64)
    window = torch.hann_window(256, dtype=torch.float64)
    theirs = torch.stft(waves, 256, 80, window=window, center=False, return_complex=True).abs().square()
    expected = (theirs.transpose(1, 2) @ mel_bands(32, 256).double() + 1e-4).log()
    assert torch.allclose(log_mel(waves), expected, atol=1e-10)


def test_bands_are_triangles_that_share_every_frequency():
    bands = mel_bands(20, 1024)
    assert bands.max() <= 1
    assert (bands >= 0).all()
    middle = slice(16, 440)  # between the first and the last corner, neighbors add up to one
    assert torch.allclose(bands[middle].sum(1), torch.ones(424), atol=1e-5)


def test_means_over_time_keep_beginning_and_end_apart():
    features = torch.arange(8.0).view(1, 8, 1)
    assert pool_time(features, 4).tolist() == [[0.5, 2.5, 4.5, 6.5]]
    assert pool_time(features, 1).tolist() == [[3.5]]


def test_features_are_those_of_the_model_and_leave_it_as_it_was():
    model, waves = make_cpc(0), load_spoken_words("train").waves[:130]
    model.train()
    z, c = model(waves)
    assert torch.allclose(hear(model, waves, 0), z, atol=1e-5)
    assert torch.allclose(hear(model, waves, 1), c, atol=1e-5)
    assert model.training


def test_classical_features_know_words_and_voices():
    found = word_and_voice(log_mel, "validation")
    assert found["word"] > 2 * 100 / 12
    assert found["voice"] > 2 * 100 / 24


def test_no_voice_is_on_both_sides_and_each_is_tested_once():
    voices = torch.tensor([3, 1, 3, 7, 1])
    folds = voice_folds(voices)
    assert len(folds) == 3
    assert torch.stack([test for _, test in folds]).sum(0).tolist() == [1] * 5
    for train, test in folds:
        assert torch.equal(train, ~test)
        assert not set(voices[train].tolist()) & set(voices[test].tolist())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: log_mel(torch.zeros(1, 100)), "waves have 100 samples"),
        (lambda: voice_folds(torch.tensor([1, 1])), "voices has 1 voice"),
        (lambda: pool_time(torch.zeros(1, 3), 2), "features have shape"),
    ],
)
def test_what_does_not_fit_is_refused(refuses, call, says):
    with refuses(ValueError, says):
        call()
