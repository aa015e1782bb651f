"""How each contrastive method is trained in this chapter. Everything is a function of a seed."""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.data import Pictures
from fmlib.self_supervised.contrastive.moco import MoCo, MoCoConfig
from fmlib.self_supervised.contrastive.simclr import SimCLR, SimCLRConfig, nt_xent
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.runs import as_floats, fit_labels, fit_recipe, with_seed
from fmlib.training.distributed import unwrap
from fmlib.training.history import History
from fmlib.training.optimizers import by_name, muon

FULL = Augmentation(crop=0.15, strength=0.8, gamma=1.0)  # the views of this lesson on gray pictures
GENTLE = Augmentation(crop=0.6, jitter=0.0, gamma=0.5)  # what helps the supervised network


@dataclass(frozen=True)
class Recipe:
    """Numbers of a contrastive run.

    Args:
        steps, batch_size: pictures seen are steps · batch_size, each in two views.
        rate: highest learning rate.
        optimizer: "muon" (matrices and kernels by Muon, the rest by AdamW) or "adamw".
        temperature: of the loss.
        augment: how a view is made.
        queue_size, momentum: MoCo's.

    Raises:
        ValueError: an optimizer of another name.
    """

    steps: int
    batch_size: int = 64
    rate: float = 5e-3
    optimizer: str = "muon"
    temperature: float = 0.3
    augment: Augmentation = field(default_factory=lambda: FULL)
    queue_size: int = 2048
    momentum: float = 0.99

    def __post_init__(self) -> None:
        by_name(self.optimizer)

    @classmethod
    def main(cls) -> "Recipe":
        """The run that the lesson is about, at the scale in force."""
        return cls(
            steps=scale.pick(smoke=4, cpu=1200, gpu=2000),
            batch_size=scale.pick(smoke=32, cpu=128, gpu=512),
        )

    @classmethod
    def short(cls) -> "Recipe":
        """A run of seconds, to compare what one change does."""
        return cls(
            steps=scale.pick(smoke=2, cpu=180, gpu=200), batch_size=scale.pick(smoke=32, cpu=64, gpu=512)
        )


def two_views(
    images: Tensor, augment: Augmentation, generator: torch.Generator
) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch channels height width"]]:
    """Two random views of each picture; uint8 pictures are scaled to [0, 1] first."""
    images = as_floats(images)
    return augment(images, generator), augment(images, generator)


def train_simclr(
    images: Tensor, recipe: Recipe, seed: int = 0, encoder: nn.Module | None = None, **options: Any
) -> tuple[SimCLR, History]:
    """Train SimCLR on pictures without labels.

    Args:
        images: uint8 or float pictures [n, channels, height, width].
        recipe: the numbers.
        seed: of weights, batches and views.
        encoder: `make_encoder` by default.
        **options: passed to `fit`, e.g. `measure` or `checkpoint`.
    """
    encoder = encoder if encoder is not None else make_encoder(images.shape[1], seed)
    model = with_seed(lambda: SimCLR(encoder, config=SimCLRConfig(temperature=recipe.temperature)), seed)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        z1, z2 = model(*two_views(batch, recipe.augment, generator))
        return nt_xent(z1, z2, recipe.temperature)

    return model, fit_recipe(model, images, loss, recipe, seed, **options)


def train_moco(
    images: Tensor, recipe: Recipe, seed: int = 0, encoder: nn.Module | None = None, **options: Any
) -> tuple[MoCo, History]:
    """Train MoCo on pictures without labels; as `train_simclr`, with a queue."""
    encoder = encoder if encoder is not None else make_encoder(images.shape[1], seed)
    config = MoCoConfig(
        temperature=recipe.temperature, queue_size=recipe.queue_size, momentum=recipe.momentum
    )
    model = with_seed(lambda: MoCo(encoder, config=config), seed)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        query, keys = model(*two_views(batch, recipe.augment, generator))
        return unwrap(model).loss(query, keys), keys

    def enqueue(model: nn.Module, keys: Tensor | list[Tensor]) -> None:
        model.update(torch.cat(keys) if isinstance(keys, list) else keys)  # a list when `fit` accumulates

    return model, fit_recipe(model, images, loss, recipe, seed, after_step=enqueue, **options)


def train_supervised(
    pictures: Pictures, seed: int = 0, augment: Augmentation = GENTLE, **options: Any
) -> nn.Module:
    """Train the same encoder with a linear layer on labels alone, from scratch.

    The steps grow with the number of labels. The views are gentle (a crop of at least 60 %, a mirror, a slight bend of
    the brightness curve), which on the validation pictures was better than none, and better than SimCLR's.
    """
    encoder = make_encoder(1, seed)
    layer = with_seed(lambda: nn.Linear(encoder.feature_dim, len(pictures.class_names)), seed)
    model = nn.Sequential(encoder, layer)
    steps = scale.pick(
        smoke=3, cpu=min(1000, 150 + len(pictures) // 5), gpu=min(4000, 300 + len(pictures) // 2)
    )

    size, optimizer = min(64, len(pictures) // 2), muon(model, rate=2e-3, weight_decay=1e-2)
    fit_labels(model, pictures, augment, size, seed, steps=steps, rate=2e-3, optimizer=optimizer, **options)
    return model
