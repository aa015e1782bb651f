"""What choosing does to a number: expected_best, score_of_chosen."""

from itertools import combinations

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.numbers import one_number
from fmlib.exercises.self_supervised.comparison.looking import watch_numbers
from fmlib.self_supervised.comparison.judging import expected_best, score_of_chosen


def plain_expected_best(runs, count):
    groups = list(combinations(runs, count))
    return sum(max(group) for group in groups) / len(groups)


def drawn_with_replacement(runs, count):
    ordered, n = sorted(runs), len(runs)
    return sum(score * (((i + 1) / n) ** count - (i / n) ** count) for i, score in enumerate(ordered))


def of_neighbors(runs, count):
    groups = [runs[i : i + count] for i in range(len(runs) - count + 1)]
    return sum(max(group) for group in groups) / len(groups)


def at_random(generator, runs, count):
    return {
        "runs": (75 + torch.randn(runs, generator=generator, dtype=torch.float64)).tolist(),
        "count": count,
    }


EXPECTED_BEST = Exercise(
    name="expected_best",
    chapter="self_supervised",
    title="The best of several",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
Somebody trains `count` times and reports the best run. How good does that look? `runs` is a list of 1 to 12 floats,
scores of
runs with different seeds; a high score is good. `count` is from 1 to their number. Pick `count` of the runs, none
twice, and
take their best score: return the mean of that over *all* ways to pick so many, a `float`. Runs with equal scores are
different runs. `runs` is left as it is.
""",
    starter='''
import math
from itertools import combinations


def expected_best(runs, count):
    """The best of so many runs, on average: a float."""
    raise NotImplementedError("write expected_best")
''',
    reference=expected_best,
    observe=one_number,
    cases=(
        Case("the best of 2 of 3", lambda g: {"runs": [70.0, 71.0, 75.0], "count": 2}),
        Case("1 of 4", lambda g: {"runs": [72.0, 70.0, 77.0, 71.0], "count": 1}),
        Case("all 4, not in order", lambda g: {"runs": [72.0, 77.0, 70.0, 71.0], "count": 4}),
        Case("2 of 5, two of them equal", lambda g: {"runs": [3.0, 9.0, 9.0, 1.0, 2.0], "count": 2}),
        Case("5 of 10", lambda g: at_random(g, 10, 5)),
        Case("3 of 12", lambda g: at_random(g, 12, 3)),
        Case("a single run", lambda g: {"runs": [68.5], "count": 1}),
        Case("negative scores", lambda g: {"runs": [-4.0, -1.0, -2.0], "count": 2}),
    ),
    misconceptions=(
        Misconception(
            "One run may be picked several times with you. Each is picked at most once: `itertools.combinations`.",
            (drawn_with_replacement,),
        ),
        Misconception(
            "That is the best of *all* runs, whatever `count` is.",
            slips(
                plain_expected_best,
                {"return sum(max(group) for group in groups) / len(groups)": "return max(runs)"},
            ),
        ),
        Misconception(
            "That is the mean of the runs: what a run is worth, not what the best of several looks like.",
            slips(
                plain_expected_best,
                {"return sum(max(group) for group in groups) / len(groups)": "return sum(runs) / len(runs)"},
            ),
        ),
        Misconception(
            "You take the worst of each pick; a high score is good.",
            slips(plain_expected_best, {"max(group)": "min(group)"}),
        ),
        Misconception(
            "Only runs that stand beside each other in the list are picked together. All ways to pick count.",
            (
                of_neighbors,
                *slips(plain_expected_best, {"list(combinations(runs, count))": "[runs[:count]]"}),
            ),
        ),
        Misconception(
            "Runs with equal scores are taken for one: they are different runs, and each can be picked.",
            slips(
                plain_expected_best,
                {
                    "list(combinations(runs, count))": "list(combinations(sorted(set(runs)), min(count, len(set(runs)))))"
                },
                {"list(combinations(runs, count))": "list(set(combinations(sorted(runs), count)))"},
            ),
        ),
    ),
    hints=(
        "`itertools.combinations(runs, count)` gives all ways to pick.",
        "Take the `max` of each, and the mean of these.",
        "Without listing them: a run that i others lie below is the best in as many picks as there are ways to take "
        "the other "
        "count - 1 from those i, `math.comb(i, count - 1)`.",
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
    minutes=10,
    goal="""
Two teams compare methods with this function. One tries a single setting of its method, the other one tries fifty of
its own.
The second team is ahead every time, even when both work on the same method without knowing it; on pictures that come in a
month later, the lead is gone. Find out why, and mend the function.

`validation` and `test` are lists with a list of scores for each setting, at least one; of each setting both have as
many runs,
at least one. A high score is good. Return the number of the chosen setting, an `int` counted from 0, and the score
that is
reported of it, a `float`: a mean over its runs. Where settings are equally good, the first is chosen.
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
            "other numbers of runs",
            lambda g: {"validation": [[70.0, 70.0, 70.0], [72.0]], "test": [[75.0, 75.0, 72.0], [71.0]]},
        ),
        Case("negative scores", lambda g: {"validation": [[-3.0], [-1.0]], "test": [[-1.0], [-2.0]]}),
    ),
    misconceptions=(
        Misconception(
            "The setting is chosen by its *test* score. Of many settings one is lucky on those very pictures, and "
            "the luck is "
            "reported with it. Choose by `validation`.",
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
