"""How each pretext task is trained in this lesson. Everything is a function of a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib import scale
from fmlib.evaluate import evaluating
from fmlib.self_supervised.encoder import make_encoder, with_grid
from fmlib.self_supervised.pretext.colorization import (
    ColorizationNet,
    color_loss,
    find_colors,
    nearest_color,
    rebalancing_weights,
    to_lab,
)
from fmlib.self_supervised.pretext.cpc import CPC, CPCConfig, Grouping, cpc_losses, other_recordings
from fmlib.self_supervised.pretext.jigsaw import (
    JigsawConfig,
    JigsawNet,
    cut_tiles,
    distant_orders,
    normalize_tiles,
    shuffle_tiles,
)
from fmlib.self_supervised.pretext.rotation import QUARTERS, RotationNet, all_rotations, turn_each
from fmlib.self_supervised.runs import as_floats, fit_recipe, with_seed
from fmlib.training.distributed import unwrap
from fmlib.training.history import History
from fmlib.training.optimizers import by_name

Prepare = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """Numbers of a run.

    Args:
        steps, batch_size: pictures or recordings seen are steps · batch_size.
        rate: highest learning rate.
        optimizer: "muon" (matrices and kernels by Muon, the rest by AdamW) or "adamw".

    Raises:
        ValueError: an optimizer of another name.
    """

    steps: int
    batch_size: int = 64
    rate: float = 5e-3
    optimizer: str = "muon"

    def __post_init__(self) -> None:
        by_name(self.optimizer)

    @classmethod
    def pictures(cls) -> "Recipe":
        """A run on pictures, at the scale in force."""
        return cls(
            steps=scale.pick(smoke=2, cpu=100, gpu=2000), batch_size=scale.pick(smoke=16, cpu=64, gpu=256)
        )

    @classmethod
    def sound(cls) -> "Recipe":
        """A run on recordings."""
        return cls(
            steps=scale.pick(smoke=2, cpu=120, gpu=1000),
            batch_size=scale.pick(smoke=16, cpu=48, gpu=96),
        )


# ---- rotation


def train_rotation(
    images: Tensor, recipe: Recipe, seed: int = 0, **options: Any
) -> tuple[RotationNet, History]:
    """Train an encoder to tell how pictures were turned.

    Args:
        images: uint8 or float pictures [n, channels, size, size], upright.
        recipe: the numbers; every picture of a batch comes in all four positions.
        seed: of weights and batches.
        **options: passed to `fit`, e.g. `measure`.
    """
    encoder = make_encoder(images.shape[1], seed)
    model = with_seed(lambda: RotationNet(encoder), seed)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        turned, turns = all_rotations(as_floats(batch))
        return F.cross_entropy(model(turned), turns)

    return model, fit_recipe(model, images, loss, recipe, seed, **options)


@torch.no_grad()
def rotation_answers(model: RotationNet, images: Tensor, seed: int = 0) -> Float[Tensor, "pictures"]:
    """1 for each picture whose turn, drawn at random, the model tells right, else 0."""
    turns = torch.randint(QUARTERS, (len(images),), generator=torch.Generator().manual_seed(seed))
    device, found = next(model.parameters()).device, []
    with evaluating(model):
        for batch, answers in zip(images.split(512), turns.split(512), strict=True):
            batch, answers = as_floats(batch).to(device), answers.to(device)
            found.append(model(turn_each(batch, answers)).argmax(dim=1) == answers)
    return torch.cat(found).float().cpu()


# ---- jigsaw


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


# ---- colorization


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


# ---- sound


def make_cpc(seed: int, config: CPCConfig | None = None) -> CPC:
    """CPC with the weights of a seed."""
    return with_seed(lambda: CPC(config), seed)


def train_cpc(
    waves: Float[Tensor, "n samples"], recipe: Recipe, grouping: Grouping = other_recordings, seed: int = 0,
    config: CPCConfig | None = None, **options: Any,
) -> tuple[CPC, History]:  # fmt: skip
    """Train contrastive predictive coding on recordings.

    Args:
        waves: recordings; each time one is heard it has another loudness and a little noise.
        recipe: the numbers.
        grouping: where the false answers come from.
        seed: of weights, batches and noise.
        config: sizes.
        **options: passed to `fit`.
    """
    model = make_cpc(seed, config)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        heard = vary(batch, generator)
        return cpc_losses(unwrap(model), *model(heard), grouping).mean()

    return model, fit_recipe(model, waves, loss, recipe, seed, **options)


def vary(waves: Float[Tensor, "batch samples"], generator: torch.Generator) -> Float[Tensor, "batch samples"]:
    """Each recording at another loudness, with a little noise."""
    loudness = 0.5 + torch.rand(len(waves), 1, generator=generator)
    noise = 0.005 * torch.randn(waves.shape, generator=generator)
    return waves * loudness.to(waves.device) + noise.to(waves.device)
