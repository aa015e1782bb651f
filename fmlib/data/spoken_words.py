"""Spoken words: twelve short words in many synthetic voices, small enough to learn from sound on a laptop.

Two things are known exactly of every recording, what is said and who says it, and the two have nothing to do with each
other. Whole voices are held out, and of the other voices one recording of each word.
"""

import dataclasses
import lzma
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from fmlib.data import _store

SPLITS = ("train", "held_out_takes", "validation", "held_out_voices")
FOLDER = "spoken_words"
RATE = 8_000  # samples a second
SAMPLES = 4_800  # of a recording: 0.6 seconds
LAST_TAKE = 2  # of the training voices: held out
_MU = 255


@dataclasses.dataclass(frozen=True)
class Recordings:
    """Labeled recordings of single words.

    Args:
        waves: [n, 4800], sound pressure from -1 to 1, 8,000 samples a second.
        words: [n], what is said, index into `word_names`.
        voices: [n], who says it, index into `voice_names`.
        takes: [n], which of the three times that a voice says a word.
        word_names: the twelve words.
        voice_names: all voices, whichever of them are here.
    """

    waves: Float[Tensor, "n samples"]
    words: Int64[Tensor, " n"]
    voices: Int64[Tensor, " n"]
    takes: Int64[Tensor, " n"]
    word_names: tuple[str, ...]
    voice_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        words, voices = len(self.words.unique()), len(self.voices.unique())
        return f"Recordings({len(self):,} recordings of {words} words by {voices} voices, {RATE:,} samples a second)"

    def subset(self, indices: _store.Rows) -> "Recordings":
        """The recordings at `indices`, in that order.

        Args:
            indices: [k], each in [-n, n); a list of integers or a boolean mask [n] will do.

        Raises:
            ValueError: an index is out of range, or not an integer.
        """
        rows = _store.rows(indices, len(self))
        kept = {name: getattr(self, name)[rows] for name in ("waves", "words", "voices", "takes")}
        return dataclasses.replace(self, **kept)


def load_spoken_words(split: str = "train") -> Recordings:
    """Recordings of twelve words.

    Args:
        split: "train" (24 voices, two takes of each word), "held_out_takes" (the same voices, a third take),
            "validation" (four other voices, to choose settings by) or "held_out_voices" (eight more voices).

    Returns:
        The recordings, voice by voice; fresh tensors at each call.

    Raises:
        ValueError: unknown split.
        DataError: a file is missing or corrupt.
    """
    _store.choice(split, "split", SPLITS)
    every, voices = _load(_store.FILES)
    wanted = torch.isin(every.voices, voices["train" if split == "held_out_takes" else split])
    if split in ("train", "held_out_takes"):
        wanted &= (every.takes == LAST_TAKE) == (split == "held_out_takes")
    return every.subset(wanted)


def encode_mu_law(waves: np.ndarray) -> np.ndarray:
    """Sound in 8 bits: steps are fine where it is quiet and coarse where it is loud, as the ear hears.

    Args:
        waves: floats in [-1, 1], of any shape.

    Returns:
        uint8 of the same shape; 128 is silence.

    Source: ITU-T G.711, mu-law with mu = 255; the continuous formula, rounded to 255 equal steps.
    """
    bent = np.sign(waves) * np.log1p(_MU * np.abs(waves)) / np.log1p(_MU)
    return (np.rint(127 * bent) + 128).astype(np.uint8)


def decode_mu_law(codes: np.ndarray) -> np.ndarray:
    """Sound from its 8 bits, float32 in [-1, 1]; `encode_mu_law` backwards."""
    bent = (codes.astype(np.float64) - 128) / 127
    return (np.sign(bent) * np.expm1(np.abs(bent) * np.log1p(_MU)) / _MU).astype(np.float32)


@lru_cache(maxsize=2)
def _load(folder: Path) -> tuple[Recordings, dict[str, Tensor]]:
    document = _store.read_xz_json(f"{FOLDER}/index.json.xz")
    codes = np.frombuffer(lzma.decompress(_store.read(f"{FOLDER}/waves.xz")), np.uint8)
    words, voices, takes = torch.tensor(document["recordings"]).unbind(1)
    waves = torch.from_numpy(decode_mu_law(codes.reshape(len(words), SAMPLES)))
    names = tuple(document["words"]), tuple(document["voices"])
    splits = {split: torch.tensor(rows) for split, rows in document["splits"].items()}
    return Recordings(waves, words, voices, takes, *names), splits
