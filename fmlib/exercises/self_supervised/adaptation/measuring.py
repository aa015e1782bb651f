"""What a measurement is worth: draws_needed and rank_correlation."""

import statistics

import torch
from scipy.stats import t

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.numbers import one_number
from fmlib.self_supervised.adaptation.experiments import draws_needed
from fmlib.self_supervised.adaptation.watching import rank_correlation


def plain_draws_needed(deviation, difference, confidence=0.95):
    n = 2
    while t.ppf((1 + confidence) / 2, n - 1) * deviation / n**0.5 > difference:
        n += 1
    return n


DRAWS_NEEDED = Exercise(
    name="draws_needed",
    chapter="self_supervised",
    title="How many draws until you see it",
    kind="write",
    difficulty=2,
    minutes=10,
    goal=r"""
Something is measured again and again, with a standard deviation `deviation` from draw to draw (a float, 0 or more).
How many draws n does
it take until the half-width of Student's confidence interval of their mean,

$$t_{n-1} \cdot \frac{\text{deviation}}{\sqrt{n}} ,$$

is at most `difference` (a float above 0)? Here $t_{n-1}$ is, as in `mean_interval`, `t.ppf((1 + confidence) / 2, n -
1)` of `scipy.stats`, with
`confidence` a float in (0, 1). Return the smallest such n of at least 2, an `int`. It is below 2,000 here.
""",
    starter='''
from scipy.stats import t


def draws_needed(deviation, difference, confidence=0.95):
    """The smallest number of draws, 2 or more, whose interval is as narrow as that: an int."""
    raise NotImplementedError("write draws_needed")
''',
    reference=draws_needed,
    cases=(
        Case("deviation 2, difference 1", lambda g: {"deviation": 2.0, "difference": 1.0}),
        Case(
            "deviation 3, difference 2, 80 %",
            lambda g: {"deviation": 3.0, "difference": 2.0, "confidence": 0.8},
        ),
        Case("deviation 0", lambda g: {"deviation": 0.0, "difference": 0.5}),
        Case(
            "deviation 0.5, difference 1, 90 %",
            lambda g: {"deviation": 0.5, "difference": 1.0, "confidence": 0.9},
        ),
        Case("deviation 4, difference 0.5", lambda g: {"deviation": 4.0, "difference": 0.5}),
        Case(
            "deviation 1, difference 1.5, 99 %",
            lambda g: {"deviation": 1.0, "difference": 1.5, "confidence": 0.99},
        ),
        Case("deviation 1, difference 2", lambda g: {"deviation": 1.0, "difference": 2.0}),
        Case("deviation 0.1, difference 1", lambda g: {"deviation": 0.1, "difference": 1.0}),
    ),
    misconceptions=(
        Misconception(
            "That is the normal distribution's quantile, about 1.96 at 95 %. With few draws the deviation is itself "
            "a guess, and "
            "Student's quantile, which depends on n, is larger.",
            slips(
                plain_draws_needed,
                {"t.ppf((1 + confidence) / 2, n - 1)": "t.ppf((1 + confidence) / 2, 1e9)"},
                {"t.ppf((1 + confidence) / 2, n - 1)": "1.96"},
            ),
        ),
        Misconception(
            "A mean of n draws is surer by sqrt(n), not by n.",
            slips(plain_draws_needed, {"deviation / n**0.5": "deviation / n"}),
        ),
        Misconception(
            "`confidence` is not used: the quantile is that of 95 %.",
            slips(plain_draws_needed, {"(1 + confidence) / 2": "0.975"}),
        ),
        Misconception(
            "The quantile is that of one side: `(1 + confidence) / 2` lies below it, so that `confidence` lies "
            "between the two.",
            slips(plain_draws_needed, {"(1 + confidence) / 2": "confidence"}),
        ),
        Misconception(
            "Student's distribution has n - 1 degrees of freedom here, not n.",
            slips(plain_draws_needed, {"/ 2, n - 1)": "/ 2, n)"}),
        ),
        Misconception(
            "One draw has no spread: the smallest answer is 2.",
            slips(
                plain_draws_needed,
                {"n = 2": "n = 1"},
                {"n = 2": "n = 1 if deviation < 0.2 else 2"},
            ),
        ),
        Misconception(
            "The whole width is compared with the difference; half of it is what counts.",
            slips(plain_draws_needed, {"t.ppf(": "2 * t.ppf("}),
        ),
        Misconception(
            "That is one draw too few: the interval of the number that you return is still too wide.",
            slips(plain_draws_needed, {"return n": "return max(2, n - 1)"}),
        ),
    ),
    hints=(
        "There is no formula: t depends on n. Try n = 2, 3, 4, ...",
        "Go on while the half-width is above `difference`.",
        "`while t.ppf((1 + confidence) / 2, n - 1) * deviation / n**0.5 > difference: n += 1`, beginning with n = 2.",
    ),
)


def plain_rank_correlation(first, second):
    def places(values):
        return [sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 for w in values]

    one, other = places(first), places(second)
    mean = (len(first) + 1) / 2
    product = sum((a - mean) * (b - mean) for a, b in zip(one, other, strict=True))
    lengths = sum((a - mean) ** 2 for a in one) * sum((b - mean) ** 2 for b in other)
    return float(product / lengths**0.5)


def textbook_formula(first, second):
    def places(values):
        return [sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 for w in values]

    n = len(first)
    squares = sum((a - b) ** 2 for a, b in zip(places(first), places(second), strict=True))
    return float(1 - 6 * squares / (n * (n**2 - 1)))


def correlation_of_numbers(first, second):
    return statistics.correlation(first, second)


def places_in_the_sorted_list(first, second):
    def places(values):
        order = sorted(range(len(values)), key=lambda i: values[i])
        return [order.index(k) for k in range(len(values))]

    return correlation_of_numbers(places(first), places(second))


def lowest_places(first, second):
    def places(values):
        return [sum(v < w for v in values) for w in values]

    return correlation_of_numbers(places(first), places(second))


def order_for_place(first, second):
    def places(values):
        return sorted(range(len(values)), key=lambda i: values[i])

    one, other = places(first), places(second)
    return statistics.correlation(one, other)


def agreeing_pairs(first, second):
    n = len(first)
    total = 0
    for i in range(n):
        for j in range(i):
            a, b = first[i] - first[j], second[i] - second[j]
            total += (a * b > 0) - (a * b < 0)
    return float(2 * total / (n * (n - 1)))


def pair(generator, count, share):
    """Two lists that go together in part; one of them runs over several powers of ten."""
    first = torch.randn(count, generator=generator, dtype=torch.float64)
    second = share * first + (1 - share) * torch.randn(count, generator=generator, dtype=torch.float64)
    return {"first": (3 * first).exp().tolist(), "second": second.tolist()}


RANK_CORRELATION = Exercise(
    name="rank_correlation",
    chapter="self_supervised",
    title="Does the one go with the other",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
`first` and `second` are lists of equal length n, at least 2, of floats; number i of both belongs to the same encoder,
and neither
list has all its numbers equal. Does the order of the one agree with the order of the other? Replace each number by
its place
in ascending order, from 1; equal numbers all get the mean of the places that they take together (two in places 2 and
3 get 2.5
each). With $a_i$ and $b_i$ these places and $\bar a$, $\bar b$ their means, return the float

$$\frac{\sum_i (a_i - \bar a)(b_i - \bar b)}{\sqrt{\sum_i (a_i - \bar a)^2 \sum_i (b_i - \bar b)^2}} ,$$

from -1 to 1. Leave the lists as they are.
""",
    starter='''
def rank_correlation(first, second):
    """How far the orders of two lists agree: a float from -1 to 1."""
    raise NotImplementedError("write rank_correlation")
''',
    reference=rank_correlation,
    observe=one_number,
    tolerance=1e-6,
    cases=(
        Case("6 numbers", lambda g: pair(g, 6, 0.6)),
        Case("9 numbers that hardly go together", lambda g: pair(g, 9, 0.2)),
        Case("the same order", lambda g: {"first": [1.0, 2.0, 30.0], "second": [-5.0, 0.0, 0.1]}),
        Case(
            "the reverse order", lambda g: {"first": [1.0, 2.0, 30.0, 4.0], "second": [3.0, 2.0, -9.0, 1.0]}
        ),
        Case("2 numbers", lambda g: {"first": [2.0, 1.0], "second": [5.0, 4.0]}),
        Case(
            "equal numbers in one list",
            lambda g: {"first": [1.0, 1.0, 2.0, 0.5], "second": [4.0, 3.0, 2.0, 1.0]},
        ),
        Case(
            "numbers that hardly differ",
            lambda g: {"first": [0.5, 0.5001, 0.2, 0.9], "second": [1.0, 2.0, 3.0, 4.0]},
        ),
        Case(
            "equal numbers in both lists",
            lambda g: {"first": [3.0, 3.0, 3.0, 1.0, 5.0], "second": [2.0, 7.0, 2.0, 0.0, 7.0]},
        ),
    ),
    misconceptions=(
        Misconception(
            "The numbers themselves are correlated, not their places: a single huge number then decides.",
            (correlation_of_numbers,),
        ),
        Misconception(
            "Equal numbers get different places, by where they stand in the list. They must share the mean of their "
            "places.",
            (places_in_the_sorted_list,),
        ),
        Misconception(
            "Equal numbers all get the lowest of their places. They must share the mean of them.",
            (lowest_places,),
        ),
        Misconception(
            "That is the short formula with the squared differences of the places. It is right only where no two "
            "numbers are equal.",
            (textbook_formula,),
        ),
        Misconception(
            "Sorting gives the numbers of the rows in ascending order, not the place of each row: that is the "
            "inverse of it.",
            (order_for_place,),
        ),
        Misconception(
            "You count pairs that are in the same order, less those that are not. That is another measure, Kendall's.",
            (agreeing_pairs,),
        ),
        Misconception(
            "The sign is lost: the reverse order must give -1.",
            slips(
                plain_rank_correlation,
                {"float(product / lengths**0.5)": "abs(float(product / lengths**0.5))"},
            ),
        ),
        Misconception(
            "The square of the correlation is returned.",
            slips(plain_rank_correlation, {"product / lengths**0.5": "product**2 / lengths"}),
        ),
    ),
    hints=(
        "The place of a number: how many are smaller, and half of (how many are equal to it, itself included, plus 1).",
        "`sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2` for each `w`.",
        "The mean of the places is (n + 1) / 2 in both lists, whatever is equal. The rest is the formula.",
    ),
)
