"""Few-shot tasks and how sure their average is: split_episode and mean_interval."""

from numbers import Real

import torch
from scipy.stats import t

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import Notes, watch
from fmlib.self_supervised.adaptation.episodes import mean_interval, split_episode


def plain_split_episode(order, labels, classes, shots, queries):
    support, query = [], []
    for label in classes:
        own = order[labels[order] == label]
        support.append(own[:shots])
        query.append(own[shots : shots + queries])
    return torch.stack(support), torch.stack(query)


def places_in_order(order, labels, classes, shots, queries):
    support, query = [], []
    for label in classes:
        own = (labels[order] == label).nonzero()[:, 0]
        support.append(own[:shots])
        query.append(own[shots : shots + queries])
    return torch.stack(support), torch.stack(query)


def with_pictures_that_are_left_out(order, labels, classes, shots, queries):
    others = [i for i in range(len(labels)) if i not in order]
    every = torch.cat([torch.tensor(others, dtype=torch.long), order])
    return plain_split_episode(every, labels, classes, shots, queries)


def task(generator, each, classes, chosen, shots, queries, left_out=0):
    """Shuffled pictures, of which the last `left_out` in the order are not to be taken."""
    labels = torch.arange(classes).repeat(each)[torch.randperm(each * classes, generator=generator)]
    order = torch.randperm(len(labels), generator=generator)
    return {
        "order": order[: len(order) - left_out],
        "labels": labels,
        "classes": torch.tensor(chosen),
        "shots": shots,
        "queries": queries,
    }


SPLIT_EPISODE = Exercise(
    name="split_episode",
    chapter="self_supervised",
    title="Shown or asked, never both",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
An episode shows some pictures with their labels, the *support*, and asks for the classes of others, the *queries*.
`labels`
is int64 `[pictures]`. `order` is int64, at most as long: numbers of pictures, shuffled, each at most once; only these
may be
taken. `classes` is int64 `[ways]`, each at most once, in any order.

Of each class take, in the order of `order`, the first `shots` pictures as support and the next `queries` ones as queries.
Return both as int64 numbers of pictures, `[ways, shots]` and `[ways, queries]`, with a row for each class in the order of
`classes`. `shots` and `queries` are at least 1, and each class has enough pictures in `order`.
""",
    starter='''
import torch


def split_episode(order, labels, classes, shots, queries):
    """Numbers of the pictures that are shown, [ways, shots], and that are asked for, [ways, queries]."""
    raise NotImplementedError("write split_episode")
''',
    reference=split_episode,
    observe=watch(result=("the support", "the queries")),
    cases=(
        Case("3 classes, 1 shot, 2 queries", lambda g: task(g, 5, 4, [2, 0, 3], 1, 2)),
        Case("2 classes, 3 shots, 1 query", lambda g: task(g, 6, 3, [1, 0], 3, 1)),
        Case("5 classes, 2 shots, 4 queries", lambda g: task(g, 9, 6, [4, 1, 5, 0, 2], 2, 4)),
        Case("every picture of the class is used", lambda g: task(g, 4, 2, [1, 0], 2, 2)),
        Case("some pictures may not be taken", lambda g: task(g, 12, 3, [2, 1], 1, 1, left_out=10)),
        Case("a single class", lambda g: task(g, 4, 2, [1], 1, 1)),
    ),
    misconceptions=(
        Misconception(
            "The queries begin with the pictures of the support: what is asked was shown with its answer. They must "
            "begin "
            "behind it.",
            slips(
                plain_split_episode,
                {"own[shots : shots + queries]": "own[:queries]"},
                {"own[shots : shots + queries]": "own[shots - 1 : shots - 1 + queries]"},
            ),
        ),
        Misconception(
            "The queries are the *last* pictures of the class in `order`. The next ones after the support are asked for.",
            slips(plain_split_episode, {"own[shots : shots + queries]": "own[-queries:]"}),
        ),
        Misconception(
            "Those are places in `order`, not numbers of pictures: look up what stands there.",
            (places_in_order,),
        ),
        Misconception(
            "`labels` is in the order of the pictures, and `order` is shuffled: the class of the picture at place i is "
            "`labels[order[i]]`.",
            slips(
                plain_split_episode,
                {"own = order[labels[order] == label]": "own = order[labels[: len(order)] == label]"},
            ),
        ),
        Misconception(
            "The pictures are taken in ascending order of their numbers, not in that of `order`: every episode with "
            "these "
            "classes would show the same ones.",
            slips(
                plain_split_episode,
                {"order[labels[order] == label]": "order[labels[order] == label].sort().values"},
            ),
        ),
        Misconception(
            "The rows are in ascending order of the classes. They must be in the order of `classes`.",
            slips(plain_split_episode, {"in classes:": "in classes.sort().values:"}),
        ),
        Misconception(
            "Pictures that are not in `order` are taken, too.",
            (with_pictures_that_are_left_out,),
        ),
        Misconception(
            "Support and queries are exchanged.",
            slips(
                plain_split_episode,
                {"torch.stack(support), torch.stack(query)": "torch.stack(query), torch.stack(support)"},
            ),
        ),
    ),
    hints=(
        "`labels[order]` are the classes of the pictures in their shuffled order.",
        "`own = order[labels[order] == label]` are the numbers of one class's pictures, shuffled.",
        "`own[:shots]` is shown and `own[shots : shots + queries]` asked for; `torch.stack` the rows of all classes.",
    ),
)


def plain_mean_interval(values, confidence=0.95):
    n = len(values)
    mean = sum(values) / n
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    quantile = t.ppf((1 + confidence) / 2, n - 1)
    return float(mean), float(quantile * (variance / n) ** 0.5)


def ends_of_the_interval(values, confidence=0.95):
    mean, half = plain_mean_interval(values, confidence)
    return mean - half, mean + half


def watch_two_numbers(function, inputs) -> Notes:
    """Two floats are noted as scalar tensors, so that rounding does not count."""
    notes = watch(result=("the mean", "the half-width"))(function, inputs)
    return {
        name: torch.tensor(float(value), dtype=torch.float64)
        if isinstance(value, Real) and not isinstance(value, bool)
        else value
        for name, value in notes.items()
    }


def results(generator, count, *confidence, spread=10.0):
    values = (60 + spread * torch.randn(count, generator=generator, dtype=torch.float64)).tolist()
    return {"values": values, **({"confidence": confidence[0]} if confidence else {})}


MEAN_INTERVAL = Exercise(
    name="mean_interval",
    chapter="self_supervised",
    title="How sure is a mean",
    kind="write",
    difficulty=2,
    minutes=10,
    goal=r"""
`values` is a list of n floats, at least two, such as the accuracies of episodes. Return two floats: their mean, and the
half-width of Student's confidence interval around it,

$$t_{n-1} \cdot \frac{s}{\sqrt{n}}, \qquad s^2 = \frac{1}{n - 1} \sum_i (v_i - \bar v)^2 .$$

Here $t_{n-1}$ is the number between whose negative and itself a Student variable with $n - 1$ degrees of freedom lies
with
probability `confidence`, a float in (0, 1). `t.ppf(p, df)` of `scipy.stats` is the number below which it lies with
probability `p`. Leave `values` as it is. If all are equal, the half-width is 0.
""",
    starter='''
from scipy.stats import t


def mean_interval(values, confidence=0.95):
    """The mean, and the half-width of its confidence interval: two floats."""
    raise NotImplementedError("write mean_interval")
''',
    reference=mean_interval,
    observe=watch_two_numbers,
    tolerance=1e-6,
    cases=(
        Case("5 values, 95 %", lambda g: results(g, 5)),
        Case("12 values, 80 %", lambda g: results(g, 12, 0.8)),
        Case("2 values, 50 %", lambda g: results(g, 2, 0.5)),
        Case("200 values, 99 %", lambda g: results(g, 200, 0.99)),
        Case("3 equal values", lambda g: {"values": [40.0, 40.0, 40.0]}),
        Case("values below 0", lambda g: {"values": [-3.0, -5.5, -1.0, -2.0]}),
    ),
    misconceptions=(
        Misconception(
            "That is the interval of the normal distribution, about 1.96 at 95 %, which is right for many values "
            "only. With few, "
            "the standard deviation is itself a guess, and Student's quantile is larger.",
            slips(
                plain_mean_interval,
                {"t.ppf((1 + confidence) / 2, n - 1)": "t.ppf((1 + confidence) / 2, 1e9)"},
            ),
        ),
        Misconception(
            "That is how far the *values* scatter. The mean of n of them scatters less, by a factor of sqrt(n).",
            slips(plain_mean_interval, {"(variance / n) ** 0.5": "variance ** 0.5"}),
        ),
        Misconception(
            "The deviation is divided by n. The root of n divides it: a mean of four values is twice as sure as one "
            "value, not "
            "four times.",
            slips(plain_mean_interval, {"(variance / n) ** 0.5": "variance ** 0.5 / n"}),
        ),
        Misconception(
            "The squares are divided by n; here by n - 1, since the mean was fitted to the same values.",
            slips(plain_mean_interval, {"for value in values) / (n - 1)": "for value in values) / n"}),
        ),
        Misconception(
            "The quantile is that of one side: at 95 %, 5 % would lie above it and 5 % below its negative. Between "
            "the two must lie "
            "95 %, so 97.5 % lie below the quantile.",
            slips(plain_mean_interval, {"(1 + confidence) / 2": "confidence"}),
        ),
        Misconception(
            "Student's distribution has n - 1 degrees of freedom here, not n.",
            slips(plain_mean_interval, {"/ 2, n - 1)": "/ 2, n)"}),
        ),
        Misconception(
            "That is the whole width; half of it is wanted, the number behind ±.",
            slips(plain_mean_interval, {"quantile * (": "2 * quantile * ("}),
        ),
        Misconception(
            "Those are the two ends of the interval. Return the mean and the half-width.",
            (ends_of_the_interval,),
        ),
    ),
    hints=(
        "`statistics.fmean` and `statistics.stdev` are mean and s.",
        "At 95 %, 2.5 % must lie above the quantile, so p is 0.975: `(1 + confidence) / 2`.",
        "`t.ppf((1 + confidence) / 2, n - 1) * s / n**0.5`",
    ),
)
