"""What choosing does to a number: expected_best, score_of_chosen."""

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import torch

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import Notes
from fmlib.exercises.self_supervised.comparison.listing import counts
from fmlib.exercises.self_supervised.comparison.looking import watch_number, watch_numbers
from fmlib.self_supervised.comparison.judging import expected_best, score_of_chosen


def plain_expected_best(runs, count):
    ordered = sorted(runs)
    ways = [math.comb(i, count - 1) for i in range(len(ordered))]
    return sum(w * score for w, score in zip(ways, ordered, strict=True)) / sum(ways)


def drawn_one_by_one(runs, count):
    ordered, n = sorted(runs), len(runs)
    return sum(score * (((i + 1) / n) ** count - (i / n) ** count) for i, score in enumerate(ordered))


def drawn_with_replacement(runs, count):
    """All multisets count alike, as in `combinations_with_replacement`."""
    ways = [math.comb(i + count - 1, count - 1) for i in range(len(runs))]
    return sum(w * score for w, score in zip(ways, sorted(runs), strict=True)) / sum(ways)


def of_neighbors(runs, count):
    groups = [runs[i : i + count] for i in range(len(runs) - count + 1)]
    return sum(max(group) for group in groups) / len(groups)


def by_listing(runs, count):
    bests = [max(group) for group in combinations(runs, count)]
    return sum(bests) / len(bests)


def as_listed(*quick: Callable) -> tuple[Callable, ...]:
    """These functions, and each of them once more, as slow as if it went through all ways to pick."""

    def slow(function):
        def after_listing(runs, count):
            by_listing(runs, count)
            return function(runs, count)

        return after_listing

    return *quick, *map(slow, quick)


LISTED = 1_000_000  # ways to pick; where there are more, nobody should have to wait for them


def watch_best(function: Callable, inputs: dict[str, Any]) -> Notes:
    """The number. Where there are too many ways to pick to list them, a function that lists is not called at all.

    A list of so many fills the memory, and no time limit ends `list(...)`. So the function is tried on fewer ways first.
    """
    ways = math.comb(len(inputs["runs"]), inputs["count"])
    if ways <= LISTED:
        return watch_number(function, inputs)
    lists = not counts(function)
    fact = Fact(
        lists,
        f"your function was not tried here, with {ways:,} ways to pick; with far fewer it takes as long already as if it "
        "went through all of them",
        "the ways to pick are counted, not listed",
    )
    return {"whether all ways to pick are listed": fact} | ({} if lists else watch_number(function, inputs))


def at_random(generator, runs, count):
    return {
        "runs": (75 + torch.randn(runs, generator=generator, dtype=torch.float64)).tolist(),
        "count": count,
    }


BEST = "sum(w * score for w, score in zip(ways, ordered, strict=True)) / sum(ways)"

EXPECTED_BEST = Exercise(
    name="expected_best",
    chapter="self_supervised",
    title="The best of several",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
Somebody trains `count` times and reports the best run. How good does that look? `runs` is a list of 1 to 40 floats, scores
of runs with different seeds; a high score is good. `count` is from 1 to their number. Pick `count` of the runs, none
twice, and take their best score: return the mean of that over *all* ways to pick so many, a `float`. Runs with equal
scores are different runs. `runs` is left as it is.

There are 137,846,528,820 ways to pick 20 of 40 runs, too many to go through: find a way to count them.
""",
    starter='''
import math


def expected_best(runs, count):
    """The best of so many runs, on average: a float."""
    raise NotImplementedError("write expected_best")
''',
    reference=expected_best,
    observe=watch_best,
    cases=(
        Case("the best of 2 of 3", lambda g: {"runs": [70.0, 71.0, 75.0], "count": 2}),
        Case("1 of 4", lambda g: {"runs": [72.0, 70.0, 77.0, 71.0], "count": 1}),
        Case("all 4, not in order", lambda g: {"runs": [72.0, 77.0, 70.0, 71.0], "count": 4}),
        Case("2 of 5, two of them equal", lambda g: {"runs": [3.0, 9.0, 9.0, 1.0, 2.0], "count": 2}),
        Case("5 of 10", lambda g: at_random(g, 10, 5)),
        Case("3 of 12", lambda g: at_random(g, 12, 3)),
        Case("a single run", lambda g: {"runs": [68.5], "count": 1}),
        Case("negative scores", lambda g: {"runs": [-4.0, -1.0, -2.0], "count": 2}),
        Case("20 of 40", lambda g: at_random(g, 40, 20)),
    ),
    misconceptions=(
        Misconception(
            "One run may be picked several times with you. Each is picked at most once, as in `itertools.combinations`.",
            as_listed(drawn_one_by_one, drawn_with_replacement),
        ),
        Misconception(
            "That is the best of *all* runs, whatever `count` is.",
            as_listed(*slips(plain_expected_best, {BEST: "max(runs)"})),
        ),
        Misconception(
            "That is the mean of the runs: what a run is worth, not what the best of several looks like.",
            as_listed(*slips(plain_expected_best, {BEST: "sum(runs) / len(runs)"})),
        ),
        Misconception(
            "You take the worst of each pick; a high score is good.",
            as_listed(*slips(plain_expected_best, {"sorted(runs)": "sorted(runs, reverse=True)"})),
        ),
        Misconception(
            "You count the ways as if the runs came in order of their scores. Sort them first.",
            slips(plain_expected_best, {"sorted(runs)": "runs"}),
        ),
        Misconception(
            "A run is the best of a pick where the *other* `count - 1` come from those below it.",
            slips(
                plain_expected_best,
                {
                    "math.comb(i, count - 1)": "math.comb(i, count)",
                    "sum(ways)": "math.comb(len(runs), count)",
                },
                {
                    "math.comb(i, count - 1)": "math.comb(i + 1, count)",
                    "sum(ways)": "math.comb(len(runs), count)",
                },
            ),
        ),
        Misconception(
            "You take the first `count` runs only. Every way to pick so many counts.",
            as_listed(*slips(plain_expected_best, {BEST: "max(runs[:count])"})),
        ),
        Misconception(
            "Every way to pick so many counts, not only runs that are next to each other.",
            as_listed(of_neighbors),
        ),
        Misconception(
            "Runs with equal scores are taken for one: they are different runs, and each can be picked.",
            as_listed(
                *slips(
                    plain_expected_best,
                    {
                        "sorted(runs)": "sorted(set(runs))",
                        "    ways": "    count = min(count, len(ordered))\n    ways",
                    },
                )
            ),
        ),
        Misconception(
            "You go through all ways to pick, one by one. That is right, but for 20 of 40 runs nobody can wait for it: ask "
            "of each run in how many of the picks it is the best.",
            (by_listing,),
        ),
    ),
    hints=(
        "Sort the runs. In how many of the picks is the lowest run the best one, and in how many the highest?",
        "A run that i others lie below is the best in as many picks as there are ways to take the other count - 1 from "
        "those i.",
        "That is `math.comb(i, count - 1)`; all ways together are `math.comb(len(runs), count)`.",
    ),
)


def plain_score_of_chosen(validation, test):
    means = [sum(runs) / len(runs) for runs in validation]
    chosen = means.index(max(means))
    return chosen, sum(test[chosen]) / len(test[chosen])


def tried(generator, settings, runs, noise=1.0):
    """Settings of one worth, measured twice with noise."""
    drawn = 75 + noise * torch.randn(2, settings, runs, generator=generator, dtype=torch.float64)
    return {"validation": drawn[0].tolist(), "test": drawn[1].tolist()}


PEEKING = '''
def score_of_chosen(validation, test):
    """Which setting is chosen, and what is reported of it: an int and a float."""
    means = [sum(runs) / len(runs) for runs in test]
    chosen = means.index(max(means))
    return chosen, means[chosen]
'''

SCORE_OF_CHOSEN = Exercise(
    name="score_of_chosen",
    chapter="self_supervised",
    title="Whoever tries more is ahead",
    kind="fix",
    difficulty=1,
    minutes=5,
    goal="""
Two teams compare methods with this function. One tries a single setting of its method, the other one tries fifty of its
own. The second team is ahead every time, even when both work on the same method without knowing it; on pictures that come
in a month later, the lead is gone. Find out why, and mend the function.

`validation` and `test` are lists with a list of scores for each setting, one score for each run; there is at least one
setting, and each has at least one run. Settings may differ in the number of their runs, but for each setting both lists
have the same number. A high score is good, and a setting is as good as the mean of its runs. Return the number of the
chosen setting, an `int` counted from 0, and the score that is reported of it, a `float`: a mean over its runs, too. Where
settings are equally good, the first is chosen.
""",
    starter=PEEKING,
    reference=score_of_chosen,
    observe=watch_numbers("the chosen setting", "its score", rounded=("its score",)),
    cases=(
        Case(
            "two settings that change places",
            lambda g: {"validation": [[70.0, 72.0], [74.0, 75.0]], "test": [[76.0, 77.0], [73.0, 74.0]]},
        ),
        Case("10 settings of one worth", lambda g: tried(g, 10, 3)),
        Case("50 settings, one run", lambda g: tried(g, 50, 1)),
        Case(
            "one good run among bad ones",
            lambda g: {
                "validation": [[90.0, 60.0, 60.0], [75.0, 74.0, 76.0]],
                "test": [[80.0, 70.0, 61.0], [72.0, 73.0, 75.0]],
            },
        ),
        Case(
            "two equally good on validation",
            lambda g: {"validation": [[70.0], [75.0], [75.0]], "test": [[71.0], [70.0], [74.0]]},
        ),
        Case("one setting", lambda g: {"validation": [[70.0, 71.0]], "test": [[60.0, 64.0]]}),
        Case(
            "settings with different numbers of runs",
            lambda g: {"validation": [[70.0, 70.0, 70.0], [72.0]], "test": [[75.0, 75.0, 72.0], [71.0]]},
        ),
        Case("negative scores", lambda g: {"validation": [[-3.0], [-1.0]], "test": [[-1.0], [-2.0]]}),
        Case(
            "one very good run",
            lambda g: {
                "validation": [[74.0, 75.0, 90.0], [76.0, 77.0, 77.0]],
                "test": [[75.0, 76.0, 77.0], [74.0, 75.0, 73.0]],
            },
        ),
        Case(
            "two equally good, the first better on test",
            lambda g: {"validation": [[75.0], [75.0], [70.0]], "test": [[74.0], [70.0], [71.0]]},
        ),
        Case(
            "scores between 0 and 1",
            lambda g: {"validation": [[0.911], [0.912], [0.914]], "test": [[0.9123], [0.9177], [0.9166]]},
        ),
    ),
    misconceptions=(
        Misconception(
            "The setting is chosen by its *test* score. Of many settings one is lucky on those very pictures, and the luck "
            "is reported with it. Choose by `validation`.",
            (
                written(PEEKING, score_of_chosen),
                *slips(plain_score_of_chosen, {"for runs in validation]": "for runs in test]"}),
            ),
        ),
        Misconception(
            "You report the *validation* score of the chosen setting, which its luck has chosen. Report its test score.",
            slips(
                plain_score_of_chosen,
                {"sum(test[chosen]) / len(test[chosen])": "means[chosen]"},
            ),
        ),
        Misconception(
            "The two lists have changed roles: you choose by `test` and report `validation`.",
            slips(
                plain_score_of_chosen,
                {
                    "for runs in validation]": "for runs in test]",
                    "sum(test[chosen]) / len(test[chosen])": "sum(validation[chosen]) / len(validation[chosen])",
                },
            ),
        ),
        Misconception(
            "You choose by each setting's best run. One lucky run says little: choose by the mean.",
            slips(
                plain_score_of_chosen,
                {"[sum(runs) / len(runs) for runs in validation]": "[max(runs) for runs in validation]"},
            ),
        ),
        Misconception(
            "You choose by the sum of the runs: who has more runs has more.",
            slips(
                plain_score_of_chosen,
                {"[sum(runs) / len(runs) for runs in validation]": "[sum(runs) for runs in validation]"},
            ),
        ),
        Misconception(
            "You report the best run of the chosen setting. Report the mean of its runs.",
            slips(plain_score_of_chosen, {"sum(test[chosen]) / len(test[chosen])": "max(test[chosen])"}),
        ),
        Misconception(
            "Of settings that are equally good you take the last; take the first.",
            slips(
                plain_score_of_chosen,
                {"means.index(max(means))": "len(means) - 1 - means[::-1].index(max(means))"},
            ),
        ),
    ),
    hints=(
        "Which numbers choose, and which are reported? What do they share?",
        "Fifty settings of one worth: the highest test score is high by luck.",
        "Choose by the mean on `validation`; report the mean on `test` of that setting.",
    ),
)
