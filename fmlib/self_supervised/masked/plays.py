"""Shakespeare as BERT reads him, letter by letter, and the letters of held-out plays that everybody guesses."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from fmlib.checks import LONG, check_tensors, check_whole
from fmlib.llm.family.masking import mask_tokens
from fmlib.llm.gpt.experiments import Letters, load_letters
from fmlib.self_supervised.masked.pairs import join_pairs

MARKS = 3  # [MASK], [CLS] and [SEP] come behind the letters


@dataclass(frozen=True)
class Vocabulary:
    """Which tokens there are: letters, then the marks.

    Args:
        letters: how many of them are letters.
    """

    letters: int

    @property
    def mask(self) -> int:
        """Id of [MASK], what is read in a hidden letter's place."""
        return self.letters

    @property
    def start(self) -> int:
        """Id of [CLS], in front of every row."""
        return self.letters + 1

    @property
    def end(self) -> int:
        """Id of [SEP], behind each segment."""
        return self.letters + 2

    @property
    def size(self) -> int:
        """Of all tokens."""
        return self.letters + MARKS

    @property
    def special(self) -> tuple[int, int, int]:
        """Tokens that are never asked for."""
        return self.mask, self.start, self.end


@lru_cache(maxsize=1)
def load_plays() -> tuple[Letters, Vocabulary]:
    """The plays as letters, and what stands for what."""
    plays = load_letters()
    return plays, Vocabulary(plays.tokenizer.vocab_size)


class Asked(NamedTuple):
    """Held-out pieces with hidden letters.

    Attributes:
        read, types: what BERT reads, and the segments.
        targets: the letter where one is asked for, -100 elsewhere.
        places: where the asked letters stand in the text, row by row.
    """

    read: Int64[Tensor, "pieces length"]
    types: Int64[Tensor, "pieces length"]
    targets: Int64[Tensor, "pieces length"]
    places: Int64[Tensor, "asked"]


def ask(
    text: Int64[Tensor, "text"],
    length: int,
    vocabulary: Vocabulary,
    count: int,
    *,
    generator: torch.Generator,
) -> Asked:
    """Hide letters of a text as in training, and remember where they stand, so that others can guess the same ones.

    The pieces are spread evenly over the text. None begins before its third letter, since a trigram model looks at two, and
    none holds its last one.

    Args:
        text: held out.
        length: letters of a piece, an even number; BERT reads three marks more.
        vocabulary: which tokens there are.
        count: how many pieces.
        generator: to draw from.

    Raises:
        TypeError, ValueError: no row of torch.long tokens, an odd length, or a text too short for so many pieces.
    """
    check_tensors(("text", text, LONG, "text"))
    check_whole("length", length, least=2)
    most = (len(text) - 3) // length
    if most < 1 or length % 2:
        raise ValueError(
            f"length is {length}: expected an even number, at most the text's {len(text)} less 3"
        )
    check_whole("count", count, most=most, hint="the pieces that the text has")
    place = 2 + torch.arange(count)[:, None] * ((len(text) - 3) // count) + torch.arange(length)
    half = length // 2
    pieces = text[place]
    tokens, types = join_pairs(pieces[:, :half], pieces[:, half:], vocabulary.start, vocabulary.end)
    where, _ = join_pairs(place[:, :half], place[:, half:], 0, 0)
    read, targets = mask_tokens(
        tokens, vocabulary.mask, vocabulary.size, generator=generator, special=vocabulary.special
    )
    return Asked(read, types, targets, where[targets != -100])
