"""How sure a difference is: paired_difference, sign_flip_p."""

import math
from itertools import product
from statistics import fmean, variance

import torch
from scipy.stats import t

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.self_supervised.comparison.looking import watch_number, watch_numbers
from fmlib.self_supervised.comparison.judging import paired_difference, sign_flip_p


def plain_paired_difference(one, other):
    differences = [a - b for a, b in zip(one, other, strict=True)]
    n = len(differences)
    mean = sum(differences) / n
    variance = sum((d - mean) ** 2 for d in differences) / (n - 1)
    half = t.ppf(0.975, n - 1) * math.sqrt(variance / n)
    return mean, half


def unpaired_difference(one, other):
    n = len(one)
    error = math.sqrt((variance(one) + variance(other)) / n)
    return fmean(one) - fmean(other), t.ppf(0.975, n - 1) * error


def welch_difference(one, other):
    n, parts = len(one), (variance(one), variance(other))
    freedom = (n - 1) * sum(parts) ** 2 / sum(part**2 for part in parts)
    return fmean(one) - fmean(other), t.ppf(0.975, freedom) * math.sqrt(sum(parts) / n)


def runs(generator, count, ahead, together, apart):
    """Two methods whose runs go up and down together, and a little apart."""
    common = 75 + together * torch.randn(count, generator=generator, dtype=torch.float64)
    noise = apart * torch.randn(2, count, generator=generator, dtype=torch.float64)
    return {"one": (common + ahead + noise[0]).tolist(), "other": (common + noise[1]).tolist()}


TWO_GROUPS = '''
import math
from statistics import fmean, stdev, variance

from scipy.stats import t


def paired_difference(one, other):
    """The mean of one - other and the half-width of its 95 % interval: two floats."""
    n = len(one)
    error = math.sqrt((variance(one) + variance(other)) / n)
    return fmean(one) - fmean(other), t.ppf(0.975, 2 * n - 2) * error
'''

QUANTILE = "t.ppf(0.975, n - 1)"

PAIRED_DIFFERENCE = Exercise(
    name="paired_difference",
    chapter="self_supervised",
    title="Run by run",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal=r"""
This function is to say how far one method is ahead of another, and how sure that is. Three seeds were run with both
methods. The method is ahead with every seed, by 2 to 3 points, and yet the interval holds 0. Find out why, and mend the
function.

`one` and `other` are lists of $n \ge 2$ floats: the scores of two methods, where run $i$ of both has the same seed. With
$d_i$ the difference `one[i] - other[i]`, $\bar d$ the mean of these, and $s$ their sample standard deviation, whose sum of
squares is divided by $n - 1$, the 95 % confidence interval of the mean is to reach from $\bar d - h$ to $\bar d + h$, where

$$h = t_{n-1} \, \frac{s}{\sqrt{n}}$$

and $t_{n-1}$ is the 97.5 % quantile of Student's t distribution (`scipy.stats.t`) with as many degrees of freedom as there
are differences, less one. Return the two `float`s $\bar d$ and $h$. If all differences are equal, $h$ is 0.
""",
    starter=TWO_GROUPS,
    reference=paired_difference,
    observe=watch_numbers("the mean", "the half-width", rounded=("the mean", "the half-width")),
    cases=(
        Case("3 runs, ahead in each", lambda g: {"one": [72.0, 78.0, 80.5], "other": [70.0, 75.0, 78.0]}),
        Case("5 runs that go up and down together", lambda g: runs(g, 5, 2.0, 3.0, 0.5)),
        Case("2 runs", lambda g: {"one": [70.0, 74.0], "other": [71.0, 73.0]}),
        Case("10 runs, the other one is ahead", lambda g: runs(g, 10, -1.5, 1.0, 1.0)),
        Case("every difference is 2", lambda g: {"one": [71.0, 75.0, 73.5], "other": [69.0, 73.0, 71.5]}),
        Case("twice the same", lambda g: {"one": [0.5, 0.25], "other": [0.5, 0.25]}),
    ),
    misconceptions=(
        Misconception(
            "The interval is that of two *unpaired* groups: what goes up and down in both methods at once counts as noise. "
            "Take the differences first, then their spread.",
            (
                written(TWO_GROUPS, paired_difference),
                unpaired_difference,
                welch_difference,
            ),
        ),
        Misconception(
            "The degrees of freedom are still those of two groups. From n differences, one is lost to their mean: n - 1.",
            slips(plain_paired_difference, {QUANTILE: "t.ppf(0.975, 2 * n - 2)"}),
        ),
        Misconception(
            "The sum of squares is divided by n. The mean was taken from the same numbers, which makes them look closer to "
            "it than they are; the sample standard deviation divides by n - 1.",
            slips(plain_paired_difference, {"for d in differences) / (n - 1)": "for d in differences) / n"}),
        ),
        Misconception(
            "1.96 is the quantile for a spread that is *known*. Here it is estimated from a few runs, and the interval "
            "must be wider: take the quantile of Student's t.",
            slips(
                plain_paired_difference,
                {QUANTILE: "1.96"},
                {QUANTILE: "1.959963984540054"},
                {QUANTILE: "2"},
            ),
        ),
        Misconception(
            "The 95 % quantile leaves 5 % out at *each* end: an interval of 90 %. For 95 % it is 2.5 % at each.",
            slips(plain_paired_difference, {"0.975": "0.95"}),
        ),
        Misconception(
            "With n differences there are n - 1 degrees of freedom, not n.",
            slips(plain_paired_difference, {QUANTILE: "t.ppf(0.975, n)"}),
        ),
        Misconception(
            "You return the spread of single differences. The mean of n of them is more certain by the square root of n.",
            slips(plain_paired_difference, {"math.sqrt(variance / n)": "math.sqrt(variance)"}),
        ),
        Misconception(
            "The second number is the standard error of the mean. The interval is wider: the error times the quantile of "
            "Student's t.",
            slips(plain_paired_difference, {QUANTILE: "1"}),
        ),
        Misconception(
            "The second number is the whole width of the interval; half of it is asked for.",
            slips(plain_paired_difference, {"return mean, half": "return mean, 2 * half"}),
        ),
        Misconception(
            "You return the two ends of the interval. Its middle is asked for, and half of its width.",
            slips(plain_paired_difference, {"return mean, half": "return mean - half, mean + half"}),
        ),
        Misconception(
            "The difference is the wrong way round: `one - other`.",
            slips(plain_paired_difference, {"a - b for": "b - a for"}),
        ),
    ),
    hints=(
        "Both scores of a seed go up and down together. What becomes of that in `variance(one) + variance(other)`?",
        "Make a list of the differences, and forget the two lists that it came from: `stdev(differences)` divided by the "
        "square root of n is the standard error of their mean.",
        "Times the quantile with n - 1 degrees of freedom: 4.3 for three runs, not the 2.8 of two groups.",
    ),
)


def plain_sign_flip_p(differences):
    slack = 1e-9 * sum(abs(d) for d in differences)
    seen = abs(sum(differences))
    count = 0
    for signs in product((1, -1), repeat=len(differences)):
        total = sum(sign * d for sign, d in zip(signs, differences, strict=True))
        if abs(total) >= seen - slack:
            count += 1
    return count / 2 ** len(differences)


def by_signs_alone(differences):
    return plain_sign_flip_p([(d > 0) - (d < 0) for d in differences])


SLACK = "slack = 1e-9 * sum(abs(d) for d in differences)"

SIGN_FLIP_P = Exercise(
    name="sign_flip_p",
    chapter="self_supervised",
    title="Heads or tails",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
`differences` is a list of $n$ floats, from 1 to 10 of them: method A minus method B, for each seed. If neither is better,
each difference could as well have had the other sign. Try all $2^n$ choices of signs $s_i = \pm 1$, in double precision,
and return the share of them, a `float`, for which

$$\Big| \sum_i s_i d_i \Big| \;\ge\; \Big| \sum_i d_i \Big| .$$

The choice that happened is one of them. Sums that agree up to rounding count as equal: the left side may fall short of the
right one by up to a billionth (`1e-9`) of $\sum_i |d_i|$. A difference of 0 has two signs like all others; if all are 0,
the share is 1.
""",
    starter='''
import math
from itertools import product


def sign_flip_p(differences):
    """How often random signs give a sum as far from 0 as the one that was seen: a float."""
    raise NotImplementedError("write sign_flip_p")
''',
    reference=sign_flip_p,
    observe=watch_number,
    cases=(
        Case("3 differences, all above 0", lambda g: {"differences": [2.0, 1.0, 3.0]}),
        Case("one goes the other way", lambda g: {"differences": [2.0, -1.0, 3.0]}),
        Case("5, all below 0", lambda g: {"differences": [-1.5, -0.5, -2.0, -0.25, -1.0]}),
        Case("a small one goes the other way", lambda g: {"differences": [3.0, 2.0, 2.5, -0.5]}),
        Case("sums that agree but for rounding", lambda g: {"differences": [0.1, 0.2, 0.3, -0.4]}),
        Case("a difference of 0", lambda g: {"differences": [1.0, 0.0, 2.0]}),
        Case("all are 0", lambda g: {"differences": [0.0, 0.0]}),
        Case("a single one", lambda g: {"differences": [-0.7]}),
        Case(
            "8 draws",
            lambda g: {"differences": (torch.randn(8, generator=g, dtype=torch.float64) + 0.5).tolist()},
        ),
        Case("sums of 0", lambda g: {"differences": [1.0, -1.0, 2.0, -2.0]}),
        Case("tiny ones", lambda g: {"differences": [1e-15, 2e-15, -1e-15]}),
        Case("two equal ones", lambda g: {"differences": [1.0, 1.0, -1.5, 3.0]}),
        Case("a sum that is 0 but for rounding", lambda g: {"differences": [0.1, 0.1, 0.1, -0.1, -0.2]}),
        Case("a large one and a small one", lambda g: {"differences": [1.0, 1e-7]}),
        Case("a large one and one below a billionth of it", lambda g: {"differences": [1.0, 1e-10]}),
    ),
    misconceptions=(
        Misconception(
            "Only sums on one side are counted. Had the other method been ahead by as much, you would have been as "
            "surprised: compare the sizes.",
            slips(
                plain_sign_flip_p,
                {"if abs(total) >=": "if total >="},
                {"abs(total) >= seen": "total >= sum(differences)"},
            ),
        ),
        Misconception(
            "Sums that are *equal* to the one that was seen are not counted: the choice of signs that happened is left "
            "out. With it, the share is never 0.",
            slips(
                plain_sign_flip_p,
                {"abs(total) >= seen - slack": "abs(total) > seen + slack"},
                {"abs(total) >= seen - slack": "abs(total) > seen"},
            ),
        ),
        Misconception(
            "Sums that agree up to rounding count as different with you: 0.1 + 0.2 + 0.3 - 0.4 is not quite 0.2. Allow a "
            "billionth of the sum of the sizes.",
            slips(plain_sign_flip_p, {"seen - slack": "seen"}),
        ),
        Misconception(
            "You allow a fixed slack, whatever the size of the differences. Tiny ones then all count as equal: take a "
            "billionth of the sum of the sizes.",
            slips(
                plain_sign_flip_p,
                {SLACK: "slack = 1e-9"},
                {SLACK: "slack = 1e-12"},
            ),
        ),
        Misconception(
            "Your slack is a share of the sum that was seen. Where that is 0 but for rounding, there is no slack left: take "
            "a billionth of the sum of the *sizes*.",
            slips(
                plain_sign_flip_p,
                {SLACK: "slack = 1e-9 * abs(sum(differences))"},
                {"abs(total) >= seen - slack": "abs(total) >= seen or math.isclose(abs(total), seen)"},
            ),
        ),
        Misconception(
            "You look at the signs alone, as if all differences were of one size.",
            (by_signs_alone,),
        ),
        Misconception(
            "What was seen is the sum with its own signs, not the sum of the sizes.",
            slips(
                plain_sign_flip_p, {"seen = abs(sum(differences))": "seen = sum(abs(d) for d in differences)"}
            ),
        ),
        Misconception(
            "You count the choices; their share is asked for.",
            slips(plain_sign_flip_p, {"return count / 2 ** len(differences)": "return float(count)"}),
        ),
        Misconception(
            "One is added to both counts. That is for signs that are drawn at random; here all are tried, and the one that "
            "happened is among them.",
            slips(
                plain_sign_flip_p,
                {"return count / 2 ** len(differences)": "return (count + 1) / (2 ** len(differences) + 1)"},
            ),
        ),
    ),
    hints=(
        "`product((1, -1), repeat=n)` gives all choices of signs.",
        "For each, take the size of the sum of sign times difference; count those that are at least as large as what was "
        "seen.",
        "Compare with `abs(sum(differences)) - 1e-9 * sum(abs(d) for d in differences)`.",
    ),
)
