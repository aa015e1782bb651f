"""What peeking adds on paper: a strength that is chosen where it is judged, and the luckiest draw."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import check_whole
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import embed
from fmlib.self_supervised.adaptation.episodes import mean_interval
from fmlib.self_supervised.adaptation.experiments.ways import LABELS
from fmlib.self_supervised.adaptation.probe import logistic_regression, standardize
from fmlib.self_supervised.probing import labeled

PEEKED = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)


def right_by_strength(encoder: nn.Module, draw: int) -> Float[Tensor, "strengths pictures"]:
    """Whether a probe with 100 labels has each validation picture right, for each of `PEEKED`: 1 or 0."""
    pictures, known = load_fashion_mnist("validation"), labeled(LABELS, draw)
    x, features = standardize(embed(encoder, known.images), embed(encoder, pictures.images))
    rows = []
    for strength in PEEKED:
        weight, bias = logistic_regression(x, known.labels, strength, len(known.class_names))
        rows.append(((features @ weight.T + bias).argmax(dim=1) == pictures.labels).float())
    return torch.stack(rows)


def flattery(
    right: Float[Tensor, "draws strengths pictures"], size: int, repeats: int = 200, seed: int = 0
) -> float:
    """How many points a probe gains on paper when its strength is chosen on the pictures that it is judged on.

    The best strength on a small set of `size` pictures, its accuracy there, less what the same strength has on all others.

    Args:
        right: whether each picture is right, for each draw of the labels and each strength.
        size: pictures in the set that is peeked at, fewer than there are.
        repeats: how many such sets are drawn; each takes one of the draws of the labels.
        seed: of the sets.

    Returns:
        The mean over the sets, in points.

    Raises:
        ValueError: no room for other pictures.
    """
    check_whole("size", size, most=right.shape[2] - 1, hint="the rest tells what the choice is worth")
    check_whole("repeats", repeats)
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for repeat in range(repeats):
        order = torch.randperm(right.shape[2], generator=generator)
        one = right[repeat % len(right)]
        peeked, other = one[:, order[:size]].mean(dim=1), one[:, order[size:]].mean(dim=1)
        best = int(peeked.argmax())
        total += 100 * (peeked[best] - other[best]).item()
    return total / repeats


def best_of_draws(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and how far above it the best draw is: what reporting one lucky draw would add."""
    mean, _ = mean_interval(values)
    return mean, max(values) - mean
