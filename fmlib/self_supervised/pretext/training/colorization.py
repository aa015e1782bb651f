"""Training an encoder of gray pictures to say their colors: as a choice from a palette, or as two numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.pretext.colorization import (
    ColorizationNet,
    color_loss,
    find_colors,
    nearest_color,
    rebalancing_weights,
    to_lab,
)
from fmlib.self_supervised.pretext.training.recipe import Recipe
from fmlib.self_supervised.runs import fit_recipe, with_seed
from fmlib.training.history import History


@dataclass(frozen=True)
class Paintings:
    """What a colorizer is asked: gray pictures, and the color of each pixel of a smaller picture.

    Args:
        gray: lightness in [0, 1].
        colors: a and b at half the size.
    """

    gray: Float[Tensor, "n 1 size size"]
    colors: Float[Tensor, "n 2 half half"]

    @classmethod
    def of(cls, images: Float[Tensor, "n 3 size size"]) -> "Paintings":
        """Lightness and color of pictures in sRGB."""
        return cls(to_lab(images)[:, :1] / 100, to_lab(F.avg_pool2d(images, 2))[:, 1:])

    def pixels(self) -> Float[Tensor, "pixels 2"]:
        """The colors of all pixels."""
        return self.colors.permute(0, 2, 3, 1).flatten(0, 2)


def palette_of(paintings: Paintings) -> Float[Tensor, "colors 2"]:
    """The colors that at least one pixel in ten thousand has."""
    pixels = paintings.pixels()
    return find_colors(pixels, least=max(1, len(pixels) // 10_000))


def color_targets(paintings: Paintings, palette: Tensor) -> Int64[Tensor, "n half half"]:
    """Each pixel's nearest color of the palette."""
    n, _, half, _ = paintings.colors.shape
    return nearest_color(paintings.pixels(), palette).view(n, half, half)


def train_colorizer(
    paintings: Paintings, palette: Tensor, recipe: Recipe, uniform: float = 0.5, seed: int = 0,
    change: Callable[[Tensor, torch.Generator], Tensor] | None = None, **options: Any,
) -> tuple[ColorizationNet, History]:  # fmt: skip
    """Train an encoder of gray pictures to choose each pixel's color from a palette.

    Args:
        paintings: gray pictures and their colors.
        palette: to choose from.
        recipe: the numbers.
        uniform: see `rebalancing_weights`; 1 weighs all colors alike.
        seed: of weights and batches.
        change: gray pictures, generator -> gray pictures, e.g. another brightness.
        **options: passed to `fit`.
    """
    targets = color_targets(paintings, palette)
    weights = rebalancing_weights(targets.flatten().bincount(minlength=len(palette)).float(), uniform)
    encoder = make_encoder(1, seed)
    model = with_seed(lambda: ColorizationNet(encoder, len(palette)), seed)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        gray, answers = batch
        return color_loss(model(gray if change is None else change(gray, generator)), answers, weights)

    return model, fit_recipe(model, (paintings.gray, targets), loss, recipe, seed, **options)


def train_regressor(
    paintings: Paintings, recipe: Recipe, seed: int = 0, **options: Any
) -> tuple[ColorizationNet, History]:
    """Train the same network to give a and b themselves, by the mean squared error; colors in units of 100."""
    encoder = make_encoder(1, seed)
    model = with_seed(lambda: ColorizationNet(encoder, 2), seed)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        gray, colors = batch
        return F.mse_loss(model(gray), colors / 100)

    return model, fit_recipe(model, (paintings.gray, paintings.colors), loss, recipe, seed, **options)
