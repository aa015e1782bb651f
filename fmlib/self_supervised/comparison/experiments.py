"""All methods of the chapter, each with the same budget and three seeds: `make compare WHAT=self_supervised`."""

from collections.abc import Iterable

from torch import nn

from fmlib import scale
from fmlib.results.compare import Comparison
from fmlib.self_supervised.comparison.budget import METHODS, Budget, train
from fmlib.self_supervised.comparison.cost import step_cost
from fmlib.self_supervised.comparison.measures import measure
from fmlib.self_supervised.contrastive.label_efficiency import supervised_accuracy
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.masked.training import MAERecipe, MeanOfPatches, make_vit


def method_row(method: str, seed: int) -> dict[str, float]:
    encoder, _ = train(method, Budget.main(), seed, progress=False)
    return _named(method, measure(encoder, seed))


def pixels_row(seed: int) -> dict[str, float]:
    return _named("pixels", measure(nn.Flatten(), seed))


def random_row(seed: int) -> dict[str, float]:
    return _named("random", measure(make_encoder(1, seed), seed))


def random_vit_row(seed: int) -> dict[str, float]:
    """MAE's network before it has learned anything."""
    vit = make_vit(MAERecipe.main().model.encoder, seed)
    return _named("random_vit", measure(MeanOfPatches(vit), seed))


def supervised_row(seed: int) -> dict[str, float]:
    return {f"supervised_{count}": supervised_accuracy(count, seed) for count in (100, 1000)}


def costs_row(seed: int, methods: Iterable[str] = tuple(METHODS)) -> dict[str, float]:
    """What a step of each method takes: its time as a multiple of SimCLR's, measured just before, and megabytes kept."""
    steps, found = scale.pick(smoke=1, cpu=8, gpu=20), {}
    for each in methods:
        beside, mine = (step_cost(method, Budget.main(), steps, seed) for method in ("simclr", each))
        found |= {f"{each}_step_time": mine.seconds / beside.seconds, f"{each}_kept": mine.kept}
    return found


def _named(row: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{row}_{name}": value for name, value in found.items()}


COMPARISON = Comparison(
    prefix="self_supervised/comparison",
    units={"_step_time": "", "_kept": "MB"},
    rows={
        "pixels": pixels_row,
        "random": random_row,
        "random_vit": random_vit_row,
        "supervised": supervised_row,
        "costs": costs_row,
        **{method: (lambda seed, method=method: method_row(method, seed)) for method in METHODS},
    },
)
