"""Pairs of sentences for BERT: two pieces of text in a row, and the question whether the second follows the first."""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from fmlib.checks import BOOL, LONG, check_tensors, check_whole

FOLLOWS, RANDOM = 0, 1  # the classes of next-sentence prediction, numbered as in the released BERT


def join_pairs(
    first: Int64[Tensor, "batch first_length"],
    second: Int64[Tensor, "batch second_length"],
    start_token: int,
    end_token: int,
) -> tuple[Int64[Tensor, "batch length"], Int64[Tensor, "batch length"]]:
    """One row of tokens from two pieces of text: [CLS] first [SEP] second [SEP].

    Args:
        first, second: row i of both belong together.
        start_token: id of [CLS], whose features answer questions about the whole row.
        end_token: id of [SEP], which stands behind each piece.

    Returns:
        The tokens, and the segment of each: 0 up to the first [SEP], 1 behind it.

    Raises:
        TypeError, ValueError: not tensors of torch.long with equally many rows, or a token below 0.

    Source: Devlin et al. 2019, "BERT", section 3, "Input/Output Representations".
    """
    check_tensors(
        ("first", first, LONG, "batch first_length"), ("second", second, LONG, "batch second_length")
    )
    check_whole("start_token", start_token, least=0)
    check_whole("end_token", end_token, least=0)
    start, end = (first.new_full((len(first), 1), token) for token in (start_token, end_token))
    tokens = torch.cat([start, first, end, second, end], dim=1)
    types = torch.zeros_like(tokens)
    types[:, first.shape[1] + 2 :] = 1
    return tokens, types


def sentence_pairs(
    pieces: Int64[Tensor, "batch length"],
    others: Int64[Tensor, "batch length"],
    follows: Bool[Tensor, "batch"],
    start_token: int,
    end_token: int,
) -> tuple[Int64[Tensor, "batch joined"], Int64[Tensor, "batch joined"], Int64[Tensor, "batch"]]:
    """Cut each piece into two halves; where they are not to follow each other, the second half is another piece's.

    Args:
        pieces: text in a row, an even number of tokens, at least 2.
        others: pieces from elsewhere, whose second halves are put in.
        follows: True where the second half stays.
        start_token, end_token: see `join_pairs`.

    Returns:
        tokens, types: [batch, length + 3], see `join_pairs`.
        labels: 0 where the second half follows the first, 1 where it comes from elsewhere.

    Raises:
        TypeError, ValueError: tensors of other types, shapes that differ, an odd length, or a token below 0.

    Source: Devlin et al. 2019, "BERT", section 3.1, task 2.
    """
    check_tensors(
        ("pieces", pieces, LONG, "batch length"),
        ("others", others, LONG, "batch length"),
        ("follows", follows, BOOL, "batch"),
    )
    length = pieces.shape[1]
    if length % 2:
        raise ValueError(f"pieces have {length} tokens: expected an even number, for two halves")
    half = length // 2
    second = torch.where(follows[:, None], pieces[:, half:], others[:, half:])
    tokens, types = join_pairs(pieces[:, :half], second, start_token, end_token)
    return tokens, types, torch.where(follows, FOLLOWS, RANDOM)
