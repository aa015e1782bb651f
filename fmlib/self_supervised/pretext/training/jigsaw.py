"""Training an encoder of tiles to solve puzzles, and what becomes of it on whole pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.evaluate import evaluating
from fmlib.self_supervised.encoder import make_encoder, with_grid
from fmlib.self_supervised.pretext.jigsaw import (
    JigsawConfig,
    JigsawNet,
    cut_tiles,
    distant_orders,
    normalize_tiles,
    shuffle_tiles,
)
from fmlib.self_supervised.pretext.training.recipe import Recipe
from fmlib.self_supervised.runs import as_floats, fit_recipe, with_seed
from fmlib.training.history import History

Prepare = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Puzzle:
    """A puzzle: its sizes, its orders, and what is done to a tile before it is seen.

    Args:
        config: the sizes.
        orders: [config.orders, config.tiles].
        prepare: tiles -> tiles.
    """

    config: JigsawConfig
    orders: Int64[Tensor, "count tiles"]
    prepare: Prepare = normalize_tiles

    @classmethod
    def make(cls, config: JigsawConfig, prepare: Prepare = normalize_tiles, seed: int = 0) -> "Puzzle":
        """With orders that are far apart."""
        generator = torch.Generator().manual_seed(seed)
        return cls(config, distant_orders(config.tiles, config.orders, generator), prepare)

    def draw(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Shuffled tiles of pictures, and which order each has."""
        tiles = cut_tiles(as_floats(images), self.config.side, self.config.gap, generator)
        which = torch.randint(len(self.orders), (len(images),), generator=generator).to(images.device)
        return shuffle_tiles(self.prepare(tiles), self.orders, which), which


def as_it_is(tiles: Tensor) -> Tensor:
    """Tiles that nothing is done to."""
    return tiles


class Seeing(nn.Module):
    """An encoder for whole pictures, from one that was trained on prepared tiles: each picture is one large tile."""

    def __init__(self, encoder: nn.Module, prepare: Prepare) -> None:
        super().__init__()
        self.encoder, self.prepare, self.feature_dim = encoder, prepare, encoder.feature_dim

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch features"]:
        return self.encoder(self.prepare(images[:, None])[:, 0])


def train_jigsaw(
    images: Tensor, puzzle: Puzzle, recipe: Recipe, seed: int = 0, **options: Any
) -> tuple[JigsawNet, History]:
    """Train an encoder of tiles to solve puzzles; as `train_rotation`.

    The encoder has the weights that all methods begin with; a tile is so small that its features are one mean over it.
    """
    encoder = with_grid(make_encoder(images.shape[1], seed), 1)
    model = with_seed(lambda: JigsawNet(encoder, puzzle.config), seed)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        tiles, which = puzzle.draw(batch, generator)
        return F.cross_entropy(model(tiles), which)

    return model, fit_recipe(model, images, loss, recipe, seed, **options)


def picture_encoder(model: JigsawNet, puzzle: Puzzle) -> Seeing:
    """The encoder that solved puzzles, looking at whole pictures with the grid that all methods have."""
    return Seeing(with_grid(model.encoder, make_encoder(1, 0).config.grid), puzzle.prepare)


@torch.no_grad()
def jigsaw_accuracy(model: JigsawNet, puzzle: Puzzle, images: Tensor, seed: int = 0) -> float:
    """Per cent of pictures whose order the model tells right."""
    generator, device = torch.Generator().manual_seed(seed), next(model.parameters()).device
    right = 0
    with evaluating(model):
        for batch in images.split(512):
            tiles, which = puzzle.draw(batch, generator)
            right += int((model(tiles.to(device)).argmax(dim=1) == which.to(device)).sum())
    return 100 * right / len(images)
