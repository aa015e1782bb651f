"""What every language model that reads from left to right shares: the loss, and what it refuses to read."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from fmlib.checks import FLOAT, LONG, check_range, check_tensors
from fmlib.llm.gpt.cross_entropy import IGNORED, mean_cross_entropy


def next_token_loss(
    logits: Float[Tensor, "batch positions vocab"],
    tokens: Int64[Tensor, "batch length"],
    *,
    overwrite: bool = False,
) -> Float[Tensor, ""]:
    """How surprising each token is to the model that has seen those before it.

    Args:
        logits: of the model for these very tokens; the last position, which nothing judges, may be left out.
        tokens: the text; the logits at position t are judged by token t + 1. Those that are -100 don't count.
        overwrite: save memory in training: the gradient takes the logits' place; see `mean_cross_entropy`.

    Returns:
        Mean cross-entropy in nats per counted token.

    Raises:
        TypeError: logits that are no floats, tokens that are not torch.long.
        ValueError: shapes that do not fit, fewer than two tokens; on a CPU also tokens outside the vocabulary, or none
            that counts.

    Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", eq. 1.
    """
    check_tensors(
        ("logits", logits, FLOAT, "batch positions vocab"), ("tokens", tokens, LONG, "batch length")
    )
    if logits.shape[1] not in (tokens.shape[1], tokens.shape[1] - 1):
        raise ValueError(
            f"logits {tuple(logits.shape)} and tokens {tuple(tokens.shape)}: "
            "expected [batch, length, vocab] and [batch, length]"
        )
    if tokens.shape[1] < 2:
        raise ValueError(
            f"tokens have shape {tuple(tokens.shape)}: expected two or more, to predict the next"
        )
    targets = tokens[:, 1:]
    _check_targets(targets, logits.shape[-1])
    if (
        logits.shape[1] == tokens.shape[1]
    ):  # nothing judges the last position; to cut it off would copy all logits
        targets = F.pad(targets, (0, 1), value=IGNORED)
    return mean_cross_entropy(logits.flatten(0, 1), targets.flatten(), overwrite=overwrite)


def _check_targets(targets: Tensor, vocab_size: int) -> None:
    if targets.device.type != "cpu" or torch.compiler.is_compiling():
        return
    counted = targets[targets != IGNORED]
    if len(counted) == 0:
        raise ValueError(f"all targets are {IGNORED}: expected at least one token that counts")
    low, high = int(counted.min()), int(counted.max())
    if low < 0 or high >= vocab_size:
        raise ValueError(f"targets go from {low} to {high}: expected 0 to {vocab_size - 1}, or {IGNORED}")


def check_tokens(
    tokens: Tensor, vocab_size: int, max_length: int, past: int = 0, positions: Tensor | None = None
) -> None:
    """Refuse what a language model cannot read.

    Args:
        tokens: [batch, length].
        vocab_size, max_length: of the model.
        past: how many tokens it has seen before these.
        positions: where they stand, [batch or 1, length]; counted on from the past by default.

    Raises:
        TypeError: not whole numbers.
        ValueError: not [batch, length], empty, too long; on a CPU also a token outside the vocabulary, or a position
            outside the model's.
    """
    check_tensors(("tokens", tokens, LONG, "batch length"))
    length = tokens.shape[1]
    if positions is not None:
        check_tensors(
            ("tokens", tokens, LONG, "batch length"), ("positions", positions, LONG, "batch|1 length")
        )
    if positions is None and past + length > max_length:
        raise ValueError(
            f"{length} tokens after {past} make {past + length}: this model knows {max_length} positions"
        )
    check_range("tokens", tokens, 0, vocab_size - 1)  # on a CPU: elsewhere every step would wait
    if positions is not None:
        check_range("positions", positions, 0, max_length - 1)
