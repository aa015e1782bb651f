"""NT-Xent taken apart: views that coincide, embeddings that spread, and negatives that are none."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import WHOLE, check_number, check_tensors
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import embed
from fmlib.self_supervised.contrastive.ablations import validation_draws
from fmlib.self_supervised.contrastive.simclr import (
    SimCLR,
    SimCLRConfig,
    check_pairs,
    check_temperature,
    positive_indices,
    unit_rows,
)
from fmlib.self_supervised.contrastive.training import FULL, Recipe, make_encoder, two_views
from fmlib.self_supervised.runs import fit_recipe, with_seed

PairLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # embeddings of two views, and the pictures' labels


def alignment(z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """How far apart the two views of a picture are.

    Args:
        z1, z2: embeddings of the two views, any scale (normalized here), row i of each from picture i.

    Returns:
        The mean squared distance of partners on the unit sphere: 0 (they coincide) to 4 (they are opposite).

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes that differ.

    Source: Wang & Isola 2020, section 4.1.1, with alpha = 2.
    """
    check_pairs(z1, z2, "z1", "z2")
    return (unit_rows(z1) - unit_rows(z2)).square().sum(dim=1).mean()


def uniformity(z: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """How evenly embeddings spread over the unit sphere: the logarithm of the mean of exp(-2 · distance²) over all pairs.

    Args:
        z: embeddings of different pictures, any scale (normalized here).

    Returns:
        0 when all are in one point; lower when they are spread, towards -4 on a sphere of many dimensions, where two
        random points have a squared distance near 2.

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: fewer than two rows.

    Source: Wang & Isola 2020, section 4.1.2, with t = 2.
    """
    check_pairs(z, z, "z", "z")
    if len(z) < 2:
        raise ValueError(f"z has {len(z)} row: expected at least two, since pairs are compared")
    z = unit_rows(z)
    first, second = torch.triu_indices(len(z), len(z), offset=1, device=z.device)
    distances = 2 - 2 * (z @ z.T)[first, second]  # squared
    return (-2 * distances).logsumexp(dim=0) - math.log(len(first))


def nt_xent_between_classes(
    z1: Float[Tensor, "batch dim"],
    z2: Float[Tensor, "batch dim"],
    labels: Int64[Tensor, " batch"],
    temperature: float = 0.5,
) -> Float[Tensor, ""]:
    """NT-Xent whose negatives are all of another class: what an oracle that knows the false negatives would train.

    Args:
        z1, z2, temperature: as for `nt_xent`.
        labels: of the pictures. They only say which negatives to leave out; the positive is the other view, as always.

    Returns:
        Mean cross-entropy in nats. A row that has no negatives left has no loss.

    Raises:
        TypeError: not floating-point tensors, or labels that are no whole numbers.
        ValueError: shapes that do not fit, or temperature <= 0.
    """
    check_pairs(z1, z2, "z1", "z2")
    check_tensors(("labels", labels, WHOLE, f"{len(z1)}"))
    check_temperature(temperature)
    z = torch.cat((unit_rows(z1), unit_rows(z2)))
    partner = positive_indices(len(z1), z.device)
    both = labels.repeat(2)
    left_out = both[:, None] == both  # [2·batch, 2·batch], itself too
    left_out[torch.arange(len(z), device=z.device), partner] = False
    return F.cross_entropy((z @ z.T / temperature).masked_fill(left_out, float("-inf")), partner)


def aligned_and_spread(weight_alignment: float, weight_uniformity: float) -> PairLoss:
    """A loss of two terms, for `train_pairs`: weighted alignment, and weighted uniformity of each view.

    Raises:
        ValueError: a negative weight.

    Source: Wang & Isola 2020, section 4.1: the two are minimized together.
    """
    check_number("weight_alignment", weight_alignment, least=0)
    check_number("weight_uniformity", weight_uniformity, least=0)

    def loss(z1: Tensor, z2: Tensor, labels: Tensor) -> Tensor:
        spread = (uniformity(z1) + uniformity(z2)) / 2
        return weight_alignment * alignment(z1, z2) + weight_uniformity * spread

    return loss


# What is trained on in place of NT-Xent, each with the short recipe.
LOSSES: dict[str, PairLoss] = {
    "negatives_other_classes": lambda z1, z2, labels: nt_xent_between_classes(
        z1, z2, labels, Recipe.short().temperature
    ),
    "sphere_alignment": aligned_and_spread(1.0, 0.0),
    "sphere_uniformity": aligned_and_spread(0.0, 1.0),
    "sphere_both": aligned_and_spread(1.0, 1.0),
}


def train_pairs(loss_of_pairs: PairLoss, recipe: Recipe, seed: int = 0, **options: Any) -> SimCLR:
    """Train SimCLR's network with another loss: the same weights, batches and views as `train_simclr` with this seed.

    Args:
        loss_of_pairs: embeddings of two views and labels -> scalar.
        recipe: the numbers.
        seed: of weights, batches and views.
        **options: passed to `fit`.
    """
    pictures = load_fashion_mnist("train")
    encoder = make_encoder(1, seed)
    model = with_seed(lambda: SimCLR(encoder, config=SimCLRConfig(temperature=recipe.temperature)), seed)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        images, labels = batch
        return loss_of_pairs(*model(*two_views(images, recipe.augment, generator)), labels)

    fit_recipe(model, (pictures.images, pictures.labels), loss, recipe, seed, **options)
    return model


def on_the_sphere(model: SimCLR, pictures: int = 512) -> dict[str, float]:
    """Alignment and uniformity of a model's embeddings, on validation pictures and always the same views of them."""
    held_out = load_fashion_mnist("validation").images[:pictures]
    both = torch.cat(two_views(held_out, FULL, torch.Generator().manual_seed(0)))
    z1, z2 = embed(nn.Sequential(model.encoder, model.head), both).chunk(2)
    return {
        "alignment": alignment(z1, z2).item(),
        "uniformity": (uniformity(z1) + uniformity(z2)).item() / 2,
    }


@lru_cache(maxsize=8)
def taken_apart_row(row: str, seed: int, **options: Any) -> dict[str, float]:
    """Train with one of `LOSSES`; what a probe with 100 labels gets right, measured as `ablation_row` does.

    Raises:
        ValueError: an unknown row.
    """
    if row not in LOSSES:
        raise ValueError(f"there is no row {row!r}: expected one of {', '.join(LOSSES)}")
    model = train_pairs(LOSSES[row], Recipe.short(), seed, **{"progress": False, **options})
    draws = validation_draws(model.encoder)
    return {row: sum(draws) / len(draws)}
