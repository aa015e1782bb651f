"""What features are worth when there are few labels: one measurement for every method of the chapter.

Each row of the comparison trains with a seed of its own (weights, batches, views), draws the labeled pictures with that
seed, and is judged on all test pictures.
"""

from dataclasses import replace

import torch
from torch import nn

from fmlib.augment import Augmentation
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import embed, linear_probe
from fmlib.self_supervised.contrastive.training import (
    GENTLE,
    Recipe,
    train_moco,
    train_simclr,
    train_supervised,
)
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.probing import label_counts, labeled, probes, test_pictures


def _named(row: str, found: dict[int, float]) -> dict[str, float]:
    return {f"{row}_probe_{count}": value for count, value in found.items()}


def simclr_row(seed: int) -> dict[str, float]:
    model, _ = train_simclr(load_fashion_mnist("train").images, Recipe.main(), seed, progress=False)
    return _named("simclr", probes(model.encoder, seed))


def moco_row(seed: int) -> dict[str, float]:
    model, _ = train_moco(load_fashion_mnist("train").images, Recipe.main(), seed, progress=False)
    return _named("moco", probes(model.encoder, seed))


def random_row(seed: int) -> dict[str, float]:
    return _named("random", probes(make_encoder(1, seed), seed))


def pixels_row(seed: int) -> dict[str, float]:
    return _named("pixels", probes(nn.Flatten(), seed))


def supervised_accuracy(count: int, seed: int, augment: Augmentation = GENTLE) -> float:
    """Per cent of the test pictures that a network trained on so many labels gets right."""
    test = test_pictures()
    model = train_supervised(labeled(count, seed), seed, augment, progress=False)
    return 100 * (embed(model, test.images).argmax(dim=1) == test.labels).double().mean().item()


def supervised_row(seed: int) -> dict[str, float]:
    return {f"supervised_{count}": supervised_accuracy(count, seed) for count in label_counts()}


def careless_row(seed: int) -> dict[str, float]:
    """Two baselines as one often sees them: pixels scaled one by one, a supervised network whose views keep the light."""
    test, known = test_pictures(), labeled(100, seed)
    x, test_x = embed(nn.Flatten(), known.images), embed(nn.Flatten(), test.images)
    deviation = torch.where(x.std(dim=0) > 1e-6, x.std(dim=0), 1)
    return {
        "careless_pixels_probe_100": linear_probe(
            x / deviation, known.labels, test_x / deviation, test.labels
        ),
        "careless_supervised_100": supervised_accuracy(100, seed, replace(GENTLE, gamma=0.0)),
    }
