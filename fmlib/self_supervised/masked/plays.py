"""Shakespeare as BERT reads him: whole plays in pieces of words, and the tokens of held-out plays that everybody guesses."""

from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from fmlib import scale
from fmlib.checks import LONG, check_tensors, check_whole
from fmlib.data import load_shakespeare
from fmlib.llm.family.masking import mask_tokens
from fmlib.llm.tokens.wordpiece import SPECIAL as MARKS
from fmlib.llm.tokens.wordpiece import WordPieceTokenizer
from fmlib.self_supervised.masked.pairs import join_pairs

PAD, UNKNOWN, CLS, SEP, MASK = range(
    len(MARKS)
)  # ids of the marks, which come first in every trained vocabulary
SPECIAL = (PAD, CLS, SEP, MASK)  # never asked for


class Plays(NamedTuple):
    """Tokens of the plays to train on, to look at while choosing, and to report on."""

    tokenizer: WordPieceTokenizer
    train: Int64[Tensor, "train"]
    validation: Int64[Tensor, "validation"]
    test: Int64[Tensor, "test"]


@lru_cache(maxsize=2)
def load_plays(vocab_size: int) -> Plays:
    """All plays in pieces of words, by a tokenizer that was trained on the training plays; small letters only.

    Args:
        vocab_size: marks, characters and merges.
    """
    texts = [load_shakespeare(split).text for split in ("train", "validation", "test")]
    most = scale.pick(smoke=60_000, cpu=None, gpu=None)  # characters of each
    texts = [text[:most] for text in texts]
    tokenizer = WordPieceTokenizer.train(texts[0], vocab_size)
    return Plays(tokenizer, *(torch.tensor(tokenizer.encode(text)) for text in texts))


class Asked(NamedTuple):
    """Held-out pieces with hidden tokens.

    Attributes:
        read, types: what BERT reads, and the segments.
        targets: the token where one is asked for, -100 elsewhere.
        places: where the asked tokens stand in the text, row by row.
    """

    read: Int64[Tensor, "pieces length"]
    types: Int64[Tensor, "pieces length"]
    targets: Int64[Tensor, "pieces length"]
    places: Int64[Tensor, "asked"]


def ask(text: Int64[Tensor, "text"], length: int, vocab_size: int, *, generator: torch.Generator) -> Asked:
    """Hide tokens of a text as in training, and remember where they stand, so that others can guess the same ones.

    The text is cut into pieces one after the other, from its third token on, since a trigram model looks at two; a rest, and
    the last token, are left out.

    Args:
        text: held out.
        length: tokens of a piece, an even number; BERT reads three marks more.
        vocab_size: of the tokens.
        generator: to draw from.

    Raises:
        TypeError, ValueError: no row of torch.long tokens, an odd length, or a text shorter than one piece.
    """
    check_tensors(("text", text, LONG, "text"))
    check_whole("length", length, least=2)
    count = (len(text) - 3) // length
    if count < 1 or length % 2:
        raise ValueError(
            f"length is {length}: expected an even number, at most the text's {len(text)} less 3"
        )
    pieces = text[2 : 2 + count * length].view(count, length)
    place = torch.arange(2, 2 + count * length).view(count, length)
    half = length // 2
    tokens, types = join_pairs(pieces[:, :half], pieces[:, half:], CLS, SEP)
    where, _ = join_pairs(place[:, :half], place[:, half:], 0, 0)
    read, targets = mask_tokens(tokens, MASK, vocab_size, generator=generator, special=SPECIAL)
    return Asked(read, types, targets, where[targets != -100])
