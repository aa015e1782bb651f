"""How sure a number is: many draws of the labels, and how many are needed."""

from torch import nn

from fmlib import scale
from fmlib.checks import check_number, check_whole
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import embed
from fmlib.self_supervised.adaptation.experiments.ways import LABELS
from fmlib.self_supervised.adaptation.label_efficiency import FROZEN
from fmlib.self_supervised.probing import labeled


def many_draws(encoder: nn.Module, method: str, count: int = LABELS, draws: int = 20) -> list[float]:
    """Per cent of the validation pictures right, for each of many draws of the labels; draw i has the same for all methods.

    Args:
        encoder: frozen.
        method: of `FROZEN`.
        count: labels.
        draws: how many.
    """
    pictures = load_fashion_mnist("validation")
    features = embed(encoder, pictures.images)
    found = []
    for draw in range(scale.pick(smoke=3, cpu=draws, gpu=draws)):
        known = labeled(count, draw)
        found.append(FROZEN[method](embed(encoder, known.images), known.labels, features, pictures.labels))
    return found


def draws_needed(deviation: float, difference: float, confidence: float = 0.95, most: int = 10_000) -> int:
    """How many draws until a difference is larger than the confidence interval's half-width.

    Args:
        deviation: the standard deviation of what is averaged, 0 or more.
        difference: to be seen, above 0.
        confidence: of Student's interval, in (0, 1).
        most: where to give up.

    Returns:
        The smallest n of at least 2 with t · deviation / sqrt(n) <= difference, t for n - 1 degrees of freedom.

    Raises:
        ValueError: numbers out of range, or more draws than `most`.
    """
    check_number("deviation", deviation, least=0)
    check_number("difference", difference, above=0)
    check_number("confidence", confidence, above=0, below=1)
    check_whole("most", most, least=2)
    for n in range(2, most + 1):
        if _half_width(deviation, n, confidence) <= difference:
            return n
    raise ValueError(
        f"a difference of {difference} needs more than {most} draws at a deviation of {deviation}: expected fewer"
    )


def _half_width(deviation: float, n: int, confidence: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, n - 1)) * deviation / n**0.5
