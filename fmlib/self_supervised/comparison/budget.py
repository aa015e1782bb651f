"""One budget for every method: the same steps, and at each step as many pictures through the network that learns.

A view counts as a picture, a tile as its share of one, and a picture of which an autoencoder sees a quarter as a whole
one. What a second network looks at besides, a target or a teacher, is not counted; `cost` shows it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from fmlib import scale
from fmlib.checks import check_whole
from fmlib.data import load_emoji, load_fashion_mnist
from fmlib.self_supervised import contrastive, without_negatives
from fmlib.self_supervised.masked.training import MAERecipe, MeanOfPatches, train_mae
from fmlib.self_supervised.pretext.jigsaw import JigsawConfig
from fmlib.self_supervised.pretext.training import (
    Paintings,
    Puzzle,
    Recipe,
    palette_of,
    picture_encoder,
    train_colorizer,
    train_jigsaw,
    train_rotation,
)
from fmlib.self_supervised.without_negatives.experiments import train_dino_on_two_views
from fmlib.training.history import History

Trained = tuple[nn.Module, History]


@dataclass(frozen=True)
class Budget:
    """What each method may use.

    Args:
        steps: of the optimizer.
        pictures: that the network which learns sees at each step; four divide it.

    Raises:
        ValueError: numbers that are no positive whole ones, or pictures that four do not divide.
    """

    steps: int
    pictures: int = 256

    def __post_init__(self) -> None:
        check_whole("steps", self.steps)
        check_whole("pictures", self.pictures)
        if self.pictures % 4:
            raise ValueError(
                f"pictures is {self.pictures}: expected a multiple of 4, since rotation turns each four ways"
            )

    @classmethod
    def main(cls) -> "Budget":
        """That of the comparison, at the scale in force."""
        return cls(
            steps=scale.pick(smoke=2, cpu=600, gpu=2000), pictures=scale.pick(smoke=32, cpu=256, gpu=1024)
        )


def train(method: str, budget: Budget, seed: int = 0, **options: Any) -> Trained:
    """Train one of `METHODS` within a budget.

    Args:
        method: its name.
        budget: steps and pictures.
        seed: of weights, batches and views.
        **options: passed to `fit`, e.g. `progress`.

    Returns:
        The network that is kept, from pictures to features, and what happened in training.

    Raises:
        ValueError: an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}: expected one of {', '.join(METHODS)}")
    return METHODS[method](budget, seed, **options)


def _views(train: Callable[..., tuple[Any, History]], learner_sees: int = 2) -> Callable[..., Trained]:
    """A method that compares two views of each picture; the network that learns sees one of them or both."""

    def run(budget: Budget, seed: int, **options: Any) -> Trained:
        recipe = contrastive.Recipe(steps=budget.steps, batch_size=budget.pictures // learner_sees)
        model, history = train(_clothes(), recipe, seed, **options)
        return model.encoder, history

    return run


def _rotation(budget: Budget, seed: int, **options: Any) -> Trained:
    recipe = Recipe(budget.steps, budget.pictures // 4)  # each picture comes in four positions
    model, history = train_rotation(_clothes(), recipe, seed, **options)
    return model.encoder, history


def _jigsaw(budget: Budget, seed: int, **options: Any) -> Trained:
    puzzle = Puzzle.make(JigsawConfig())
    recipe = Recipe(budget.steps, budget.pictures)
    model, history = train_jigsaw(_clothes(), puzzle, recipe, seed, **options)
    return picture_encoder(model, puzzle), history


def _colorization(budget: Budget, seed: int, **options: Any) -> Trained:
    """Clothes of Fashion-MNIST have no colors: this method alone learns from emoji, of 32 pixels."""
    recipe = Recipe(budget.steps, budget.pictures)
    model, history = train_colorizer(*_paintings(scale.name()), recipe, seed=seed, **options)
    return model.encoder, history


@lru_cache(maxsize=1)
def _paintings(at: str) -> tuple[Paintings, Tensor]:
    """Emoji to be colored and the colors to choose from; kept, since to find the colors takes longer than some steps."""
    drawings = load_emoji("train")
    few = drawings.subset(torch.arange(128)) if at == "smoke" else drawings
    paintings = Paintings.of(few.rgb())
    return paintings, palette_of(paintings)


def _mae(budget: Budget, seed: int, **options: Any) -> Trained:
    recipe = MAERecipe.main()
    recipe = MAERecipe(recipe.model, budget.steps, budget.pictures, recipe.rate, recipe.weight_decay)
    model, history = train_mae(_clothes(), recipe, seed, **options)
    return MeanOfPatches(model.encoder), history


def _clothes() -> Tensor:
    return load_fashion_mnist("train").images


METHODS: Mapping[str, Callable[..., Trained]] = {
    "rotation": _rotation,
    "jigsaw": _jigsaw,
    "colorization": _colorization,
    "simclr": _views(contrastive.train_simclr),
    "moco": _views(contrastive.train_moco, learner_sees=1),  # the other view is a key
    "byol": _views(without_negatives.train_byol),
    "barlow": _views(without_negatives.train_barlow_twins),
    "vicreg": _views(without_negatives.train_vicreg),
    "dino": _views(train_dino_on_two_views),
    "mae": _mae,
}
