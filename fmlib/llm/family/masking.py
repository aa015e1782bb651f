"""Masked language modeling: hide some tokens of a text, and ask for them."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from fmlib.checks import BOOL, FLOAT, LONG, check_number, check_tensors, check_whole, check_whole_numbers
from fmlib.llm.gpt.cross_entropy import IGNORED
from fmlib.llm.gpt.next_token import check_tokens

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens; the rest stay


def choose_tokens(
    allowed: Bool[Tensor, "batch length"], share: float = 0.15, *, generator: torch.Generator
) -> Bool[Tensor, "batch length"]:
    """Which tokens are to be predicted: the same share of each row, at least one.

    Args:
        allowed: False where nothing may be chosen: padding, special tokens.
        share: of the allowed ones, in (0, 1].
        generator: to draw from.

    Returns:
        True where a token is chosen.

    Raises:
        TypeError: allowed is not torch.bool.
        ValueError: a share outside (0, 1], or a row in which nothing is allowed.

    Source: `create_masked_lm_predictions` in the code of Devlin et al. 2019, which counts in the same way.
    """
    check_tensors(("allowed", allowed, BOOL, "batch length"))
    check_number("share", share, above=0, most=1, hint="common: 0.15")
    available = allowed.sum(dim=1)
    if not bool(available.all()):
        row = int((available == 0).nonzero()[0])
        raise ValueError(f"row {row} has no token that may be chosen: expected at least one a row")
    wanted = (available * share).round().clamp(min=1)
    draws = torch.rand(allowed.shape, generator=generator, device=allowed.device)
    order = draws.masked_fill(~allowed, 2.0).argsort(dim=1).argsort(dim=1)  # rank of each in its row
    return order < wanted[:, None]


def hide_tokens(
    tokens: Int64[Tensor, "batch length"],
    chosen: Bool[Tensor, "batch length"],
    draws: Float[Tensor, "batch length"],
    others: Int64[Tensor, "batch length"],
    mask_token: int,
) -> tuple[Int64[Tensor, "batch length"], Int64[Tensor, "batch length"]]:
    """Of the chosen tokens 80 % become the mask token, 10 % another token, 10 % stay; all of them are to be predicted.

    The mask token never comes up once the model is put to use: so that it does not rely on it, a chosen token may also
    look like any other.

    Args:
        tokens: the text.
        chosen: True where a token is to be predicted.
        draws: uniform in [0, 1): below 0.8 the mask token, below 0.9 the other token, else nothing.
        others: tokens to put in.
        mask_token: id of the mask token.

    Returns:
        What the model reads, and its targets: the token where one is chosen, -100 elsewhere.

    Raises:
        TypeError, ValueError: tensors of other types, shapes that differ, a mask_token that is no token.

    Source: Devlin et al. 2019, "BERT", section 3.1, task 1.
    """
    check_tensors(
        ("tokens", tokens, LONG, "batch length"),
        ("chosen", chosen, BOOL, "batch length"),
        ("draws", draws, FLOAT, "batch length"),
        ("others", others, LONG, "batch length"),
    )
    check_whole("mask_token", mask_token, least=0)
    read = torch.where(draws < MASKED + RANDOM, others, tokens)
    read = torch.where(draws < MASKED, mask_token, read)
    return torch.where(chosen, read, tokens), torch.where(chosen, tokens, IGNORED)


def mask_tokens(
    tokens: Int64[Tensor, "batch length"],
    mask_token: int,
    vocab_size: int,
    *,
    generator: torch.Generator,
    share: float = 0.15,
    special: tuple[int, ...] = (),
) -> tuple[Int64[Tensor, "batch length"], Int64[Tensor, "batch length"]]:
    """A text with blanks, and what stood there: the task that BERT is trained on.

    Args:
        tokens: [batch, length].
        mask_token: id of the mask token.
        vocab_size: random tokens are drawn from 0 to vocab_size - 1.
        generator: to draw from, on the tokens' device.
        share: of each row's tokens that are to be predicted.
        special: tokens that are never chosen: padding, separators.

    Returns:
        What the model reads, and its targets for `fmlib.llm.family.targets.target_loss`, -100 where nothing is asked.

    Raises:
        TypeError: tokens are no tensor of torch.long.
        ValueError: a token or mask_token outside the vocabulary, a share outside (0, 1], a row of special tokens only.

    Source: Devlin et al. 2019, "BERT", section 3.1, task 1, and appendix A.1.
    """
    check_whole("vocab_size", vocab_size)
    check_tokens(tokens, vocab_size, tokens.shape[-1] if isinstance(tokens, Tensor) and tokens.ndim else 1)
    check_whole("mask_token", mask_token, least=0, most=vocab_size - 1)
    special = check_whole_numbers("special", special)
    allowed = torch.ones_like(tokens, dtype=torch.bool)
    for token in special:
        allowed &= tokens != token
    chosen = choose_tokens(allowed, share, generator=generator)
    draws = torch.rand(tokens.shape, generator=generator, device=tokens.device)
    others = torch.randint(vocab_size, tokens.shape, generator=generator, device=tokens.device)
    return hide_tokens(tokens, chosen, draws, others, mask_token)
