"""Span corruption, the task that T5 is trained on: leave out spans of a text, and write down what is missing."""

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from fmlib.checks import BOOL, LONG, check_number, check_tensors, check_whole


def corrupt_spans(
    tokens: Int64[Tensor, "length"], missing: Bool[Tensor, "length"], first_sentinel: int
) -> tuple[Int64[Tensor, "kept"], Int64[Tensor, "told"]]:
    """Put one sentinel in the place of each missing span, and list the spans behind their sentinels.

    "Thank you for inviting me to your party last week", with "for inviting" and "last" missing, becomes "Thank you <0> me to
    your party <1> week", and its target "<0> for inviting <1> last <2>".

    Args:
        tokens: the text.
        missing: True where a token is left out; neighbors make one span.
        first_sentinel: id of the first sentinel. The next ones count down from it, as in T5, where they are the vocabulary's
            last.

    Returns:
        What the encoder reads, and what the decoder must write: it ends with one more sentinel.

    Raises:
        TypeError: tokens that are not torch.long, missing that is not torch.bool.
        ValueError: shapes that differ, or fewer sentinels than the spans need.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
    section 3.1.4 and figure 2.
    """
    check_tensors(("tokens", tokens, LONG, "length"), ("missing", missing, BOOL, "length"))
    check_whole("first_sentinel", first_sentinel, least=0)
    before = torch.cat([missing.new_zeros(1), missing[:-1]])
    begins = missing & ~before
    spans = int(begins.sum())
    if first_sentinel - spans < 0:
        raise ValueError(
            f"first_sentinel is {first_sentinel} and {spans} spans are missing: expected at least {spans}, since "
            "sentinels count down from it, and one ends the target"
        )
    sentinels = first_sentinel + 1 - begins.cumsum(0)  # at each token, that of the last span that has begun
    read = torch.where(begins, sentinels, tokens)[begins | ~missing]
    pairs = torch.stack([sentinels, tokens], dim=1)  # a sentinel may stand before each token
    told = pairs[torch.stack([begins, missing], dim=1)]
    return read, torch.cat([told, told.new_tensor([first_sentinel - spans])])


def random_spans(
    length: int, share: float = 0.15, mean_span: float = 3.0, *, generator: torch.Generator
) -> Bool[Tensor, "length"]:
    """Which tokens are missing: a fixed share of them, in a fixed number of spans of random lengths.

    Args:
        length: of the text, >= 2.
        share: of the tokens that are missing, in (0, 1); at least one is, and at least one is not.
        mean_span: how long a span is on average, >= 1.
        generator: to draw from, on the CPU.

    Returns:
        True where a token is missing. The first token never is; the last always is.

    Raises:
        ValueError: fewer than 2 tokens, a share outside (0, 1), or spans shorter than 1.

    Source: `random_spans_noise_mask` in the code of Raffel et al. 2020; the numbers section 3.3.4 of the paper.
    """
    check_whole("length", length, least=2)
    check_number("share", share, above=0, below=1, hint="common: 0.15")
    check_number("mean_span", mean_span, least=1, hint="common: 3")
    missing = min(max(round(length * share), 1), length - 1)
    spans = min(max(round(missing / mean_span), 1), missing, length - missing)
    kept, left_out = (_pieces(count, spans, generator) for count in (length - missing, missing))
    lengths = torch.stack([kept, left_out], dim=1).flatten()  # a kept piece, a span, a kept piece, ...
    return (torch.arange(2 * spans) % 2 == 1).repeat_interleave(lengths)


def span_corruption(
    tokens: Int64[Tensor, "batch length"],
    first_sentinel: int,
    share: float = 0.15,
    mean_span: float = 3.0,
    *,
    generator: torch.Generator,
) -> tuple[Int64[Tensor, "batch kept"], Int64[Tensor, "batch told"]]:
    """A batch of texts with spans left out, and what is missing.

    All rows lose equally many tokens in equally many spans, so that all have the same lengths, and nothing is padded.

    Args:
        tokens: [batch, length].
        first_sentinel: see `corrupt_spans`.
        share, mean_span, generator: see `random_spans`.

    Returns:
        What the encoder reads, and what the decoder must write.

    Raises:
        ValueError: tokens that are not [batch, length], and as `random_spans` and `corrupt_spans` do.

    Source: Raffel et al. 2020, section 3.1.4.
    Differs from the released code: the target ends with a sentinel, as in the paper, instead of an end-of-text token, and
    neither side gets such a token.
    """
    check_tensors(("tokens", tokens, LONG, "batch length"))
    length = tokens.shape[1]
    rows = [
        corrupt_spans(
            row, random_spans(length, share, mean_span, generator=generator).to(row.device), first_sentinel
        )
        for row in tokens
    ]
    read, told = zip(*rows, strict=True)
    return torch.stack(read), torch.stack(told)


def _pieces(count: int, pieces: int, generator: torch.Generator) -> Tensor:
    """Cut `count` things into so many pieces, none empty, every way being equally likely: their lengths."""
    cuts = torch.randperm(count - 1, generator=generator)[: pieces - 1].sort().values + 1
    ends = torch.cat([torch.tensor([0]), cuts, torch.tensor([count])])
    return ends.diff()
