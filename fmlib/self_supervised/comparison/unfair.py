"""Ways to be ahead without being better: measured, so that you know how far each goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.checks import check_number, check_whole
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import embed, linear_probe
from fmlib.self_supervised.comparison.budget import Budget, train
from fmlib.self_supervised.probing import labeled, validation_draws

STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)  # of the probe, scikit-learn's C


@dataclass(frozen=True)
class Halves:
    """A probe with several strengths, measured on two halves of the validation pictures.

    Args:
        strengths: the settings.
        scores: per cent right, for each setting, half and draw of the labeled pictures.
    """

    strengths: tuple[float, ...]
    scores: Float[Tensor, "settings 2 draws"]


def probe_on_halves(
    encoder: nn.Module, strengths: tuple[float, ...] = STRENGTHS, count: int = 100, draws: int | None = None
) -> Halves:
    """Probe frozen features with several strengths; the validation pictures are halved at random, the same way each time.

    Args:
        encoder: pictures -> features.
        strengths: of the probe's regularization, scikit-learn's C.
        count: labeled pictures of a draw.
        draws: of the labeled pictures; five by default, one at scale smoke.

    Raises:
        ValueError: no strengths, or numbers out of range.
    """
    if not strengths:
        raise ValueError("strengths is empty: expected at least one")
    check_whole("count", count)
    draws = scale.pick(smoke=1, cpu=5, gpu=5) if draws is None else draws
    check_whole("draws", draws)
    held_out = load_fashion_mnist("validation")
    features = embed(encoder, held_out.images)
    halves = torch.randperm(len(features), generator=torch.Generator().manual_seed(0)).chunk(2)
    known = [labeled(count, draw) for draw in range(draws)]
    seen = [embed(encoder, pictures.images) for pictures in known]
    scores = [
        [
            [
                linear_probe(x, pictures.labels, features[half], held_out.labels[half], (strength,))
                for x, pictures in zip(seen, known, strict=True)
            ]
            for half in halves
        ]
        for strength in strengths
    ]
    return Halves(tuple(strengths), torch.tensor(scores))


def chosen_and_fresh(halves: Halves) -> tuple[float, float]:
    """What the best setting of each draw reaches on the pictures that chose it, and on the others.

    Each half chooses once, and each is the fresh one once, so that no half is harder.

    Returns:
        Both means, in per cent.
    """
    scores = halves.scores
    chosen = scores.argmax(dim=0)  # [2, draws]
    on_itself = scores.gather(0, chosen[None])[0]
    on_other = scores.flip(1).gather(0, chosen[None])[0]
    return on_itself.mean().item(), on_other.mean().item()


def best_of_equals(tries: int, deviation: float, repeats: int = 10_000, seed: int = 0) -> float:
    """How far the best of several equally good tries lies above what they are worth, on average.

    Args:
        tries: how many.
        deviation: standard deviation of a score, normally distributed.
        repeats: of the experiment.
        seed: of the draws.

    Raises:
        ValueError: numbers out of range.
    """
    check_whole("tries", tries)
    check_whole("repeats", repeats)
    check_number("deviation", deviation, least=0)
    drawn = torch.randn(repeats, tries, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return deviation * drawn.amax(dim=1).mean().item()


def longer_runs(
    method: str, steps: Sequence[int], seed: int = 0, progress: bool = True
) -> Mapping[int, list[float]]:
    """One method with several budgets: a run for each, whose schedule is its own.

    Args:
        method: one of `METHODS`.
        steps: of each run.
        seed: of all of them.
        progress: show a bar.

    Returns:
        Steps -> per cent of the validation pictures that a probe with 100 labels gets right, for each draw of the labels.

    Raises:
        ValueError: an unknown method, or steps that are no positive whole number.
    """
    found = {}
    for number in steps:
        encoder, _ = train(method, replace(Budget.main(), steps=number), seed, progress=progress)
        found[number] = validation_draws(encoder)
    return found
