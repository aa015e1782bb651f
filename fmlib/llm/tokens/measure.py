"""Comparing models and tokenizers whose tokens differ: count in bits per character, which all texts share."""

import numpy as np
from jaxtyping import Float, Integer

from fmlib.checks import check_number, check_whole
from fmlib.llm.tokens.characters import Tokenizer


def characters_per_token(text: str, tokenizer: Tokenizer) -> float:
    """How far a tokenizer shortens a text: a model that sees a fixed number of tokens sees so many times as much text.

    Args:
        text: at least one character; one that the tokenizer was not trained on, or the number is too good.
        tokenizer: any.

    Raises:
        ValueError: the text is empty.
    """
    if not text:
        raise ValueError("text is empty: expected at least one character")
    return len(text) / len(tokenizer.encode(text))


def unigram_nats(
    train: Integer[np.ndarray, " n"], held_out: Integer[np.ndarray, " m"], vocab_size: int
) -> float:
    """The loss of the model that knows only how frequent each token is.

    Args:
        train: token ids to count.
        held_out: token ids to predict.
        vocab_size: how many tokens there are.

    Returns:
        The sum over the held-out tokens, in nats. Half an occurrence is added to every token's count, so that none is
        impossible.

    Raises:
        TypeError, ValueError: not one row of whole numbers of the vocabulary.
    """
    check_token_array("train", train, vocab_size)
    check_token_array("held_out", held_out, vocab_size)
    return float(-np.log(_unigram(train, vocab_size)[held_out]).sum())


def bigram_nats(
    train: Integer[np.ndarray, " n"],
    held_out: Integer[np.ndarray, " m"],
    vocab_size: int,
    discount: float = 0.75,
) -> float:
    """The loss of the model that guesses each token from the one before it, by counting pairs.

    Every pair seen gives up a part of its count, which is shared out as the single tokens are distributed.

    Args:
        train, held_out, vocab_size: as in `unigram_nats`.
        discount: what every pair seen gives up, above 0 and at most 1.

    Returns:
        The sum over the held-out tokens, in nats; the first one is predicted from nothing.

    Raises:
        TypeError, ValueError: a discount outside of its range, nothing held out, not one row of whole numbers of the
            vocabulary.

    Source: absolute discounting, Ney, Essen and Kneser 1994, "On structuring probabilistic dependences in stochastic
    language modelling", here interpolated with the unigram.
    """
    check_token_array("train", train, vocab_size)
    check_token_array("held_out", held_out, vocab_size)
    check_number("discount", discount, above=0, most=1)
    if len(held_out) == 0:
        raise ValueError("held_out is empty: expected at least one token")
    single = _unigram(train, vocab_size)
    keys, counts = np.unique(_pairs(train, vocab_size), return_counts=True)
    left = keys // vocab_size
    seen = np.bincount(left, weights=counts, minlength=vocab_size)  # how often a token has a successor
    different = np.bincount(left, minlength=vocab_size)  # how many different ones

    wanted = _pairs(held_out, vocab_size)
    if len(keys):
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found = np.where(keys[place] == wanted, counts[place], 0)
    else:
        found = np.zeros(len(wanted))
    before, after = held_out[:-1], held_out[1:]
    total = np.maximum(seen[before], 1)
    freed = np.where(seen[before] > 0, discount * different[before] / total, 1.0)
    likely = np.maximum(found - discount, 0) / total + freed * single[after]
    return float(-np.log(single[held_out[0]]) - np.log(likely).sum())


def likeness_to_unused(
    rows: Float[np.ndarray, "tokens features"], unused: Integer[np.ndarray, " n"]
) -> Float[np.ndarray, " tokens"]:
    """How much each token's row of an embedding is like the rows of tokens that are known to be unused.

    Args:
        rows: the embedding of a trained model, a row for each token.
        unused: ids of tokens that its training text does not have, known without looking at the model.

    Returns:
        The cosine of each row with the mean of the unused rows: 1 for the same direction.

    Raises:
        ValueError: no unused token, or a row of zeros.

    Source: Land and Bartolo 2024, "Fishing for Magikarp", section 2. Differs from the paper: the first principal
    component stays in.
    """
    lengths = np.linalg.norm(rows, axis=1)
    if len(unused) == 0 or not lengths.all():
        problem = "unused is empty" if len(unused) == 0 else f"row {int(lengths.argmin())} is all zeros"
        raise ValueError(f"{problem}: expected at least one unused token, and rows that have a direction")
    mean = rows[unused].mean(axis=0)
    return rows @ mean / (lengths * np.linalg.norm(mean))


def check_token_array(name: str, tokens: np.ndarray, vocab_size: int) -> None:
    """Refuse what are no tokens of a vocabulary; a negative one would silently count from its end.

    Raises:
        TypeError: no numpy array of whole numbers.
        ValueError: not one row, or a token outside the vocabulary.
    """
    check_whole("vocab_size", vocab_size)
    if not isinstance(tokens, np.ndarray) or not np.issubdtype(tokens.dtype, np.integer):
        kind = tokens.dtype if isinstance(tokens, np.ndarray) else type(tokens).__name__
        raise TypeError(f"{name} is {kind}: expected a numpy array of whole numbers")
    if tokens.ndim != 1:
        raise ValueError(f"{name} has shape {tokens.shape}: expected one row of tokens")
    if len(tokens) and not 0 <= tokens.min() <= tokens.max() < vocab_size:
        raise ValueError(f"{name} goes from {tokens.min()} to {tokens.max()}: expected 0 to {vocab_size - 1}")


def _unigram(train: np.ndarray, vocab_size: int) -> np.ndarray:
    counts = np.bincount(train, minlength=vocab_size) + 0.5
    return counts / counts.sum()


def _pairs(ids: np.ndarray, vocab_size: int) -> np.ndarray:
    return ids[:-1].astype(np.int64) * vocab_size + ids[1:]
