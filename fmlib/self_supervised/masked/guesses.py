"""What counting says about hidden tokens: the rivals that masked language modeling must beat.

Each guesses the same tokens as BERT and always reads their true neighbors, even where BERT's are hidden, too.
"""

import numpy as np
from jaxtyping import Float, Integer

from fmlib.checks import check_number, check_whole
from fmlib.llm.pretraining.ngrams import GRID, NGram
from fmlib.llm.tokens.measure import check_token_array


def left_nats(
    train: Integer[np.ndarray, " n"],
    validation: Integer[np.ndarray, " m"],
    text: Integer[np.ndarray, " length"],
    vocab_size: int,
    order: int,
) -> Float[np.ndarray, " length"]:
    """Nats of every token of a text after the order - 1 tokens before it: 1 counts tokens, 3 is a trigram model.

    Args:
        train: what is counted.
        validation: chooses how much is taken off the counts.
        text: what is guessed.
        vocab_size: how many tokens there are.
        order: of the n-grams.

    Raises:
        TypeError, ValueError: no rows of tokens of the vocabulary, or an order below 1.

    Source: see `fmlib.llm.pretraining.ngrams.NGram`.
    """
    for name, tokens in (("train", train), ("validation", validation), ("text", text)):
        check_token_array(name, tokens, vocab_size)
    counts = NGram(train, vocab_size, order)
    return counts.surprise(text, counts.choose_discounts(validation))


class Between:
    """A guess from one neighbor on each side: p(token | left, right) ∝ p(token | left) · p(right | token).

    That is Bayes' rule for a text in which each token depends on the one before it alone. The two tables are one, of
    counted pairs, smoothed by absolute discounting.

    Args:
        train: what is counted.
        vocab_size: how many tokens there are; the table has its square.
        discount: taken off the count of every pair, above 0 and at most 1.

    Raises:
        TypeError, ValueError: no row of tokens of the vocabulary, or a discount outside its range.

    Source: Ney, Essen and Kneser 1994 for the discounting.
    """

    def __init__(self, train: Integer[np.ndarray, " n"], vocab_size: int, discount: float = 0.75) -> None:
        check_whole("vocab_size", vocab_size)
        check_token_array("train", train, vocab_size)
        check_number("discount", discount, above=0, most=1)
        single = np.bincount(train, minlength=vocab_size) + 0.5
        pairs = np.bincount(train[:-1] * vocab_size + train[1:], minlength=vocab_size**2)
        pairs = pairs.reshape(vocab_size, vocab_size)
        total = pairs.sum(axis=1, keepdims=True)
        freed = np.where(
            total > 0, discount * (pairs > 0).sum(axis=1, keepdims=True) / np.maximum(total, 1), 1.0
        )
        kept = np.maximum(pairs - discount, 0) / np.maximum(total, 1)
        self.table = kept + freed * (single / single.sum())  # [left, token]
        self.vocab_size = vocab_size

    def nats(
        self, text: Integer[np.ndarray, " length"], places: Integer[np.ndarray, " asked"]
    ) -> Float[np.ndarray, " asked"]:
        """Nats of the tokens at these places.

        Args:
            text: with all its tokens.
            places: from 1 to length - 2, so that each has two neighbors.

        Raises:
            TypeError, ValueError: no row of tokens, or a place without a neighbor.
        """
        check_token_array("text", text, self.vocab_size)
        check_token_array("places", places, max(1, len(text) - 1))
        if len(places) and places.min() < 1:
            raise ValueError("places go from 0: expected 1 or more, to have a neighbor on the left")
        found = np.empty(len(places))
        for part in np.array_split(np.arange(len(places)), max(1, len(places) // 512)):
            left, token, right = (text[places[part] + shift] for shift in (-1, 0, 1))
            fits = self.table[left] * self.table[:, right].T  # [asked, vocab]
            found[part] = np.log(fits.sum(axis=1)) - np.log(fits[np.arange(len(part)), token])
        return found


def choose_between(
    train: Integer[np.ndarray, " n"], validation: Integer[np.ndarray, " m"], vocab_size: int
) -> Between:
    """`Between` with the discount that suits a validation text best.

    Args:
        train, vocab_size: as in `Between`.
        validation: at least 3 tokens; up to 4,000 places of it, evenly spread, are guessed.

    Raises:
        TypeError, ValueError: no rows of tokens of the vocabulary, or too short a validation text.
    """
    check_token_array("validation", validation, vocab_size)
    if len(validation) < 3:
        raise ValueError(
            f"validation has {len(validation)} tokens: expected at least 3, one with two neighbors"
        )
    places = np.unique(np.linspace(1, len(validation) - 2, 4000).astype(np.int64))
    tried = (Between(train, vocab_size, discount) for discount in GRID[4::5])
    return min(tried, key=lambda between: between.nats(validation, places).mean())
