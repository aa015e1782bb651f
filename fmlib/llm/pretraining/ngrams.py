"""Counting as a language model: the next token from the few before it, smoothed by interpolated Kneser-Ney.

What a network must beat. The counts of all orders are sorted arrays, so that millions of tokens take seconds in numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from fmlib.checks import FLOAT, WHOLE, check_number, check_tensors, check_whole, check_whole_numbers

GRID = tuple(round(0.05 * i, 2) for i in range(1, 21))  # the discounts that are tried


@dataclass(frozen=True)
class _Order:
    """The counts of one order k: sorted keys of the k-grams, and sums over each context of k - 1 tokens."""

    keys: Int64[np.ndarray, " grams"]
    counts: Int64[np.ndarray, " grams"]
    total: Int64[np.ndarray, " contexts"]
    different: Int64[np.ndarray, " contexts"]


@dataclass(frozen=True)
class Found:
    """What the counts say about each token of a text, whatever the discounts: arrays [orders, tokens]."""

    count: Int64[np.ndarray, "orders tokens"]
    total: Int64[np.ndarray, "orders tokens"]
    different: Int64[np.ndarray, "orders tokens"]


class NGram:
    r"""The probability of a token after the n - 1 tokens before it, from counts.

    A context of k - 1 tokens gives every token that followed it a share of its count less a discount, and hands on what
    the discounts free to the context that is one token shorter:

        p_k(w | h) = max(c(hw) - d_k, 0) / c(h) + d_k · different(h) / c(h) · p_{k-1}(w | shorter h),

    down to p_0, where all tokens are alike. Only the longest contexts count occurrences; a shorter one counts in how many
    *different* contexts a token was seen ("Francisco" is frequent, but hardly ever follows anything except "San").

    Args:
        tokens: the text to count.
        vocab_size: how many tokens there are.
        order: n: the longest context has n - 1 tokens.

    Raises:
        ValueError: order below 1, a text shorter than that, or tokens outside the vocabulary.

    Source: Kneser & Ney 1995, "Improved backing-off for m-gram language modeling"; interpolated as in Chen & Goodman 1999,
    "An empirical study of smoothing techniques for language modeling", section 2.7.

    Example:
        >>> model = NGram(np.array([0, 1, 0, 1, 0]), vocab_size=2, order=2)
        >>> model.probabilities([0], discounts=0.5).round(3).tolist()
        [0.125, 0.875]
    """

    def __init__(self, tokens: Integer[np.ndarray, " text"], vocab_size: int, order: int) -> None:
        check_whole("order", order)
        check_whole("vocab_size", vocab_size)
        tokens = _checked(tokens, vocab_size)
        if len(tokens) < order:
            raise ValueError(f"the text has {len(tokens)} tokens: expected at least {order}, the order")
        self.vocab_size, self.order = vocab_size, order
        # A k-gram's key is (the number of its first k - 1 tokens among all such) · vocab_size + its last token, so keys
        # stay small however long the k-gram. `numbers[i]` is the number of the gram that starts at i.
        numbers = np.zeros(len(tokens) + 1, dtype=np.int64)
        keys, first, counts, suffix = [], [], [], []
        for k in range(1, order + 1):
            key = numbers[: len(tokens) - k + 1] * vocab_size + tokens[k - 1 :]
            unique, place, numbers, count = np.unique(
                key, return_index=True, return_inverse=True, return_counts=True
            )
            keys.append(unique)
            first.append(place)
            counts.append(count)
            suffix.append(numbers)
        self._orders = []
        for k in range(order):
            counted = counts[k]
            if k + 1 < order:  # how many different tokens stand before this gram
                counted = np.bincount(suffix[k][first[k + 1] + 1], minlength=len(keys[k]))
            context = keys[k] // vocab_size
            size = len(keys[k - 1]) if k else 1
            total = np.bincount(context, weights=counted, minlength=size).astype(np.int64)
            different = np.bincount(context, weights=counted > 0, minlength=size).astype(np.int64)
            self._orders.append(_Order(keys[k], counted, total, different))

    def look_up(self, tokens: Integer[np.ndarray, " text"]) -> Found:
        """Everything that is known about each token of a text and the contexts before it.

        Args:
            tokens: the text; its first tokens have shorter contexts.
        """
        tokens = _checked(tokens, self.vocab_size)
        shape = (self.order, len(tokens))
        found = Found(*(np.zeros(shape, dtype=np.int64) for _ in range(3)))
        numbers = np.zeros(len(tokens) + 1, dtype=np.int64)  # of the gram that starts here; -1 if never seen
        for k, order in enumerate(self._orders):
            context = numbers[: max(0, len(tokens) - k)]
            known = context >= 0
            place, seen = _find(order.keys, np.where(known, context * self.vocab_size + tokens[k:], -1))
            found.count[k, k:] = np.where(seen, order.counts[place], 0)
            found.total[k, k:] = np.where(known, order.total[context], 0)
            found.different[k, k:] = np.where(known, order.different[context], 0)
            numbers = np.where(seen, place, -1)
        return found

    def surprise(
        self, tokens: Integer[np.ndarray, " text"] | Found, discounts: float | Sequence[float]
    ) -> Float[np.ndarray, " text"]:
        """Nats of every token after those before it.

        Args:
            tokens: the text, or what `look_up` found about it.
            discounts: one for each order, from 1 to n, or one for all; above 0 and at most 1.

        Raises:
            ValueError: a discount outside of its range or a wrong number of them.
        """
        found = tokens if isinstance(tokens, Found) else self.look_up(tokens)
        return -np.log(self._interpolate(found, self._check_discounts(discounts)))

    def probabilities(
        self, context: Sequence[int], discounts: float | Sequence[float]
    ) -> Float[np.ndarray, " vocab"]:
        """How likely each token is to come next.

        Args:
            context: the tokens before; only the last n - 1 matter.
            discounts: as in `surprise`.
        """
        before = np.asarray(check_whole_numbers("context", context, 0, self.vocab_size - 1), dtype=np.int64)[
            max(0, len(context) - self.order + 1) :
        ]
        rows = [self.look_up(np.append(before, token)) for token in range(self.vocab_size)]
        last = Found(*(np.stack([getattr(r, n)[:, -1] for r in rows], 1) for n in Found.__annotations__))
        return self._interpolate(last, self._check_discounts(discounts))

    def choose_discounts(
        self, validation: Integer[np.ndarray, " text"], rounds: int = 2
    ) -> tuple[float, ...]:
        """The discounts, one for each order, with which a text surprises least.

        Args:
            validation: a text that is neither counted nor tested on.
            rounds: how often each order's discount is chosen anew, with those of the others as they are.
        """
        found = self.look_up(validation)
        chosen = [0.75] * self.order
        for _ in range(rounds):
            for k in range(self.order):
                nats = {d: self.surprise(found, [*chosen[:k], d, *chosen[k + 1 :]]).sum() for d in GRID}
                chosen[k] = min(nats, key=nats.get)
        return tuple(chosen)

    def _interpolate(self, found: Found, discounts: Sequence[float]) -> np.ndarray:
        likely = np.full(found.count.shape[1], 1 / self.vocab_size)
        for k, d in enumerate(discounts):
            total = np.maximum(found.total[k], 1)
            freed = np.where(found.total[k] > 0, d * found.different[k] / total, 1.0)
            likely = np.maximum(found.count[k] - d, 0) / total + freed * likely
        return likely

    def _check_discounts(self, discounts: float | Sequence[float]) -> list[float]:
        values = [discounts] * self.order if isinstance(discounts, (int, float)) else list(discounts)
        if len(values) != self.order or not all(0 < d <= 1 for d in values):
            raise ValueError(
                f"discounts are {discounts}: expected {self.order} numbers above 0, at most 1, or one for all"
            )
        return values


def discounted_probabilities(
    counts: Int64[Tensor, "vocab"], shorter: Float[Tensor, "vocab"], discount: float
) -> Float[Tensor, "vocab"]:
    """One step of the interpolation, for one context: what was seen gives up a discount to what a shorter context says.

    Args:
        counts: how often each token followed the context.
        shorter: the probabilities after the context that is one token shorter.
        discount: taken off every count that is not 0; above 0 and at most 1.

    Returns:
        Probabilities, which sum to 1 as `shorter` does; after a context that was never seen, `shorter`.

    Raises:
        TypeError, ValueError: counts that are no whole numbers, probabilities that are no floats or none, another number of
            them; a discount outside its range.

    Source: Chen & Goodman 1999, section 2.6 (absolute discounting).
    """
    check_tensors(("counts", counts, WHOLE, "vocab"), ("shorter", shorter, FLOAT, "vocab"), finite=True)
    check_number("discount", discount, above=0, most=1)
    counts = counts.to(shorter.dtype)
    total = counts.sum()
    if total == 0:
        return shorter
    freed = discount * (counts > 0).sum() / total
    return (counts - discount).clamp(min=0) / total + freed * shorter


def _find(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each wanted key is among sorted ones, and whether it is there at all."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted


def _checked(tokens: np.ndarray, vocab_size: int) -> np.ndarray:
    tokens = np.asarray(tokens)
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"tokens are {tokens.dtype} {tokens.shape}: expected one row of whole numbers")
    if len(tokens) == 0:
        raise ValueError("tokens are empty: expected at least one")
    if not 0 <= tokens.min() <= tokens.max() < vocab_size:
        raise ValueError(f"tokens go from {tokens.min()} to {tokens.max()}: expected 0 to {vocab_size - 1}")
    return tokens.astype(np.int64)
