"""The chapter's methods for pictures by name, for the quick start: each with its lesson's recipe, but for the steps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from fmlib import scale
from fmlib.checks import check_whole
from fmlib.self_supervised import contrastive, without_negatives
from fmlib.self_supervised.masked.training import MAERecipe, MeanOfPatches, train_mae
from fmlib.self_supervised.pretext.jigsaw import JigsawConfig
from fmlib.self_supervised.pretext.training import (
    Puzzle,
    Recipe,
    picture_encoder,
    train_jigsaw,
    train_rotation,
)
from fmlib.training.history import History

Trained = tuple[nn.Module, History]


def _views(train: Callable[..., tuple[Any, History]], keep: str = "encoder") -> Callable[..., Trained]:
    """A method that compares views: which of its networks is kept is said by `keep`."""

    def run(images: Tensor, steps: int, seed: int, **options: Any) -> Trained:
        recipe = replace(contrastive.Recipe.main(), steps=steps)
        model, history = train(images, recipe, seed, **options)
        return getattr(model, keep), history

    return run


def _rotation(images: Tensor, steps: int, seed: int, **options: Any) -> Trained:
    model, history = train_rotation(images, replace(Recipe.pictures(), steps=steps), seed, **options)
    return model.encoder, history


def _jigsaw(images: Tensor, steps: int, seed: int, **options: Any) -> Trained:
    puzzle = Puzzle.make(JigsawConfig())  # of four tiles, since 28 pixels cannot be cut in three
    model, history = train_jigsaw(images, puzzle, replace(Recipe.pictures(), steps=steps), seed, **options)
    return picture_encoder(model, puzzle), history


def _mae(images: Tensor, steps: int, seed: int, **options: Any) -> Trained:
    model, history = train_mae(images, replace(MAERecipe.main(), steps=steps), seed, **options)
    return MeanOfPatches(model.encoder), history


METHODS: Mapping[str, Callable[..., Trained]] = {
    "rotation": _rotation,
    "jigsaw": _jigsaw,
    "simclr": _views(contrastive.train_simclr),
    "moco": _views(contrastive.train_moco),
    "byol": _views(without_negatives.train_byol),
    "barlow_twins": _views(without_negatives.train_barlow_twins),
    "vicreg": _views(without_negatives.train_vicreg),
    "dino": _views(without_negatives.train_dino, keep="teacher_encoder"),
    "mae": _mae,
}


def train_encoder(
    method: str, images: Tensor, steps: int | None = None, seed: int = 0, **options: Any
) -> Trained:
    """Train one of the methods on pictures without labels.

    Args:
        method: one of `METHODS`.
        images: uint8 or float pictures [n, 1, 28, 28].
        steps: of training; by default what takes a minute or two at the scale in force.
        seed: of weights, batches and views.
        **options: passed to `fit`, e.g. `progress`.

    Returns:
        The encoder, from pictures to features, and what happened in training.

    Raises:
        ValueError: an unknown method, or steps below 1.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}: expected one of {', '.join(METHODS)}")
    steps = scale.pick(smoke=2, cpu=400, gpu=2000) if steps is None else steps
    check_whole("steps", steps)
    return METHODS[method](images, steps, seed, **options)
