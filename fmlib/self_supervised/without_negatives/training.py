"""How each method without negatives is trained in this chapter. Everything is a function of a seed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from fmlib import scale
from fmlib.nn.vit import ViT, ViTConfig
from fmlib.self_supervised.contrastive.training import Recipe, two_views
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.runs import fit_recipe, with_seed
from fmlib.self_supervised.without_negatives.byol import BYOL, BYOLConfig, prediction_loss
from fmlib.self_supervised.without_negatives.dino import DINO, DINOConfig
from fmlib.self_supervised.without_negatives.multi_crop import MultiCrop
from fmlib.self_supervised.without_negatives.redundancy import Twins, TwinsConfig, barlow_loss, vicreg_loss
from fmlib.training.distributed import unwrap
from fmlib.training.history import History


def make_vit(channels: int, seed: int) -> ViT:
    """The small vision transformer of this lesson, with the weights of a seed."""
    layers, dim = scale.pick(smoke=(1, 16), cpu=(3, 64), gpu=(6, 192))
    config = ViTConfig(image_size=28, patch_size=4, channels=channels, layers=layers, heads=4, dim=dim)
    return with_seed(lambda: ViT(config), seed)


def short_momentum() -> float:
    """Where the momentum of a slow copy begins in the lesson's short runs, at the scale in force.

    The 0.99 that suits long runs does not suit 120 steps: more than half of the copy would still be random first weights.
    """
    return scale.pick(smoke=0.9, cpu=0.9, gpu=0.99)


def train_byol(
    images: Tensor,
    recipe: Recipe,
    seed: int = 0,
    encoder: nn.Module | None = None,
    config: BYOLConfig | None = None,
    **options: Any,
) -> tuple[BYOL, History]:
    """Train BYOL on pictures without labels.

    Args:
        images: uint8 or float pictures [n, channels, height, width].
        recipe: steps, batch, optimizer and views; what it says of temperature and queue is not used.
        seed: of weights, batches and views.
        encoder: `make_encoder` by default.
        config: sizes and momentum; its steps become those of the recipe.
        **options: passed to `fit`, e.g. `measure` or `checkpoint`.
    """
    config = replace(config or BYOLConfig(), steps=recipe.steps)
    model = _build(lambda network: BYOL(network, config=config), images, seed, encoder)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        return prediction_loss(*model(*two_views(batch, recipe.augment, generator)))

    options = {"after_step": lambda model, extra: model.update(), **options}
    return model, fit_recipe(model, images, loss, recipe, seed, **options)


def train_barlow_twins(
    images: Tensor,
    recipe: Recipe,
    seed: int = 0,
    encoder: nn.Module | None = None,
    config: TwinsConfig | None = None,
    off_diagonal: float = 0.01,
    **options: Any,
) -> tuple[Twins, History]:
    """Train Barlow Twins on pictures without labels; as `train_byol`, with the weight of `barlow_loss`."""
    model = _build(lambda network: Twins(network, config=config), images, seed, encoder)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        z1, z2 = model(*two_views(batch, recipe.augment, generator))
        return barlow_loss(z1, z2, off_diagonal)

    return model, fit_recipe(model, images, loss, recipe, seed, **options)


def train_vicreg(
    images: Tensor,
    recipe: Recipe,
    seed: int = 0,
    encoder: nn.Module | None = None,
    config: TwinsConfig | None = None,
    variance: float = 25.0,
    **options: Any,
) -> tuple[Twins, History]:
    """Train VICReg on pictures without labels; as `train_byol`, at the weights of the paper or without variance."""
    model = _build(lambda network: Twins(network, config=config), images, seed, encoder)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        return vicreg_loss(*model(*two_views(batch, recipe.augment, generator)), variance=variance)

    return model, fit_recipe(model, images, loss, recipe, seed, **options)


def train_dino(
    images: Tensor,
    recipe: Recipe,
    seed: int = 0,
    encoder: nn.Module | None = None,
    config: DINOConfig | None = None,
    crops: MultiCrop | None = None,
    **options: Any,
) -> tuple[DINO, History]:
    """Train DINO on pictures without labels; as `train_byol`.

    Args:
        images, recipe, seed, encoder, **options: as of `train_byol`.
        config: sizes, momenta and temperatures; its steps become those of the recipe.
        crops: the views; by default large and small ones with the changes of the recipe.
    """
    config = replace(config or DINOConfig(), steps=recipe.steps)
    crops = crops or MultiCrop(recipe.augment)
    model = _build(lambda network: DINO(network, config=config), images, seed, encoder)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        pictures = batch if batch.is_floating_point() else batch.float() / 255
        student, teacher = model(*crops(pictures, generator))
        return unwrap(model).loss(student, teacher), torch.cat(teacher)

    def update(model: nn.Module, logits: Tensor | list[Tensor]) -> None:
        model.update(
            torch.cat(logits) if isinstance(logits, list) else logits
        )  # a list when `fit` accumulates

    options = {"after_step": update, **options}
    return model, fit_recipe(model, images, loss, recipe, seed, **options)


def _build(
    make: Callable[[nn.Module], nn.Module], images: Tensor, seed: int, encoder: nn.Module | None
) -> Any:
    encoder = encoder if encoder is not None else make_encoder(images.shape[1], seed)
    return with_seed(lambda: make(encoder), seed)
