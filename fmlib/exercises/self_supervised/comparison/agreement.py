"""Whether two measures agree: rank_correlation."""

import math
from statistics import correlation

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.numbers import one_number
from fmlib.self_supervised.comparison.judging import rank_correlation


def plain_rank_correlation(one, other):
    def ranks(scores):
        return [sum(b < a for b in scores) + (1 + sum(b == a for b in scores)) / 2 for a in scores]

    x, y = ranks(one), ranks(other)
    middle = (len(one) + 1) / 2
    across = sum((a - middle) * (b - middle) for a, b in zip(x, y, strict=True))
    return across / math.sqrt(sum((a - middle) ** 2 for a in x) * sum((b - middle) ** 2 for b in y))


def kendall(one, other):
    from scipy.stats import kendalltau

    return float(kendalltau(one, other).statistic)


def plain_correlation(one, other):
    return correlation(one, other)


def by_the_short_formula(one, other):
    def ranks(scores):
        return [sum(b < a for b in scores) + (1 + sum(b == a for b in scores)) / 2 for a in scores]

    n = len(one)
    apart = sum((a - b) ** 2 for a, b in zip(ranks(one), ranks(other), strict=True))
    return 1 - 6 * apart / (n * (n * n - 1))


def scores(generator, count, agree):
    first = torch.randn(count, generator=generator, dtype=torch.float64)
    second = agree * first + torch.randn(count, generator=generator, dtype=torch.float64)
    return {"one": (75 + 4 * first).tolist(), "other": (20 * second.exp()).tolist()}


RANK_CORRELATION = Exercise(
    name="rank_correlation",
    chapter="self_supervised",
    title="The same order",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
`one` and `other` are lists of as many floats, at least two: a score for each method, by two measures. Give each list
ranks, 1
for the lowest score; methods with *equal* scores share the mean of the ranks that they take up, so that 70, 80, 80,
90 have
the ranks 1, 2.5, 2.5, 4. Return the correlation of the two lists of ranks, a `float` from -1 to 1 (Spearman's rank
correlation): the sum over the methods of the products of both ranks' deviations from their means, divided by the
square root
of the product of the two sums of squared deviations. In neither list are all scores equal. Write the ranks yourself; the
rest may be any library's.
""",
    starter='''
import math


def rank_correlation(one, other):
    """The correlation of the ranks: a float."""
    raise NotImplementedError("write rank_correlation")
''',
    reference=rank_correlation,
    observe=one_number,
    cases=(
        Case(
            "4 methods, one pair changes places",
            lambda g: {"one": [70.0, 72.0, 75.0, 79.0], "other": [10.0, 14.0, 12.0, 30.0]},
        ),
        Case("the opposite order", lambda g: {"one": [1.0, 2.0, 3.0], "other": [9.0, 5.0, 4.0]}),
        Case("two share a score", lambda g: {"one": [70.0, 80.0, 80.0, 90.0], "other": [1.0, 3.0, 2.0, 5.0]}),
        Case(
            "three share a score, not in order",
            lambda g: {"one": [5.0, 2.0, 5.0, 7.0, 5.0], "other": [3.0, 1.0, 2.0, 2.0, 9.0]},
        ),
        Case("10 methods", lambda g: scores(g, 10, 1.0)),
        Case("12 methods that hardly agree", lambda g: scores(g, 12, 0.1)),
        Case("two methods", lambda g: {"one": [3.0, 1.0], "other": [2.0, 8.0]}),
        Case("negative scores", lambda g: {"one": [-3.0, 0.0, 2.0, -1.0], "other": [-1.0, -2.0, 5.0, 0.0]}),
    ),
    misconceptions=(
        Misconception(
            "That is the correlation of the *scores*. One method that is far off can rule it; the order of the "
            "methods is in "
            "the ranks.",
            (plain_correlation,),
        ),
        Misconception(
            "Methods with equal scores get different ranks, by their place in the list. They share the mean of their "
            "ranks.",
            slips(
                plain_rank_correlation,
                {
                    "[sum(b < a for b in scores) + (1 + sum(b == a for b in scores)) / 2 for a in scores]": (
                        "[1 + sorted(range(len(scores)), key=scores.__getitem__).index(i) for i in range(len(scores))]"
                    )
                },
            ),
        ),
        Misconception(
            "Methods with equal scores all get the lowest of their ranks. They share the mean of them.",
            (
                *slips(
                    plain_rank_correlation,
                    {
                        " + (1 + sum(b == a for b in scores)) / 2": " + 1",
                        "middle = (len(one) + 1) / 2": "middle = 0",
                        "across = ": "x, y = [a - sum(x) / len(x) for a in x], [b - sum(y) / len(y) for b in y]; "
                        "across = ",
                    },
                ),
            ),
        ),
        Misconception(
            "The short formula with the squared differences of ranks holds only where no scores are equal. Take the "
            "correlation of the ranks.",
            (by_the_short_formula,),
        ),
        Misconception(
            "That is Kendall's tau, which counts the pairs in the same order. Here the ranks are correlated.",
            (kendall,),
        ),
        Misconception(
            "The sign is wrong: one list is ranked from the top, the other one from the bottom.",
            slips(plain_rank_correlation, {"return across": "return -across"}),
        ),
    ),
    hints=(
        "The rank of a score is one more than the number of lower ones, if no other is equal to it.",
        "With equal ones: the number of lower scores, plus (1 + the number of equal ones, itself included) / 2.",
        "Then the usual correlation, of the ranks in place of the scores; their mean is (n + 1) / 2, ties or not.",
    ),
)
