"""Accuracy against the number of labels, for every way to use an encoder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from fmlib import scale
from fmlib.data import Pictures, load_fashion_mnist
from fmlib.evaluate import embed, knn_accuracy, linear_probe
from fmlib.self_supervised.adaptation.fine_tuning import Tuning, fine_tune
from fmlib.self_supervised.adaptation.prototypes import nearest_mean
from fmlib.self_supervised.probing import labeled

Judge = Callable[
    [Tensor, Tensor, Tensor, Tensor], float
]  # labeled features, their labels, others, theirs -> per cent

NEIGHBORS = 5


def _means(known: Tensor, labels: Tensor, features: Tensor, true: Tensor) -> float:
    return 100 * (nearest_mean(known, labels, features) == true).double().mean().item()


def _neighbors(known: Tensor, labels: Tensor, features: Tensor, true: Tensor) -> float:
    return knn_accuracy(known, labels, features, true, k=min(NEIGHBORS, len(labels)))


def _probe(known: Tensor, labels: Tensor, features: Tensor, true: Tensor) -> float:
    return linear_probe(known, labels, features, true, (0.03,))


FROZEN: Mapping[str, Judge] = {"k-NN": _neighbors, "nearest mean": _means, "linear probe": _probe}


@dataclass(frozen=True)
class Row:
    """One curve.

    Args:
        encoder: "pretrained", "random" or "pixels".
        method: one of `FROZEN`, or "fine-tuning".
    """

    encoder: str
    method: str


ROWS: Mapping[str, Row] = {
    "SimCLR, fine-tuned": Row("pretrained", "fine-tuning"),
    "SimCLR, linear probe": Row("pretrained", "linear probe"),
    "SimCLR, nearest mean": Row("pretrained", "nearest mean"),
    "SimCLR, k-NN": Row("pretrained", "k-NN"),
    "from scratch": Row("random", "fine-tuning"),
    "random weights, linear probe": Row("random", "linear probe"),
    "random weights, k-NN": Row("random", "k-NN"),
    "raw pixels, linear probe": Row("pixels", "linear probe"),
    "raw pixels, k-NN": Row("pixels", "k-NN"),
}


def counts() -> tuple[int, ...]:
    """How many labels there are, at the scale in force."""
    return scale.pick(smoke=(20,), cpu=(10, 30, 100, 300, 1000), gpu=(10, 30, 100, 300, 1000, 3000))


def draws() -> int:
    """How often the labeled pictures are drawn anew, at the scale in force."""
    return scale.pick(smoke=1, cpu=3, gpu=5)


@lru_cache(maxsize=2)
def judged(split: str) -> Pictures:
    """The pictures that methods are judged on: "validation" to choose by, "test" to report.

    At the scale of a CPU these are the first 2,000 of either, since each fine-tuned network has to look at all of them.
    """
    pictures = load_fashion_mnist(split)
    return pictures.subset(torch.arange(scale.pick(smoke=200, cpu=2000, gpu=len(pictures))))


def accuracy(model: nn.Module, pictures: Pictures) -> float:
    """Per cent of the pictures to which a classifier gives the right class."""
    return 100 * (embed(model, pictures.images).argmax(dim=1) == pictures.labels).double().mean().item()


def curve(
    row: Row,
    encoder: nn.Module,
    split: str,
    rate: float = 1e-3,
    strength: float = 0.03,
    labels: tuple[int, ...] | None = None,
) -> dict[int, list[float]]:
    """Labels -> per cent right of each draw.

    Args:
        row: what to do.
        encoder: with what; left alone.
        split: "validation" or "test".
        rate: of fine-tuning; its steps are those of `Tuning.main`.
        strength: of the probe.
        labels: how many; by default `counts()`.
    """
    pictures = judged(split)
    found: dict[int, list[float]] = {}
    features = None if row.method == "fine-tuning" else embed(encoder, pictures.images)
    for count in labels or counts():
        for draw in range(draws()):
            known = labeled(count, draw)
            if features is None:
                model, _ = fine_tune(encoder, known, replace(Tuning.main(count), rate=rate), seed=draw)
                right = accuracy(model, pictures)
            else:
                seen = embed(encoder, known.images)
                given = (seen, known.labels, features, pictures.labels)
                probe = row.method == "linear probe"
                right = linear_probe(*given, (strength,)) if probe else FROZEN[row.method](*given)
            found.setdefault(count, []).append(right)
    return found
