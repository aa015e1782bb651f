"""Which heads learn in context: scores that find them in attention maps, and a switch that turns them off.

An induction head continues what it has seen: ... A B ... A -> B. It takes two layers. In the first a head writes into
each position which token stood before it; in the second a head looks for the place whose "before me" is the present token.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, LONG, check_tensors, check_whole
from fmlib.llm.adaptation.in_context import Recipe, in_context_batch
from fmlib.nn.attention import attention_maps

Head = tuple[int, int]  # layer, head; both from 0


def induction_score(
    maps: Float[Tensor, "batch heads length length"], period: int, every: int = 1
) -> Float[Tensor, "heads"]:
    """How much each head looks at what came next the last time, in texts that say the same twice.

    Args:
        maps: of one layer, for texts of `period` tokens and the same ones again.
        period: tokens until the text repeats itself.
        every: 1 counts all positions of the second half; 2 every other, beginning with its first.

    Returns:
        The mean weight that a position i of the second half gives to position i - period + 1: 0 to 1.

    Raises:
        TypeError: maps that are no floats.
        ValueError: a text that is not twice as long as its period, every below 1, or maps of numbers that are none.

    Source: Olsson et al. 2022, "In-context Learning and Induction Heads", the prefix-matching score.
    """
    _check_maps(maps)
    check_whole("period", period)
    check_whole("every", every)
    if maps.shape[-1] != 2 * period:
        raise ValueError(
            f"maps are of {maps.shape[-1]} tokens and period is {period}: expected 2 · period tokens"
        )
    now = torch.arange(period, 2 * period, every, device=maps.device)
    return maps[:, :, now, now - period + 1].mean(dim=(0, 2))


def previous_token_score(
    maps: Float[Tensor, "batch heads length length"], every: int = 1
) -> Float[Tensor, "heads"]:
    """How much each head looks one position back: the mean weight that position i gives to i - 1, from i = 1 on.

    Args:
        maps: of one layer.
        every: 1 counts all positions; 2 every other, beginning with position 1.

    Raises:
        TypeError: maps that are no floats.
        ValueError: fewer than two tokens, every below 1, or maps of numbers that are none.
    """
    _check_maps(maps)
    check_whole("every", every)
    if maps.shape[-1] < 2:
        raise ValueError(f"maps are of {maps.shape[-1]} token: expected 2 or more")
    now = torch.arange(1, maps.shape[-1], every, device=maps.device)
    return maps[:, :, now, now - 1].mean(dim=(0, 2))


def repeated_texts(
    recipe: Recipe, count: int, generator: torch.Generator
) -> Int64[Tensor, "count twice_period"]:
    """Examples with random keys in random order, none twice, and then the same examples again.

    No habit helps here: the order is drawn anew for each text. Of the keys there are as many as fit twice.
    """
    shown = min(recipe.keys, recipe.pairs // 2)
    order = torch.rand(count, recipe.keys, generator=generator).argsort(dim=1)[:, :shown]
    mappings = torch.randint(recipe.values, (count, recipe.keys), generator=generator)
    return in_context_batch(mappings, order.repeat(1, 2))


class HeadScores(NamedTuple):
    """What every head does, [layers, heads] each."""

    induction: Float[Tensor, "layers heads"]
    previous: Float[Tensor, "layers heads"]

    def best(self, count: int = 1) -> list[Head]:
        """The heads with the highest induction scores, best first."""
        return _largest(self.induction, count)

    def best_previous(self, count: int = 1) -> list[Head]:
        """The heads that look back most, best first."""
        return _largest(self.previous, count)


@torch.no_grad()
def score_heads(model: nn.Module, repeated: Int64[Tensor, "count twice_period"]) -> HeadScores:
    """Both scores of every head: induction where a key asks for its value, looking back where a value stands.

    Args:
        model: in evaluation mode; every layer with the same number of heads.
        repeated: of `repeated_texts`.

    Raises:
        TypeError, ValueError: texts that are not torch.long [count, length]; a model whose maps are no numbers.
    """
    check_tensors(("repeated", repeated, LONG, "count length"))
    with attention_maps(model) as maps:
        model(repeated.to(next(model.parameters()).device))
    period = repeated.shape[1] // 2
    return HeadScores(
        torch.stack([induction_score(layer, period, every=2) for layer in maps]).cpu(),
        torch.stack([previous_token_score(layer, every=2) for layer in maps]).cpu(),
    )


@contextmanager
def without_heads(model: nn.Module, heads: Sequence[Head], mean: bool = False) -> Iterator[nn.Module]:
    """Turn heads off for a while: what they gather tells nothing any more before the output matrix sees it.

    Args:
        model: with `blocks`, each with an `attention`.
        heads: (layer, head), both from 0.
        mean: put their mean over all texts and positions of the batch in their place, which the layers behind know,
            instead of zero, which they may never have met.

    Yields:
        The model. Outside the `with` it is what it was.

    Raises:
        ValueError: a head that the model does not have.

    Example:
        >>> with without_heads(model, [(1, 0)]):  # doctest: +SKIP
        ...     accuracy_by_examples(model, texts, keys=8)
    """
    layers = [block.attention for block in model.blocks]
    for layer, head in heads:
        if not (0 <= layer < len(layers) and 0 <= head < layers[layer].heads):
            raise ValueError(
                f"no head {(layer, head)}: expected a layer from 0 to {len(layers) - 1} and a head of it"
            )
    with ExitStack() as stack:
        for layer, attention in enumerate(layers):
            off = sorted({head for where, head in heads if where == layer})
            if off:
                handle = attention.output.register_forward_pre_hook(_silence(off, attention.head_dim, mean))
                stack.callback(handle.remove)
        yield model


def _check_maps(maps: Tensor) -> None:
    check_tensors(("maps", maps, FLOAT, "batch heads length length"), finite=True)


def _silence(heads: list[int], head_dim: int, mean: bool):
    def hook(module: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        gathered = given[0].unflatten(-1, (-1, head_dim)).clone()  # [batch, length, heads, head_dim]
        gathered[..., heads, :] = gathered[..., heads, :].mean(dim=(0, 1)) if mean else 0
        return (gathered.flatten(-2),)

    return hook


def _largest(scores: Float[Tensor, "layers heads"], count: int) -> list[Head]:
    order = scores.flatten().argsort(descending=True)[:count].tolist()
    return [divmod(place, scores.shape[1]) for place in order]
