"""An experiment of one's own: cue_accuracy, a detector of shortcuts."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.numbers import one_number
from fmlib.self_supervised.pretext.shortcuts import cue_accuracy


def plain_cue_accuracy(cue, answers, test_cue, test_answers):
    seen = {}
    known = list(zip(cue.tolist(), answers.tolist(), strict=True))
    asked = list(zip(test_cue.tolist(), test_answers.tolist(), strict=True))
    for value, answer in known:
        counts = seen.setdefault(value, {})
        counts[answer] = counts.get(answer, 0) + 1
    overall = answers.bincount().argmax().item()
    right = 0
    for value, answer in asked:
        counts = seen.get(value, {overall: 1})
        told = min(counts, key=lambda one: (-counts[one], one))
        right += told == answer
    return 100 * right / len(test_answers)


def of_lists(cue, answers, test_cue, test_answers):
    named = {"cue": cue, "answers": answers, "test_cue": test_cue, "test_answers": test_answers}
    return {name: torch.tensor(numbers) for name, numbers in named.items()}


def drawn(generator, n, m, values, kinds):
    def draw(size, below):
        return torch.randint(below, (size,), generator=generator)

    cue, test_cue = draw(n, values), draw(m, values)
    noise, test_noise = draw(n, 2), draw(m, 2)
    return {
        "cue": cue, "answers": (cue + noise) % kinds, "test_cue": test_cue, "test_answers": (test_cue + test_noise) % kinds
    }  # fmt: skip


CUE_ACCURACY = Exercise(
    name="cue_accuracy",
    chapter="self_supervised",
    title="A detector of shortcuts",
    kind="write",
    difficulty=2,
    minutes=20,
    goal="""
Before you believe that a pretext task teaches something, ask how much of it a single cue gives away. `cue` and
`answers` are int64 `[n]`: for each training example the value of the cue (which corner is brightest, which gray
a pixel has) and what the task asks for. For every value of the cue, give the answer with which it came most
often in training; if two came as often, the lower one. For a value that never came in training, give the answer
that is the most common in all of training (the lowest, if several are). Return the per cent of the `m` test
examples, `test_cue` and `test_answers`, that are told right, as a number from 0 to 100. All numbers are from
0 on; `n` and `m` are at least 1.
""",
    starter='''
import torch


def cue_accuracy(cue, answers, test_cue, test_answers):
    """Per cent of test answers that the cue alone gives away: a float."""
    raise NotImplementedError("write cue_accuracy")
''',
    reference=cue_accuracy,
    observe=one_number,
    cases=(
        Case(
            "a cue that tells all",
            lambda g: of_lists([0, 1, 2, 0, 1, 2], [2, 0, 1, 2, 0, 1], [2, 1, 0], [1, 0, 2]),
        ),
        Case(
            "a cue that errs",
            lambda g: of_lists([0, 0, 0, 1, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]),
        ),
        Case(
            "a value that never came",
            lambda g: of_lists([0, 0, 1, 1, 1], [0, 0, 2, 2, 2], [5, 5, 0, 3], [2, 0, 0, 2]),
        ),
        Case(
            "a value in the middle that never came",
            lambda g: of_lists([0, 3, 3, 3], [1, 2, 2, 0], [1, 2, 0, 3], [2, 1, 1, 2]),
        ),
        Case("as often: the lower answer", lambda g: of_lists([1, 1, 0], [3, 2, 3], [1, 1, 0], [2, 2, 3])),
        Case("as often in all: the lowest answer", lambda g: of_lists([0, 1], [2, 1], [7, 7, 0], [1, 1, 2])),
        Case("an answer that is new", lambda g: of_lists([0, 1], [0, 1], [0, 1, 1], [0, 4, 1])),
        Case("1 example", lambda g: of_lists([2], [3], [2], [3])),
        Case("40 examples, 4 values", lambda g: drawn(g, 40, 25, 4, 4)),
        Case("200 examples, 9 values, 5 answers", lambda g: drawn(g, 200, 60, 9, 5)),
    ),
    misconceptions=(
        Misconception(
            "You count on the test examples themselves. Then every value looks useful, even one that "
            "comes once: count in training, judge on the test.",
            slips(
                plain_cue_accuracy,
                {"in known": "in list(zip(test_cue.tolist(), test_answers.tolist(), strict=True))"},
            ),
        ),
        Misconception(
            "You judge on the training examples. A cue must work for examples that were not counted.",
            slips(
                plain_cue_accuracy,
                {
                    "in asked": "in list(zip(cue.tolist(), answers.tolist(), strict=True))",
                    "len(test_answers)": "len(answers)",
                },
            ),
        ),
        Misconception(
            "A value that never came in training is told wrong: give the most common answer of all "
            "training examples.",
            slips(
                plain_cue_accuracy,
                {"{overall: 1}": "{0: 1}"},
                {"{overall: 1}": "{-1: 1}"},
                {"{overall: 1}": "{answers[0].item(): 1}"},
                {"{overall: 1}": "{value: 1}"},
            ),
        ),
        Misconception(
            "Where two answers came as often, the higher (or the later) one is taken. The goal asks for "
            "the lower one.",
            slips(
                plain_cue_accuracy,
                {"(-counts[one], one)": "(-counts[one], -one)"},
                {"min(counts, key=lambda one: (-counts[one], one))": "max(counts, key=counts.get)"},
            ),
        ),
        Misconception(
            "You return a share, or a count. The goal asks for per cent, from 0 to 100.",
            slips(
                plain_cue_accuracy,
                {"100 * right": "right"},
                {"100 * right / len(test_answers)": "right"},
                {"100 * right / len(test_answers)": "100 * right / len(answers)"},
            ),
        ),
        Misconception(
            "The cue is not used: one answer is given for all. That is the baseline, not the cue.",
            slips(plain_cue_accuracy, {"seen.get(value, {overall: 1})": "{overall: 1}"}),
        ),
        Misconception(
            "For each value you give the rarest answer, or the last (or first) that it came with, not the "
            "most common.",
            slips(
                plain_cue_accuracy,
                {"counts[answer] = counts.get(answer, 0) + 1": "counts.clear(); counts[answer] = 1"},
                {"counts[answer] = counts.get(answer, 0) + 1": "counts.setdefault(answer, -len(counts))"},
                {"-counts[one]": "counts[one]"},
            ),
        ),
    ),
    hints=(
        "A table [values, answers] of counts is all there is to learn.",
        "`(cue * kinds + answers).bincount(minlength=values * kinds).view(values, kinds)` is that table, "
        "and `argmax(1)` its answer.",
        "Rows of zeros are values that never came: put `answers.bincount().argmax()` there.",
    ),
)
