import importlib
import lzma
import random
import sys
import zlib

import pytest

from fmlib.llm.pretraining import compressors


def words(count, seed):
    """Text of a few hundred words in random order."""
    spelled = ["".join(random.Random(i).choices("etaoinshr", k=2 + i % 6)) for i in range(300)]
    return " ".join(random.Random(seed).choices(spelled, k=count))


TRAIN, TEXT = words(20_000, 0), words(2_000, 1)


@pytest.mark.parametrize("compressor", [compressors.gzip, compressors.bzip2, compressors.xz])
def test_training_text_of_the_same_kind_makes_a_text_smaller(compressor):
    packed = compressor(TRAIN, TEXT)
    assert packed.after_training < packed.alone < 8


def test_a_text_seen_in_training_costs_xz_next_to_nothing():
    other = words(40_000, 5)  # further back than gzip's window
    assert compressors.xz(TEXT + other, TEXT).after_training < 0.05
    assert compressors.gzip(TEXT + other, TEXT).after_training > 1


def test_bits_are_those_of_the_packed_bytes():
    raw = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    size = len(raw.compress(TEXT.encode()) + raw.flush())
    assert compressors.gzip(TRAIN, TEXT).alone == pytest.approx(8 * size / len(TEXT))
    sizes = [len(lzma.compress(t.encode(), preset=9 | lzma.PRESET_EXTREME)) for t in (TRAIN, TRAIN + TEXT)]
    expected = 8 * (sizes[1] - sizes[0]) / len(TEXT)
    assert compressors.xz(TRAIN, TEXT).after_training == pytest.approx(expected, rel=0.01)


def test_bits_count_characters_not_bytes():
    assert compressors.xz("é" * 10 + TRAIN, "é" * 4000).alone < 0.2
    assert compressors.bits_of_bytes(3, "ééé") == 8


def test_a_missing_compressor_is_said(monkeypatch):
    for name in ("compression.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)
    done, missing = compressors.pack_all(TRAIN, TEXT)
    assert [packed.name for packed in done] == ["gzip", "bzip2", "xz"]
    assert missing == ["zstd is left out: this Python has it from 3.14 on, or with `pip install zstandard`"]


def test_zstd_uses_the_training_text_where_there_is_one():
    if not any(_there(name) for name in ("compression.zstd", "zstandard")):
        pytest.skip("no zstd in this Python")
    packed = compressors.zstd(TRAIN, TEXT)
    assert packed.after_training < packed.alone < 8


def _there(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


@pytest.mark.parametrize(("train", "text"), [("", "a"), ("a", "")])
def test_an_empty_text_is_refused(refuses, train, text):
    with refuses(ValueError, "expected at least one"):
        compressors.pack_all(train, text)
