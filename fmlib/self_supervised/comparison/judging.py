"""What a comparison may say: differences with their interval, chance, the best of several runs, ranks, and the price.

All functions take plain numbers, one for each run or each method, and are exact: nothing is drawn at random.
"""

import math
from collections.abc import Sequence
from itertools import product

from fmlib.checks import check_number, check_whole

Numbers = Sequence[float]
MOST = 20  # differences whose signs are all tried: about a million
ROUNDING = 1e-9  # of the sum of the sizes: sums that are closer count as equal


def paired_difference(one: Numbers, other: Numbers) -> tuple[float, float]:
    """How far one method is ahead of another, run by run, and how unsure that is.

    Args:
        one, other: a score for each run; run i of both has the same seed.

    Returns:
        The mean of one - other, and the half-width of its 95 % confidence interval by Student's t.

    Raises:
        ValueError: different numbers of runs, fewer than two, or scores that are no finite numbers.

    Source: Student 1908, "The Probable Error of a Mean".
    """
    from scipy.stats import t

    differences = [a - b for a, b in zip(*_pairs("one", one, "other", other, least=2), strict=True)]
    n = len(differences)
    mean = math.fsum(differences) / n
    variance = math.fsum((d - mean) ** 2 for d in differences) / (n - 1)
    return mean, float(t.ppf(0.975, n - 1)) * math.sqrt(variance / n)


def sign_flip_p(differences: Numbers) -> float:
    """How often chance alone gives a sum of differences as far from 0 as this one.

    If neither method is better, each pair might as well have come out the other way round. All ways are tried.

    Args:
        differences: at least one and at most twenty; one method minus the other, for each seed.

    Returns:
        The share of the 2^n choices of signs for which the sum is at least as far from 0 as it is; sums that agree up to
        rounding (a billionth of the sum of the sizes) count as equal. At least 2 / 2^n, unless all are 0, where it is 1.

    Raises:
        ValueError: none, more than twenty, or differences that are no finite numbers.

    Source: Fisher 1935, "The Design of Experiments", section 21.
    """
    sizes = [abs(d) for d in _numbers("differences", differences)]
    if len(sizes) > MOST:
        raise ValueError(
            f"there are {len(sizes)} differences: expected at most {MOST}, since all signs are tried"
        )
    seen = abs(math.fsum(differences)) - ROUNDING * math.fsum(sizes)
    sums = [abs(sum(map(float.__mul__, signs, sizes))) for signs in product((1.0, -1.0), repeat=len(sizes))]
    return sum(total >= seen for total in sums) / len(sums)


def expected_best(runs: Numbers, count: int) -> float:
    """The best of `count` runs, on average over all ways to pick so many of those that there are.

    Args:
        runs: a score for each run; higher is better.
        count: how many are picked, none twice: from 1 to the number of runs.

    Raises:
        ValueError: no runs, scores that are no finite numbers, or a count out of range.

    Source: Dodge et al. 2019, "Show Your Work", section 3.1. Differs from the paper: there runs are drawn with replacement.
    """
    ordered = sorted(_numbers("runs", runs))
    check_whole("count", count, most=len(ordered))
    # Run number i, counted from 0 and from below, is the best where all others come from the i below it.
    best = math.fsum(score * math.comb(i, count - 1) for i, score in enumerate(ordered))
    return best / math.comb(len(ordered), count)


def pareto_front(costs: Numbers, scores: Numbers) -> list[bool]:
    """Which methods have no other that is as cheap and as good, and cheaper or better.

    Args:
        costs: of each method; lower is better.
        scores: of each; higher is better.

    Returns:
        True for each method on the front. Of several that are equal in both, all are or none is.

    Raises:
        ValueError: different numbers of costs and scores, none, or some that are no finite numbers.
    """
    both = list(zip(*_pairs("costs", costs, "scores", scores, least=1), strict=True))

    def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one[0] <= other[0] and one[1] >= other[1] and one != other

    return [not any(beats(other, mine) for other in both) for mine in both]


def score_of_chosen(validation: Sequence[Numbers], test: Sequence[Numbers]) -> tuple[int, float]:
    """Choose a setting by the validation pictures, and say what it reaches on the test pictures.

    Args:
        validation: [settings][runs], scores; higher is better.
        test: of the same settings and runs.

    Returns:
        The number of the setting with the highest mean on `validation` (of equal ones the first), and its mean on `test`.

    Raises:
        ValueError: no settings, other numbers of settings or runs in both, or scores that are no finite numbers.
    """
    if len(validation) != len(test) or not len(validation):
        raise ValueError(
            f"validation has {len(validation)} settings and test {len(test)}: expected as many, and at least one"
        )
    pairs = [
        _pairs(f"validation[{i}]", seen, f"test[{i}]", asked, least=1)
        for i, (seen, asked) in enumerate(zip(validation, test, strict=True))
    ]
    means = [math.fsum(seen) / len(seen) for seen, _ in pairs]
    chosen = means.index(max(means))
    asked = pairs[chosen][1]
    return chosen, math.fsum(asked) / len(asked)


def _numbers(name: str, given: Numbers) -> list[float]:
    if not len(given):
        raise ValueError(f"{name} is empty: expected at least one number")
    for i, number in enumerate(given):
        check_number(f"{name}[{i}]", number)
    return [float(number) for number in given]


def _pairs(
    first: str, one: Numbers, second: str, other: Numbers, least: int
) -> tuple[list[float], list[float]]:
    if len(one) != len(other):
        raise ValueError(
            f"{first} has {len(one)} numbers and {second} has {len(other)}: expected one pair for each"
        )
    if len(one) < least:
        raise ValueError(f"{first} has {len(one)} numbers: expected at least {least}")
    return _numbers(first, one), _numbers(second, other)
