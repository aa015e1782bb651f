"""One change at a time, judged on the validation pictures: what is chosen here is not reported on the test set."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from torch import nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.data import load_fashion_mnist
from fmlib.self_supervised.contrastive.simclr import SimCLR
from fmlib.self_supervised.contrastive.training import (
    FULL,
    Recipe,
    make_encoder,
    train_moco,
    train_simclr,
)
from fmlib.self_supervised.probing import validation_draws

TEMPERATURES = {"temperature_003": 0.03, "temperature_01": 0.1, "temperature_03": 0.3, "temperature_1": 1.0}
# Each with a rate that suits it.
OPTIMIZERS = {"optimizer_adamw": ("adamw", 1.5e-3), "optimizer_muon": ("muon", 5e-3)}
BATCH_SIZES = {"batch_16": 16, "batch_64": 64, "batch_256": 256}
AUGMENTATIONS = {
    "views_all": FULL,
    "views_no_crop": replace(FULL, crop=1.0),
    "views_no_flip": replace(FULL, flip=0.0),
    "views_no_jitter": replace(FULL, jitter=0.0),
    "views_no_gamma": replace(FULL, gamma=0.0),
    "views_no_light": replace(FULL, jitter=0.0, gamma=0.0),
    "views_none": Augmentation(crop=1.0, flip=0.0, jitter=0.0, gray=0.0),
}

QUEUES = {"queue_64": 64, "queue_512": 512, "queue_4096": 4096, "queue_4096_m0": 4096}  # and queue_simclr


def changed(row: str) -> Recipe:
    """The short recipe with the one change that a row is named for.

    Raises:
        ValueError: an unknown row.
    """
    short = Recipe.short()
    if row in TEMPERATURES:
        return replace(short, temperature=TEMPERATURES[row])
    if row in OPTIMIZERS:
        optimizer, rate = OPTIMIZERS[row]
        return replace(short, optimizer=optimizer, rate=rate)
    if row in BATCH_SIZES:  # as many pictures in all, so fewer steps of larger batches
        size = scale.pick(smoke=min(32, BATCH_SIZES[row]), cpu=BATCH_SIZES[row], gpu=BATCH_SIZES[row])
        return replace(short, batch_size=size, steps=max(1, short.steps * short.batch_size // size))
    if row in AUGMENTATIONS:
        return replace(short, augment=AUGMENTATIONS[row])
    if row in QUEUES or row == "queue_simclr":
        steps = short.steps * scale.pick(smoke=1, cpu=2, gpu=2)
        momentum = 0.0 if row.endswith("_m0") else short.momentum
        return replace(short, batch_size=32, steps=steps, queue_size=QUEUES.get(row, 1), momentum=momentum)
    known = ", ".join([*TEMPERATURES, *OPTIMIZERS, *BATCH_SIZES, *AUGMENTATIONS, *QUEUES, "queue_simclr"])
    raise ValueError(f"there is no row {row!r}: expected one of {known}")


def ablation_row(row: str, seed: int, **options: Any) -> dict[str, float]:
    """Train with one change; per cent of the validation pictures that a probe with 100 labels gets right.

    The mean over five draws of the labels, so that what remains of the spread is that of training.
    """
    return {row: _accuracy(row in QUEUES, changed(row), seed, **{"progress": False, **options})}


@lru_cache(maxsize=64)  # several rows are the unchanged recipe
def _accuracy(queue: bool, recipe: Recipe, seed: int, **options: Any) -> float:
    train = train_moco if queue else train_simclr
    model, _ = train(load_fashion_mnist("train").images, recipe, seed, **options)
    return _mean(validation_draws(model.encoder))


def without_learning() -> dict[str, float]:
    """The same measure for raw pixels, and for networks with random weights, the mean of three."""
    seeds = range(scale.pick(smoke=1, cpu=3, gpu=3))
    return {
        "raw pixels": _mean(validation_draws(nn.Flatten())),
        "random weights": _mean([_mean(validation_draws(make_encoder(1, seed))) for seed in seeds]),
    }


def head_comparison(
    model: SimCLR, counts: tuple[int, ...] = (100, 1000)
) -> dict[int, dict[str, list[float]]]:
    """Features before the projection head against the embeddings behind it, by the measure of this module.

    The probe of the features has the strength that all rows here have. That of the embeddings, which are fewer and of
    another size, has the best of three on these very pictures, so that the choice cannot be what they lose by.

    Args:
        model: a trained SimCLR.
        counts: labeled pictures.

    Returns:
        labels -> name -> per cent right of each draw; draw i has the same labeled pictures for both.
    """
    behind = nn.Sequential(model.encoder, model.head)
    return {
        count: {
            "features": validation_draws(model.encoder, count),
            "embeddings": validation_draws(behind, count, (0.03, 0.3, 3.0)),
        }
        for count in counts
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
