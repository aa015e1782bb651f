"""Which token to take: functions that reshape a model's probabilities, and the draw.

All of them are pure functions on logits [batch, vocab]; a token that must not be taken gets minus infinity.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def apply_temperature(
    logits: Float[Tensor, "batch vocab"], temperature: float
) -> Float[Tensor, "batch vocab"]:
    """Sharpen (below 1) or flatten (above 1) the probabilities: p becomes p^(1 / temperature), made to sum to 1 again.

    Args:
        logits: of the next token.
        temperature: > 0; 1 changes nothing, toward 0 only the likeliest token is left.

    Returns:
        Logits divided by the temperature.

    Raises:
        ValueError: temperature not positive.

    Source: Ackley et al. 1985, "A Learning Algorithm for Boltzmann Machines".
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(
            f"temperature is {temperature}: expected a positive number; `Sampling.greedy()` always takes the likeliest"
        )
    return logits / temperature


def top_k_filter(logits: Float[Tensor, "batch vocab"], k: int) -> Float[Tensor, "batch vocab"]:
    """Keep the k likeliest tokens.

    Args:
        logits: of the next token.
        k: >= 1; with more than the vocabulary has, all stay.

    Returns:
        The logits, minus infinity for all others; whoever ties with the k-th stays, too.

    Raises:
        ValueError: k < 1.

    Source: Fan et al. 2018, "Hierarchical Neural Story Generation", where k is 10.
    """
    check_top_k(k)
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
        ValueError: p outside (0, 1].

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", eq. 2.
    """
    check_share("top_p", p)
    if p == 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True, stable=True)
    probability = ordered.softmax(dim=-1)
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
        ValueError: share outside (0, 1].

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs".
    """
    check_share("min_p", share)
    lowest = logits.amax(dim=-1, keepdim=True) + math.log(share)
    return logits.masked_fill(logits < lowest, float("-inf"))


def repetition_penalty(
    logits: Float[Tensor, "batch vocab"],
    tokens: Int64[Tensor, "batch length"],
    penalty: float,
    mask: Bool[Tensor, "batch length"] | None = None,
) -> Float[Tensor, "batch vocab"]:
    """Make every token less likely that is already there, once, however often it is there.

    Args:
        logits: of the next token.
        tokens: what there is so far.
        penalty: >= 1; positive logits are divided by it, negative ones multiplied, so that both fall. 1 changes nothing.
        mask: False where tokens are padding and do not count.

    Raises:
        ValueError: penalty below 1, or not as many rows of tokens as of logits.

    Source: Keskar et al. 2019, "CTRL: A Conditional Transformer Language Model for Controllable Generation", section 4.1.
    Differs from the paper: it divides whatever the sign, which makes a token with a negative logit likelier.
    """
    check_penalty(penalty)
    if len(tokens) != len(logits):
        raise ValueError(f"{len(tokens)} rows of tokens and {len(logits)} of logits: expected as many")
    vocab = logits.shape[-1]
    if mask is not None:
        tokens = tokens.masked_fill(~mask, vocab)  # a column of its own, cut off again
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
        ValueError: no generator; or logits that are not a number, or leave nothing to draw.
    """
    if generator is None:
        raise ValueError(
            "generator is None: expected a torch.Generator, e.g. torch.Generator().manual_seed(0), to draw from"
        )
    if logits.device.type == "cpu" and not bool(logits.amax(dim=-1).isfinite().all()):
        raise ValueError(
            "a row of logits has nan or nothing finite at its top: there is nothing to draw from"
        )
    probabilities = logits.softmax(dim=-1).to(generator.device)
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
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise ValueError(
                f"temperature is {self.temperature}: expected a number >= 0 (0 takes the likeliest)"
            )
        if self.top_k is not None:
            check_top_k(self.top_k)
        for name in ("top_p", "min_p"):
            if getattr(self, name) is not None:
                check_share(name, getattr(self, name))
        check_penalty(self.repetition_penalty)

    @classmethod
    def greedy(cls) -> "Sampling":
        """Always the likeliest token."""
        return cls(temperature=0.0)

    def filter(
        self,
        logits: Float[Tensor, "batch vocab"],
        tokens: Int64[Tensor, "batch length"],
        mask: Bool[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch vocab"]:
        """The logits that are drawn from, after the tokens that there are; see the functions of this file."""
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
        mask: Bool[Tensor, "batch length"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int64[Tensor, "batch"]:
        """The next token of each row.

        Raises:
            ValueError: something is to be drawn, and there is no generator.
        """
        if self.temperature == 0:  # filters never remove the likeliest; the penalty may change which it is
            if self.repetition_penalty != 1:
                logits = repetition_penalty(logits, tokens, self.repetition_penalty, mask)
            return logits.argmax(dim=-1)
        return sample_token(self.filter(logits, tokens, mask), generator)


def check_top_k(k: int) -> None:
    """Refuse a k that keeps nothing."""
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise ValueError(f"top_k is {k!r}: expected a whole number of at least 1 (common: 10 to 100)")


def check_share(name: str, share: float) -> None:
    """Refuse a share of probability outside (0, 1]."""
    if not 0 < share <= 1:
        common = "0.9 to 0.95" if name == "top_p" else "0.05 to 0.1"
        raise ValueError(f"{name} is {share}: expected a share in (0, 1] (common: {common})")


def check_penalty(penalty: float) -> None:
    """Refuse a penalty that would be a reward."""
    if not (penalty >= 1 and math.isfinite(penalty)):
        raise ValueError(f"repetition_penalty is {penalty}: expected a number >= 1 (common: 1.1 to 1.3)")
