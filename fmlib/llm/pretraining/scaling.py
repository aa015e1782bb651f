"""Scaling laws: the loss falls with the size as a power law, so small runs say what a larger one will reach.

    L(N) = E + A · N^-alpha

E is what no size gets below (the text's own randomness, and what the number of tokens leaves unlearned), the rest is what
a model of size N still lacks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fmlib import scale
from fmlib.checks import FLOAT, check_tensors
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.pretraining.training import Recipe

HUBER = 0.01  # deviations of more than 1 % count linearly: one bad run does not bend the law
EXPONENTS = np.geomspace(0.01, 3, 60)  # where the search starts
STEEPEST = 5.0


@dataclass(frozen=True)
class Law:
    """L(N) = floor + scale · N^-exponent.

    Args:
        floor: E, in the unit of the loss; 0 in a pure power law.
        scale: A, what a model of size 1 would lack.
        exponent: alpha.
    """

    floor: float
    scale: float
    exponent: float

    def __call__(self, size: float) -> float:
        """The loss at a size."""
        return self.floor + self.scale * size**-self.exponent

    def __repr__(self) -> str:
        floor = f"{self.floor:.3f} + " if self.floor else ""
        return f"L(N) = {floor}{self.scale:.3g} · N^-{self.exponent:.3f}"


@dataclass(frozen=True)
class Forecast:
    """What a law says about a run that has not been made: the loss, and between which two numbers it should lie."""

    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class ScalingFit:
    """A fitted law and how well the runs tie it down.

    Args:
        law: the fit to all runs.
        resampled: the law fitted to each bootstrap sample.
        spread: of the runs about the law in each sample, as a standard deviation of log L.
    """

    law: Law
    resampled: tuple[Law, ...]
    spread: tuple[float, ...]

    def interval(self, name: str, level: float = 0.9) -> tuple[float, float]:
        """Between which two numbers a parameter lies.

        Args:
            name: "floor", "scale" or "exponent".
            level: share of the bootstrap samples inside.
        """
        return _middle([getattr(law, name) for law in self.resampled], level)

    def predict(self, size: float, generator: torch.Generator, level: float = 0.9) -> Forecast:
        """The loss of a run of another size.

        The interval has both: what is uncertain about the law, and how far single runs lie from it.

        Args:
            size: in the unit of the fit.
            generator: draws how far the run lies from the law.
            level: share of runs that should fall inside.

        Raises:
            ValueError: a size that is not above 0.
        """
        if not size > 0:
            raise ValueError(f"size is {size}: expected a number above 0")
        drawn = torch.randn(len(self.spread), generator=generator, dtype=torch.float64).tolist()
        triples = zip(self.resampled, self.spread, drawn, strict=True)
        runs = [law(size) * math.exp(spread * z) for law, spread, z in triples]
        return Forecast(self.law(size), *_middle(runs, level))


def power_law_by_line(
    sizes: Float[Tensor, "runs"], losses: Float[Tensor, "runs"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """The pure power law by the oldest method: the straight line of least squares through the logarithms.

    Args:
        sizes, losses: of at least two runs of different sizes, above 0.

    Returns:
        A and alpha of L(N) = A · N^-alpha.

    Raises:
        TypeError: no tensors of floats.
        ValueError: not a loss for each size, fewer than two different sizes, or numbers that are not above 0.
    """
    check_tensors(("sizes", sizes, FLOAT, "runs"), ("losses", losses, FLOAT, "runs"), finite=True)
    for name, values in (("sizes", sizes), ("losses", losses)):
        if not bool((values > 0).all()):
            raise ValueError(f"{name} are {values.tolist()}: expected finite numbers above 0")
    if len(sizes.unique()) < 2:
        raise ValueError(f"sizes are {sizes.tolist()}: expected at least two different ones")
    x, y = sizes.log(), losses.log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return (y.mean() - slope * x.mean()).exp(), -slope


def ruler(sizes: Sequence[float], losses: Sequence[float]) -> Callable[[float], float]:
    """What a law must beat: the straight line through the last two sizes, in log N and with no theory behind it.

    Args:
        sizes: of each run; where several have one size, their mean loss counts.
        losses: measured, above 0.

    Returns:
        Size -> loss.

    Raises:
        ValueError: numbers that are not above 0, unequal lengths, or fewer than two different sizes.

    Example:
        >>> round(ruler([1, 10, 100], [5.0, 3.0, 2.0])(1000), 6)
        1.0
    """
    sizes, losses = _checked(sizes, losses, floor=False)
    near, far = np.unique(sizes)[-2:]
    before, last = losses[sizes == near].mean(), losses[sizes == far].mean()
    slope = (last - before) / math.log(far / near)
    return lambda size: float(last + slope * math.log(size / far))


def fit_power_law(sizes: Sequence[float], losses: Sequence[float], floor: bool = True) -> Law:
    """The power law nearest to some runs.

    Least squares of log L with the Huber loss. The problem has local minima, so it starts from the best of many exponents,
    for each of which floor and scale are a linear fit.

    Args:
        sizes: of each run, e.g. parameters or tokens; the same size may occur several times.
        losses: measured, above 0.
        floor: fit E as well; False makes it 0, a straight line in log-log axes.

    Raises:
        ValueError: numbers that are not above 0, unequal lengths, or fewer different sizes than parameters.

    Source: Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models", section 3.3, for one variable
    (their Huber threshold, 1e-3, is for hundreds of runs); without the floor Kaplan et al. 2020, "Scaling Laws for Neural
    Language Models", eq. 1.1.
    """
    sizes, losses = _checked(sizes, losses, floor)
    return _fit(np.log(sizes), np.log(losses), floor)


def _fit(x: np.ndarray, y: np.ndarray, with_floor: bool) -> Law:
    from scipy.optimize import least_squares

    middle = x.mean()  # there what is lacking hardly depends on the exponent

    def residuals(p: np.ndarray) -> np.ndarray:
        lacking = p[0] - p[1] * (x - middle)
        return (np.logaddexp(p[2], lacking) if len(p) == 3 else lacking) - y

    def jacobian(p: np.ndarray) -> np.ndarray:
        lacking = p[0] - p[1] * (x - middle)
        share = np.exp(lacking - np.logaddexp(p[2], lacking)) if len(p) == 3 else np.ones_like(x)
        return np.stack([share, -share * (x - middle), 1 - share][: len(p)], axis=1)

    start = _start(x - middle, y) if with_floor else (y.mean(), 0.3)
    # No law of learning is steeper, and samples of runs that follow none stay finite.
    bounds = ([-np.inf, -STEEPEST, -np.inf][: len(start)], [np.inf, STEEPEST, np.inf][: len(start)])
    found = least_squares(
        residuals, start, jac=jacobian, bounds=bounds, loss="huber", f_scale=HUBER, max_nfev=60
    )
    lacking, exponent, *floor = found.x
    return Law(
        floor=math.exp(floor[0]) if floor else 0.0,
        scale=math.exp(lacking + exponent * middle),
        exponent=float(exponent),
    )


def _start(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """(log of what is lacking at x = 0, exponent, log of the floor), the best of the grid."""
    column = np.exp(-EXPONENTS[:, None] * x - y)  # relative to the losses: floor · one + scale · column = 1
    one = np.exp(-y)
    aa, bb, ab = (one * one).sum(), (column * column).sum(1), (column * one).sum(1)
    a, b = one.sum(), column.sum(1)
    floor = np.maximum((a * bb - b * ab) / (aa * bb - ab**2), 1e-3 * math.exp(y.min()))
    lacking = np.maximum((b - floor * ab) / bb, 1e-12)
    error = ((floor[:, None] * one + lacking[:, None] * column - 1) ** 2).sum(1)
    best = int(error.argmin())
    return math.log(lacking[best]), EXPONENTS[best], math.log(floor[best])


def fit_with_uncertainty(
    sizes: Sequence[float],
    losses: Sequence[float],
    generator: torch.Generator,
    floor: bool = True,
    samples: int = 200,
) -> ScalingFit:
    """Fit a law, and fit it again to runs that might as well have come out.

    A *bootstrap*: each sample keeps the sizes, takes the fitted law for true, and draws new runs about it. How far runs lie
    from it is itself known only roughly from a handful, so each sample draws that, too; in a linear fit the result would be
    Student's t. (To draw the measured runs with repetition would leave samples with fewer sizes than the law has numbers.)

    Args:
        sizes, losses, floor: as in `fit_power_law`; more runs than parameters.
        generator: draws the samples.
        samples: how many.

    Raises:
        ValueError: see `fit_power_law`; too few runs; samples below 2.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", section 6.5 (the parametric bootstrap).
    """
    parameters = 3 if floor else 2
    if len(sizes) <= parameters:
        raise ValueError(f"there are {len(sizes)} runs: expected more than {parameters}, the law's numbers")
    if samples < 2:
        raise ValueError(f"samples is {samples}: expected 2 or more")
    law = fit_power_law(sizes, losses, floor)
    fitted = np.array([law(size) for size in sizes])
    residuals = np.log(np.asarray(losses, dtype=np.float64) / fitted)
    squares, free = float((residuals**2).sum()), len(sizes) - parameters
    x, resampled, spreads = np.log(np.asarray(sizes, dtype=np.float64)), [], []
    for _ in range(samples):
        drawn = torch.randn(len(sizes) + free, generator=generator, dtype=torch.float64).numpy()
        spread = math.sqrt(squares / float((drawn[len(sizes) :] ** 2).sum()))
        resampled.append(_fit(x, np.log(fitted) + spread * drawn[: len(sizes)], floor))
        spreads.append(spread)
    return ScalingFit(law, tuple(resampled), tuple(spreads))


def scaling_recipes(vocab_size: int) -> tuple[list[Recipe], Recipe]:
    """The runs that a law is fitted to, and the larger one that it must predict; all see the same tokens.

    Args:
        vocab_size: of the tokenizer.

    Returns:
        At least five recipes from the smallest model to the largest, and the one beyond them.
    """
    length = scale.pick(smoke=16, cpu=64, gpu=256)
    widths = scale.pick(
        smoke=(8, 12, 16, 24, 32, 48),
        cpu=(16, 24, 32, 48, 64, 96, 160),
        gpu=(32, 48, 64, 96, 128, 192, 384),
    )
    recipes = [
        Recipe(
            model=GPTConfig(vocab_size, max_length=length, layers=2, heads=2, dim=width),
            steps=scale.pick(smoke=3, cpu=1000, gpu=1000),
            batch_size=scale.pick(smoke=4, cpu=16, gpu=64),
            rate=0.1 / width**0.5,  # wide layers want smaller steps
        )
        for width in widths
    ]
    return recipes[:-1], recipes[-1]


def model_size(config: GPTConfig) -> int:
    """The weights of a model's matrices without the embeddings: the size N in which the law is simplest.

    Source: Kaplan et al. 2020, section 2.1, eq. 2.1.
    """
    return 12 * config.layers * config.dim**2


def _checked(sizes: Sequence[float], losses: Sequence[float], floor: bool) -> tuple[np.ndarray, np.ndarray]:
    sizes, losses = np.asarray(sizes, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if sizes.shape != losses.shape or sizes.ndim != 1:
        raise ValueError(
            f"there are {sizes.shape} sizes and {losses.shape} losses: expected one for each run"
        )
    for name, values in (("sizes", sizes), ("losses", losses)):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} are {values.tolist()}: expected finite numbers above 0")
    needed = 3 if floor else 2
    if len(np.unique(sizes)) < needed:
        raise ValueError(
            f"there are {len(np.unique(sizes))} different sizes: expected at least {needed}, as many as the law has numbers"
        )
    return sizes, losses


def _middle(values: Sequence[float], level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: expected a share between 0 and 1")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
