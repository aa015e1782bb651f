"""Which token to take: functions that reshape a model's probabilities, and the draw.

All of them are pure functions on logits [batch, vocab]; a token that must not be taken gets minus infinity. What is computed
is computed in float32 at least: in 16 bits neighbors round to the same number, and the filters would cut elsewhere.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor

from fmlib.checks import (
    FLOAT,
    LONG,
    as_mask,
    check_likeliest,
    check_number,
    check_range,
    check_tensors,
    check_whole,
)


def apply_temperature(
    logits: Float[Tensor, "batch vocab"], temperature: float
) -> Float[Tensor, "batch vocab"]:
    """Sharpen (below 1) or flatten (above 1) the probabilities: p becomes p^(1 / temperature), made to sum to 1 again.

    Args:
        logits: of the next token.
        temperature: > 0; 1 changes nothing, toward 0 only the likeliest token is left.

    Returns:
        Logits divided by the temperature, in float32 at least.

    Raises:
        TypeError: logits that are no floats.
        ValueError: not [batch, vocab], or a temperature that is not positive.

    Source: Ackley et al. 1985, "A Learning Algorithm for Boltzmann Machines".
    """
    _check_logits(logits)
    check_number("temperature", temperature, above=0, hint="`Sampling.greedy()` always takes the likeliest")
    return _exact(logits) / temperature


def top_k_filter(logits: Float[Tensor, "batch vocab"], k: int) -> Float[Tensor, "batch vocab"]:
    """Keep the k likeliest tokens.

    Args:
        logits: of the next token.
        k: >= 1; with more than the vocabulary has, all stay.

    Returns:
        The logits, minus infinity for all others; whoever ties with the k-th stays, too.

    Raises:
        TypeError: logits that are no floats.
        ValueError: not [batch, vocab], or k < 1.

    Source: Fan et al. 2018, "Hierarchical Neural Story Generation", where k is 10.
    """
    _check_logits(logits)
    check_top_k(k, "k")
    lowest = logits.topk(min(k, logits.shape[-1]), dim=-1).values[..., -1:]  # [batch, 1]
    return logits.masked_fill(logits < lowest, float("-inf"))


def top_p_filter(logits: Float[Tensor, "batch vocab"], p: float) -> Float[Tensor, "batch vocab"]:
    """Keep the *nucleus*: the fewest tokens, likeliest first, whose probabilities together reach p.

    Args:
        logits: of the next token.
        p: in (0, 1]; 1 keeps everything.

    Returns:
        The logits, minus infinity outside the nucleus. The likeliest token is always inside, however small p is.

    Raises:
        TypeError: logits that are no floats.
        ValueError: not [batch, vocab], or p outside (0, 1].

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", eq. 2.
    """
    _check_logits(logits)
    check_share("p", p, "common: 0.9 to 0.95")
    if p == 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    probability = _exact(ordered).softmax(dim=-1)
    # What stands before a token decides, so that the one that crosses p is still in.
    before = probability.cumsum(dim=-1) - probability  # [batch, vocab]
    outside = before >= p
    return logits.masked_fill(outside.scatter(-1, order, outside), float("-inf"))


def min_p_filter(logits: Float[Tensor, "batch vocab"], share: float) -> Float[Tensor, "batch vocab"]:
    """Keep the tokens that have at least this share of the likeliest token's probability.

    Args:
        logits: of the next token.
        share: in (0, 1]; 1 keeps only the likeliest.

    Raises:
        TypeError: logits that are no floats.
        ValueError: not [batch, vocab], or a share outside (0, 1].

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs".
    """
    _check_logits(logits)
    check_share("share", share, "common: 0.05 to 0.1")
    exact = _exact(logits)
    lowest = exact.amax(dim=-1, keepdim=True) + math.log(share)
    return logits.masked_fill(exact < lowest, float("-inf"))


def repetition_penalty(
    logits: Float[Tensor, "batch vocab"],
    tokens: Int64[Tensor, "batch length"],
    penalty: float,
    mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
) -> Float[Tensor, "batch vocab"]:
    """Make every token less likely that is already there, once, however often it is there.

    Args:
        logits: of the next token.
        tokens: what there is so far.
        penalty: >= 1; positive logits are divided by it, negative ones multiplied, so that both fall. 1 changes nothing.
        mask: False or 0 where tokens are padding and do not count.

    Returns:
        The logits, in float32 at least.

    Raises:
        TypeError: logits that are no floats, tokens that are not torch.long, a mask of floats.
        ValueError: penalty below 1, not as many rows of tokens as of logits, on a CPU also tokens outside the vocabulary.

    Source: Keskar et al. 2019, "CTRL: A Conditional Transformer Language Model for Controllable Generation", section 4.1.
    Differs from the paper: it divides whatever the sign, which makes a token with a negative logit likelier.
    """
    text = ("tokens", tokens, LONG, "batch length")
    check_tensors(("logits", logits, FLOAT, "batch vocab"), text)
    check_penalty(penalty, "penalty")
    logits, vocab = _exact(logits), logits.shape[-1]
    if mask is not None:
        mask = as_mask("mask", mask, "batch length", text)
        tokens = tokens.masked_fill(~mask, vocab)  # a column of its own, cut off again
    check_range("tokens", tokens, 0, vocab if mask is not None else vocab - 1)
    seen = torch.zeros(len(logits), vocab + 1, dtype=torch.bool, device=logits.device)
    seen = seen.scatter(1, tokens, True)[:, :vocab]
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def sample_token(
    logits: Float[Tensor, "batch vocab"], generator: torch.Generator | None
) -> Int64[Tensor, "batch"]:
    """Draw one token a row, each as often as its probability says.

    Args:
        logits: of the next token; minus infinity is never drawn.
        generator: to draw from, on its own device: one on the CPU serves a model on a GPU, too.

    Raises:
        TypeError: logits that are no floats.
        ValueError: not [batch, vocab]; no generator; on a CPU also logits that are not a number, or leave nothing to draw.
    """
    _check_logits(logits)
    if not isinstance(generator, torch.Generator):
        raise ValueError(
            f"generator is {generator!r}: expected a torch.Generator, e.g. torch.Generator().manual_seed(0), to draw from"
        )
    if logits.device.type == "cpu":
        check_likeliest(logits)
    probabilities = _exact(logits).softmax(dim=-1).to(generator.device)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(logits.device)


@dataclass(frozen=True)
class Sampling:
    """How a token is taken: the penalty comes first, then temperature, top-k, top-p, min-p, as in transformers.

    Args:
        temperature: >= 0; at 0 the likeliest token is taken (*greedy*), and nothing is drawn.
        top_k: keep the k likeliest.
        top_p: keep the nucleus with this much probability.
        min_p: keep tokens with this share of the likeliest one's probability.
        repetition_penalty: >= 1, for tokens that are already there.

    Raises:
        ValueError: a number out of its range.

    Example:
        >>> Sampling(temperature=0.8, top_p=0.9)
        Sampling(temperature=0.8, top_k=None, top_p=0.9, min_p=None, repetition_penalty=1.0)
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        check_number("temperature", self.temperature, least=0, hint="0 takes the likeliest")
        if self.top_k is not None:
            check_top_k(self.top_k)
        for name, common in {"top_p": "0.9 to 0.95", "min_p": "0.05 to 0.1"}.items():
            if getattr(self, name) is not None:
                check_share(name, getattr(self, name), f"common: {common}")
        check_penalty(self.repetition_penalty)

    @classmethod
    def greedy(cls) -> "Sampling":
        """Always the likeliest token."""
        return cls(temperature=0.0)

    def filter(
        self,
        logits: Float[Tensor, "batch vocab"],
        tokens: Int64[Tensor, "batch length"],
        mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch vocab"]:
        """The logits that are drawn from, after the tokens that there are; see the functions of this file."""
        logits = _exact(logits)
        if self.repetition_penalty != 1:
            logits = repetition_penalty(logits, tokens, self.repetition_penalty, mask)
        if self.temperature not in (0, 1):
            logits = apply_temperature(logits, self.temperature)
        if self.top_k is not None:
            logits = top_k_filter(logits, self.top_k)
        if self.top_p is not None:
            logits = top_p_filter(logits, self.top_p)
        return logits if self.min_p is None else min_p_filter(logits, self.min_p)

    def take(
        self,
        logits: Float[Tensor, "batch vocab"],
        tokens: Int64[Tensor, "batch length"],
        mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int64[Tensor, "batch"]:
        """The next token of each row.

        Raises:
            ValueError: something is to be drawn, and there is no generator; on a CPU also logits that are not a number.
        """
        if self.temperature == 0:  # filters never remove the likeliest; the penalty may change which it is
            if self.repetition_penalty != 1:
                logits = repetition_penalty(logits, tokens, self.repetition_penalty, mask)
            if logits.device.type == "cpu":  # elsewhere to look would make every step wait: see `_stream`
                check_likeliest(logits)
            return logits.argmax(dim=-1)
        return sample_token(self.filter(logits, tokens, mask), generator)


def check_top_k(k: int, name: str = "top_k") -> None:
    """Refuse a k that keeps nothing."""
    check_whole(name, k, hint="common: 10 to 100")


def check_share(name: str, share: float, hint: str = "") -> None:
    """Refuse a share of probability outside (0, 1]."""
    check_number(name, share, above=0, most=1, hint=hint)


def check_penalty(penalty: float, name: str = "repetition_penalty") -> None:
    """Refuse a penalty that would be a reward."""
    check_number(name, penalty, least=1, hint="common: 1.1 to 1.3")


def _check_logits(logits: Tensor) -> None:
    check_tensors(("logits", logits, FLOAT, "batch vocab"))


def _exact(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
