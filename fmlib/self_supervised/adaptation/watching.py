"""What a run shows while it goes on without labels, and whether that goes with what a probe says afterward."""

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.checks import check_number
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import embed
from fmlib.self_supervised.contrastive.ablations import AUGMENTATIONS
from fmlib.self_supervised.contrastive.simclr import SimCLR
from fmlib.self_supervised.contrastive.taken_apart import alignment, uniformity
from fmlib.self_supervised.contrastive.training import FULL, Recipe, train_simclr, two_views
from fmlib.self_supervised.without_negatives.watch import effective_rank, spread
from fmlib.training.history import History

CHECKPOINTS = 6


def pretraining_recipe() -> Recipe:
    """The one run that the lesson is about, at the scale in force."""
    return Recipe(
        steps=scale.pick(smoke=6, cpu=210, gpu=2000), batch_size=scale.pick(smoke=16, cpu=128, gpu=512)
    )


@dataclass(frozen=True)
class Pretraining:
    """A run of SimCLR and the encoders along its way.

    Args:
        model: at the end.
        history: what happened.
        encoders: step -> a copy of the encoder as it was after that step, the last one that of the end.
    """

    model: SimCLR
    history: History
    encoders: Mapping[int, nn.Module]


def pretrain(recipe: Recipe, seed: int = 0, checkpoints: int = CHECKPOINTS, **options: Any) -> Pretraining:
    """Train SimCLR on the training pictures without labels, and keep the encoder every now and then.

    Args:
        recipe: the numbers.
        seed: of weights, batches and views; the encoder begins as `make_encoder(1, seed)`.
        checkpoints: how many encoders to keep: that of the end, that after half of the steps, after a quarter, and so on.
        **options: passed to `fit`.
    """
    wanted = {max(1, recipe.steps // 2**k) for k in range(checkpoints)}
    kept: dict[int, nn.Module] = {}
    steps = itertools.count(1)

    def keep(model: SimCLR) -> dict[str, float]:
        step = next(steps)
        if step in wanted:
            kept[step] = copy.deepcopy(model.encoder).requires_grad_(False).eval().cpu()
        return {}

    model, history = train_simclr(
        load_fashion_mnist("train").images, recipe, seed, measure=keep, measure_every=1, **options
    )
    return Pretraining(model, history, kept)


def signals(encoder: nn.Module, pictures: int = 512) -> dict[str, float]:
    """What can be seen of an encoder without labels, on features of validation pictures and of two views of each.

    The views are those of the full recipe and always the same, whatever views the encoder was trained with.

    Args:
        encoder: pictures -> features.
        pictures: how many validation pictures are looked at.

    Returns:
        spread, directions (the effective rank), alignment and uniformity.
    """
    images = load_fashion_mnist("validation").images[:pictures]
    features = embed(encoder, images)
    view1, view2 = (
        embed(encoder, view) for view in two_views(images, FULL, torch.Generator().manual_seed(0))
    )
    return {
        "spread": spread(features).item(),
        "directions": effective_rank(features).item(),
        "alignment": alignment(view1, view2).item(),
        "uniformity": uniformity(features).item(),
    }


def ranks(values: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The place of each value in ascending order, from 1, in float64; equal ones share the mean of their places."""
    below = (values[None] < values[:, None]).sum(dim=1)
    equal = (values[None] == values[:, None]).sum(dim=1)
    return below.double() + (equal.double() + 1) / 2


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """How well one list's order agrees with another's: Spearman's rank correlation.

    Args:
        first, second: of the same length, at least two, neither with all numbers equal; number i of both belong together.

    Returns:
        1 (the same order) to -1 (the reverse): the correlation of the ranks, where equal numbers share the mean of their
        places.

    Raises:
        ValueError: lengths that differ, fewer than two numbers, numbers that are none, or a list of equal ones.

    Source: Spearman 1904, "The Proof and Measurement of Association between Two Things".
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(
            f"first has {len(first)} numbers and second {len(second)}: expected as many of both, at least two"
        )
    placed = []
    for name, values in (("first", first), ("second", second)):
        for value in values:
            check_number(name, float(value))
        if len({float(value) for value in values}) == 1:
            raise ValueError(
                f"{name} has equal numbers only: expected some that differ, or there is no order"
            )
        place = ranks(torch.tensor([float(value) for value in values], dtype=torch.float64))
        placed.append(place - place.mean())
    one, other = placed
    return (one @ other / (one.norm() * other.norm())).item()


def other_views(seed: int = 0, **options: Any) -> dict[str, Pretraining]:
    """Short runs that differ in how a view is made, and in nothing else; each of the views of the lesson on SimCLR."""
    short = Recipe(
        steps=scale.pick(smoke=2, cpu=24, gpu=300), batch_size=scale.pick(smoke=16, cpu=64, gpu=512)
    )
    return {
        name.removeprefix("views_").replace("_", " "): pretrain(
            replace(short, augment=augment), seed, 1, **{"progress": False, **options}
        )
        for name, augment in AUGMENTATIONS.items()
    }
