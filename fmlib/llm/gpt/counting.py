"""What counting says comes next, as tables, and how far a model's predictions are from them."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from fmlib.evaluate import evaluating
from fmlib.training.batches import consecutive_pieces


def next_letter_tables(
    tokens: Integer[Tensor, "text"], vocab_size: int, longest: int = 2, discount: float = 0.75
) -> list[Float[Tensor, "*context next"]]:
    """The probability of each next token after the last 0, 1, ..., `longest` ones, by counting.

    Every row that was seen gives up a part of each of its counts, which is shared out as the next shorter table says.

    Args:
        tokens: the text to count.
        vocab_size: how many tokens there are; the largest table has vocab_size ** (longest + 1) numbers.
        longest: how many tokens the largest table looks back.
        discount: what every count gives up, above 0 and at most 1.

    Returns:
        Table n has n axes for the context, the oldest token first, and one for the next token. Each row sums to 1.

    Raises:
        ValueError: a discount outside of its range, or a text of fewer than longest + 1 tokens.

    Source: Ney, Essen and Kneser 1994, absolute discounting, as in `fmlib.llm.tokens.bigram_nats`.
    """
    if not 0 < discount <= 1:
        raise ValueError(f"discount is {discount}: expected a number above 0, at most 1")
    if longest < 0 or len(tokens) < longest + 1:
        raise ValueError(
            f"longest is {longest} and the text has {len(tokens)} tokens: expected at least longest + 1 of them"
        )
    counts = torch.bincount(tokens, minlength=vocab_size).double() + 0.5
    tables, runs = [counts / counts.sum()], tokens.long()
    for order in range(1, longest + 1):
        runs = runs[:-1] * vocab_size + tokens[order:]  # each run of order + 1 tokens as one number
        counts = torch.bincount(runs, minlength=vocab_size ** (order + 1)).double()
        counts = counts.view(*[vocab_size] * (order + 1))
        total = counts.sum(dim=-1, keepdim=True)
        kept = (counts - discount).clamp(min=0)
        freed = torch.where(total > 0, total - kept.sum(dim=-1, keepdim=True), 1.0)
        tables.append((kept + freed * tables[-1]) / total.clamp(min=1))
    return [table.float() for table in tables]


def table_nats(table: Float[Tensor, "*context next"], tokens: Integer[Tensor, "text"]) -> float:
    """Mean loss of a counted table on a text, of all tokens that have a whole context before them.

    Args:
        table: one of `next_letter_tables`.
        tokens: the text; longer than the table's context.
    """
    return -table[tuple(tokens.unfold(0, table.ndim, 1).unbind(dim=1))].log().mean().item()


@torch.no_grad()
def shares_elsewhere(
    model: nn.Module, tables: list[Tensor], tokens: Integer[Tensor, "text"], batch_size: int = 64
) -> list[float]:
    """How much of its probability a model puts elsewhere than each counted table does.

    Half the sum of the absolute differences: 0 where both predict the same, 1 where they share nothing.

    Args:
        model: tokens [batch, length] -> logits; left in the mode in which it came.
        tables: from `next_letter_tables`.
        tokens: the text on which both predict, cut into pieces as long as the model's context; a rest is left out.
        batch_size: pieces at a time.

    Returns:
        One mean share for each table, over all positions that have the context of the longest one.
    """
    first = max(0, max(table.ndim for table in tables) - 2)  # the first position that has a whole context
    device = next(model.parameters()).device
    pieces = consecutive_pieces(tokens, model.config.max_length + 1)[:, :-1]
    length = pieces.shape[1]
    found = [0.0] * len(tables)
    with evaluating(model):
        for batch in pieces.split(batch_size):
            predicted = model(batch.to(device)).softmax(dim=-1).float().cpu()[:, first:]
            for i, table in enumerate(tables):
                order = table.ndim - 1
                shifts = range(1 - order, 1)  # the context ends with the position's own token
                counted = table[tuple(batch[:, first + shift : length + shift] for shift in shifts)]
                found[i] += 0.5 * (predicted - counted).abs().sum(dim=-1).mean().item() * len(batch)
    return [total / len(pieces) for total in found]
