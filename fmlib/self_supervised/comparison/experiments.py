"""All methods of the chapter, each with the same budget and three seeds: `make compare WHAT=self_supervised`."""

from torch import nn

from fmlib.results.compare import Comparison
from fmlib.self_supervised.comparison.budget import METHODS, Budget, train
from fmlib.self_supervised.comparison.measures import measure
from fmlib.self_supervised.contrastive.label_efficiency import supervised_accuracy
from fmlib.self_supervised.encoder import make_encoder


def method_row(method: str, seed: int) -> dict[str, float]:
    encoder, _ = train(method, Budget.main(), seed, progress=False)
    return _named(method, measure(encoder, seed))


def pixels_row(seed: int) -> dict[str, float]:
    return _named("pixels", measure(nn.Flatten(), seed))


def random_row(seed: int) -> dict[str, float]:
    return _named("random", measure(make_encoder(1, seed), seed))


def supervised_row(seed: int) -> dict[str, float]:
    return {"supervised_100": supervised_accuracy(100, seed)}


def _named(row: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{row}_{name}": value for name, value in found.items()}


COMPARISON = Comparison(
    prefix="self_supervised/comparison",
    rows={
        "pixels": pixels_row,
        "random": random_row,
        "supervised": supervised_row,
        **{method: (lambda seed, method=method: method_row(method, seed)) for method in METHODS},
    },
)
