"""The linear probe from its parts: one scale, a regularized logistic regression, and a strength that labels choose."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, WHOLE, check_number, check_tensors, check_whole
from fmlib.data import Pictures
from fmlib.evaluate import STRENGTHS, embed


def standardize(
    known: Float[Tensor, "known dim"], features: Float[Tensor, "rows dim"]
) -> tuple[Float[Tensor, "known dim"], Float[Tensor, "rows dim"]]:
    """Center and scale features, by what the labeled ones say alone.

    Args:
        known: the labeled features, of which at least two differ.
        features: any others, which are moved and scaled by the same numbers.

    Returns:
        Both, less the mean of `known` (a number for each feature) and divided by one number, the standard deviation of what
        is left of `known`, over all its numbers.

    Raises:
        TypeError: features that are no floats.
        ValueError: shapes that do not fit, or labeled features that are all the same.
    """
    check_tensors(
        ("known", known, FLOAT, "known dim"), ("features", features, FLOAT, "rows dim"), finite=True
    )
    mean, deviation = center_and_scale(known)
    return (known - mean) / deviation, (features - mean) / deviation


def center_and_scale(known: Float[Tensor, "known dim"]) -> tuple[Float[Tensor, "dim"], Float[Tensor, ""]]:
    """The two statistics of `standardize`.

    Raises:
        ValueError: features that are all the same.
    """
    mean = known.mean(dim=0)
    deviation = (known - mean).std() if known.numel() > 1 else known.new_zeros(())
    if not deviation > 0:
        raise ValueError("known has rows that are all the same: expected some that differ")
    return mean, deviation


def logistic_regression(
    features: Float[Tensor, "known dim"],
    labels: Int64[Tensor, "known"],
    strength: float,
    classes: int | None = None,
    steps: int = 200,
) -> tuple[Float[Tensor, "classes dim"], Float[Tensor, "classes"]]:
    """The weights that are least surprised by the labels, and not larger than that is worth.

    The one minimum of strength · sum of cross-entropies + half the sum of squared weights (the biases are free).

    Args:
        features: of labeled pictures; standardized ones, or the strength has no meaning.
        labels: their classes, from 0.
        strength: scikit-learn's C, above 0: the smaller, the closer to zero the weights stay.
        classes: how many there are; by default one more than the highest label.
        steps: of L-BFGS, at most; it computes in double precision.

    Returns:
        Weights and biases, of the features' dtype.

    Raises:
        TypeError: features that are no floats, labels that are no whole numbers.
        ValueError: shapes that do not fit, a strength that is not above 0, or fewer classes than the labels have.
    """
    check_tensors(("features", features, FLOAT, "known dim"), ("labels", labels, WHOLE, "known"), finite=True)
    check_number("strength", strength, above=0)
    check_whole("steps", steps)
    least = int(labels.max()) + 1
    classes = least if classes is None else classes
    check_whole("classes", classes, least=least, hint="one more than the highest label")
    x = features.detach().double()
    weight = x.new_zeros(classes, x.shape[1], requires_grad=True)
    bias = x.new_zeros(classes, requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias],
        max_iter=steps,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        search.zero_grad()
        surprise = F.cross_entropy(x @ weight.T + bias, labels.long(), reduction="sum")
        value = strength * surprise + weight.square().sum() / 2
        value.backward()
        return value

    with torch.enable_grad():
        search.step(objective)
    return weight.detach().to(features.dtype), bias.detach().to(features.dtype)


def choose_strength(
    features: Float[Tensor, "known dim"],
    labels: Int64[Tensor, "known"],
    strengths: tuple[float, ...] = STRENGTHS,
    folds: int = 5,
) -> float:
    """Which strength surprises least on labeled rows that were held back, each row once: cross-validation.

    Args:
        features, labels: the labeled features, as they come, in random order.
        strengths: candidates.
        folds: parts of which each is held back once; row i of a class goes into part i modulo `folds`.

    Returns:
        One of the strengths, the first of equal ones. With a single candidate, or a single row in some class, the first.

    Raises:
        TypeError, ValueError: see `logistic_regression`; no strengths.
    """
    check_tensors(("features", features, FLOAT, "known dim"), ("labels", labels, WHOLE, "known"), finite=True)
    check_whole("folds", folds, least=2)
    if not isinstance(strengths, (tuple, list)) or not strengths:
        raise ValueError(f"strengths are {strengths!r}: expected at least one candidate, in a tuple")
    for i, strength in enumerate(strengths):
        check_number(f"strengths[{i}]", strength, above=0)
    counts = torch.bincount(labels)
    folds = min(folds, int(counts[counts > 0].min()))
    if len(strengths) == 1 or folds < 2:
        return strengths[0]
    part = (F.one_hot(labels.long()).cumsum(dim=0).gather(1, labels.long()[:, None])[:, 0] - 1) % folds

    def surprise(strength: float) -> float:
        total = 0.0
        for fold in range(folds):
            rest = part != fold
            x, held_back = standardize(features[rest], features[~rest])
            weight, bias = logistic_regression(x, labels[rest], strength, len(counts))
            logits = held_back @ weight.T + bias
            total += F.cross_entropy(logits, labels[~rest].long(), reduction="sum").item()
        return total if math.isfinite(total) else math.inf

    return min(strengths, key=surprise)


def probe_head(encoder: nn.Module, pictures: Pictures, strength: float | None = None) -> nn.Linear:
    """A linear probe as a layer to put on the encoder: what standardizes is folded into its weights.

    Args:
        encoder: pictures -> features; left as it was.
        pictures: the labeled ones.
        strength: of the regression; by default what `choose_strength` says.

    Returns:
        A layer from features, as the encoder gives them, to logits; on the encoder's device.

    Raises:
        ValueError: see `logistic_regression` and `standardize`.
    """
    features = embed(encoder, pictures.images)
    strength = choose_strength(features, pictures.labels) if strength is None else strength
    mean, deviation = center_and_scale(features)
    classes = len(pictures.class_names)
    weight, bias = logistic_regression((features - mean) / deviation, pictures.labels, strength, classes)
    head = nn.Linear(features.shape[1], classes)
    with torch.no_grad():
        head.weight.copy_(weight / deviation)
        head.bias.copy_(bias - weight @ mean / deviation)
    return head.to(next(encoder.parameters(), head.weight).device)
