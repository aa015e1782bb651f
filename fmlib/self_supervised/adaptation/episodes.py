"""Few-shot classification: many small tasks, and how sure their average is."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from fmlib.checks import FLOAT, LONG, WHOLE, check_number, check_tensors, check_whole
from fmlib.self_supervised.adaptation.prototypes import nearest_mean


def split_episode(
    order: Int64[Tensor, "rows"],
    labels: Int64[Tensor, "pictures"],
    classes: Int64[Tensor, "ways"],
    shots: int,
    queries: int,
) -> tuple[Int64[Tensor, "ways shots"], Int64[Tensor, "ways queries"]]:
    """Which pictures an episode shows with their labels, and which it asks for: never the same one.

    Args:
        order: numbers of pictures in the order in which they are taken, each at most once.
        labels: of all pictures.
        classes: of the episode.
        shots: labeled pictures of each class, at least 1.
        queries: other pictures of each class, at least 1.

    Returns:
        Numbers of pictures, a row for each class: the first `shots` of the class in `order`, and the next `queries`.

    Raises:
        TypeError: numbers of pictures or classes that are not torch.long.
        ValueError: a class with too few pictures, or numbers below 1.

    Source: Vinyals et al. 2016, "Matching Networks for One Shot Learning", section 2.2; Snell et al. 2017, algorithm 1.
    """
    check_tensors(
        ("order", order, LONG, "rows"),
        ("labels", labels, WHOLE, "pictures"),
        ("classes", classes, LONG, "ways"),
    )
    check_whole("shots", shots)
    check_whole("queries", queries)
    rows = []
    for label in classes:
        own = order[labels[order] == label][: shots + queries]
        if len(own) < shots + queries:
            raise ValueError(
                f"class {int(label)} has {len(own)} pictures in order: expected {shots + queries}, shots and "
                "queries together"
            )
        rows.append(own)
    together = torch.stack(rows)
    return together[:, :shots], together[:, shots:]


def sample_episode(
    labels: Int64[Tensor, "pictures"], ways: int, shots: int, queries: int, generator: torch.Generator
) -> tuple[Int64[Tensor, "ways shots"], Int64[Tensor, "ways queries"]]:
    """Draw the classes of an episode and its pictures.

    Args:
        labels: of all pictures.
        ways: how many classes, at least 2.
        shots, queries: see `split_episode`.
        generator: source of randomness.

    Raises:
        TypeError: labels that are no whole numbers.
        ValueError: fewer classes than ways; see `split_episode`.
    """
    check_tensors(("labels", labels, WHOLE, "pictures"))
    every = labels.long().unique()
    check_whole("ways", ways, least=2, most=len(every), hint="no more than there are classes")
    classes = every[torch.randperm(len(every), generator=generator)[:ways]]
    order = torch.randperm(len(labels), generator=generator)
    return split_episode(order, labels, classes, shots, queries)


def episode_accuracy(
    features: Float[Tensor, "pictures dim"],
    support: Int64[Tensor, "ways shots"],
    query: Int64[Tensor, "ways queries"],
) -> float:
    """Per cent of an episode's queries whose nearest class mean is that of their own class.

    Args:
        features: of all pictures.
        support, query: numbers of pictures, a row for each class.

    Raises:
        TypeError, ValueError: no features, or rows that do not fit.
    """
    check_tensors(
        ("features", features, FLOAT, "pictures dim"),
        ("support", support, LONG, "ways shots"),
        ("query", query, LONG, "ways queries"),
    )
    own = torch.arange(len(support))
    known = own.repeat_interleave(support.shape[1])
    found = nearest_mean(features[support.flatten()], known, features[query.flatten()])
    return 100 * (found == own.repeat_interleave(query.shape[1])).double().mean().item()


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """A mean, and how far from it the true mean may be: half the width of Student's confidence interval.

    Args:
        values: at least two, drawn independently, such as the accuracies of episodes.
        confidence: how often such an interval holds the true mean, in (0, 1).

    Returns:
        The mean and the half-width t · s / sqrt(n), where s is the standard deviation (divided by n - 1) and t the quantile
        of Student's distribution with n - 1 degrees of freedom.

    Raises:
        ValueError: fewer than two values, values that are no finite numbers, or a confidence outside (0, 1).
    """
    from scipy.stats import t

    numbers = [float(value) for value in values]
    if len(numbers) < 2:
        raise ValueError(
            f"values has {len(numbers)} numbers: expected at least two, since their spread is needed"
        )
    for number in numbers:
        check_number("values", number)
    check_number("confidence", confidence, above=0, below=1)
    mean = math.fsum(numbers) / len(numbers)
    variance = math.fsum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1)
    quantile = float(t.ppf((1 + confidence) / 2, len(numbers) - 1))
    return mean, quantile * math.sqrt(variance / len(numbers))
