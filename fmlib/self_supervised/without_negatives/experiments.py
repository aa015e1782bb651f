"""The methods beside each other: one encoder, the same views, batches and steps, and the same probe."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from fmlib import scale
from fmlib.data import load_fashion_mnist
from fmlib.self_supervised.contrastive.training import Recipe, train_simclr
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.probing import probes
from fmlib.self_supervised.without_negatives.byol import BYOLConfig
from fmlib.self_supervised.without_negatives.collapse import Watched, watched_dino
from fmlib.self_supervised.without_negatives.dino import DINOConfig
from fmlib.self_supervised.without_negatives.multi_crop import MultiCrop
from fmlib.self_supervised.without_negatives.training import (
    make_vit,
    short_momentum,
    train_barlow_twins,
    train_byol,
    train_dino,
    train_vicreg,
)

COUNTS = (100, 1000)  # labels


def train_dino_on_two_views(images: Tensor, recipe: Recipe, seed: int = 0, **options: Any) -> tuple[Any, Any]:
    """DINO with the two views per picture that all other methods get, and no small ones."""
    crops = MultiCrop(recipe.augment, small=0, least=recipe.augment.crop, border=recipe.augment.crop)
    return train_dino(images, recipe, seed, crops=crops, **options)


def _short(train: Callable, config: type) -> Callable:
    """A method whose slow copy follows as fast as a short run wants it."""

    def run(images: Tensor, recipe: Recipe, seed: int = 0, **options: Any) -> tuple[Any, Any]:
        return train(images, recipe, seed, config=config(momentum=short_momentum()), **options)

    return run


METHODS: dict[str, Callable] = {
    "SimCLR": train_simclr,
    "BYOL": _short(train_byol, BYOLConfig),
    "Barlow Twins": train_barlow_twins,
    "VICReg": train_vicreg,
    "DINO": _short(train_dino_on_two_views, DINOConfig),
}
BASELINES: dict[str, Callable[[int], nn.Module]] = {
    "raw pixels": lambda seed: nn.Flatten(),
    "random weights": partial(make_encoder, 1),
}


def equal_recipe() -> Recipe:
    """The budget that each method gets here, at the scale in force."""
    return Recipe(
        steps=scale.pick(smoke=2, cpu=120, gpu=1000), batch_size=scale.pick(smoke=32, cpu=64, gpu=512)
    )


def vit_recipe() -> Recipe:
    """The run of the vision transformer, at the scale in force."""
    return Recipe(
        steps=scale.pick(smoke=2, cpu=500, gpu=3000),
        batch_size=scale.pick(smoke=16, cpu=64, gpu=512),
        rate=3e-3,
    )


# Chosen without labels: at 0.04 the teacher soon says nothing, at 0.02 only one thing.
VIT_CONFIG = DINOConfig(prototypes=256, momentum=0.98, teacher_temperature=0.03)


def vit_run(recipe: Recipe, seed: int = 0, config: DINOConfig = VIT_CONFIG, **options: Any) -> Watched:
    """Train a vision transformer by DINO on two large and two small views, and watch its teacher.

    Args:
        recipe: the numbers of the run.
        seed: of weights, batches and views.
        config: of DINO.
        **options: passed to `fit`.
    """
    crops = MultiCrop(recipe.augment, small=2)
    return watched_dino(config, recipe, seed, encoder=make_vit(1, seed), crops=crops, **options)


def method_probes(name: str, recipe: Recipe, seed: int = 0, **options: Any) -> dict[int, float]:
    """Train one method, or take what needs no training, and probe its features.

    Args:
        name: of `METHODS` or `BASELINES`.
        recipe: the numbers of the run.
        seed: of weights, batches, views, and of the draw of the labeled pictures.
        **options: passed to `fit`.

    Returns:
        Labels -> per cent of the test pictures that a linear probe on frozen features gets right.

    Raises:
        ValueError: an unknown name.
    """
    if name in BASELINES:
        return encoder_probes(BASELINES[name](seed), seed)
    if name not in METHODS:
        raise ValueError(f"there is no {name!r}: expected one of {', '.join([*METHODS, *BASELINES])}")
    model, _ = METHODS[name](load_fashion_mnist("train").images, recipe, seed, **options)
    return encoder_probes(model.encoder, seed)


def encoder_probes(encoder: nn.Module, seed: int = 0) -> dict[int, float]:
    """Labels -> per cent of the test pictures that a linear probe on an encoder's features gets right.

    Args:
        encoder: pictures -> features.
        seed: of the draw of the labeled pictures.
    """
    return probes(encoder, seed, scale.pick(smoke=COUNTS[:1], cpu=COUNTS, gpu=COUNTS))
