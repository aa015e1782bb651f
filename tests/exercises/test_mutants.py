"""The checks see a slip: right answers with one edit are refused, or listed as right. `make mutants` tries all of them."""

import ast

import mutants
import pytest
import torch

from fmlib.exercises import check, registry
from fmlib.exercises.compare import difference
from fmlib.exercises.observe import Raised, run

EACH = 3  # mutants of an exercise on every run
each_exercise = pytest.mark.parametrize("exercise", registry.exercises(), ids=lambda exercise: exercise.name)


def clamp_and_add(x, low=0):
    """A sum."""
    total = 0
    for value in x[1:]:
        if value > low:
            total += max(value, 2)
    return total, -low


@each_exercise
def test_a_slip_in_a_right_answer_is_refused_or_listed_with_a_reason(exercise):
    known = mutants.equivalents()
    survivors = [
        m for m in mutants.sample(exercise, EACH, seed=0) if m.key not in known and mutants.survives(m)
    ]
    assert not survivors, "\n".join(map(str, survivors))


@each_exercise
def test_what_is_said_about_a_slip_explains_the_case_that_is_shown(exercise):
    for mutant in mutants.sample(exercise, EACH, seed=1):
        function = mutant.function()
        result = check(exercise.name, function, seconds=5)
        if result.misconception is None or not result.inputs:
            continue
        shown = next(
            case for case in exercise.cases if f"“{case.label}”" in repr(result).replace("\n  ", " ")
        )
        got, right = (run(f, shown.inputs(), exercise.observe)[0] for f in (function, exercise.reference))
        departures = departing(got, right, exercise)
        assert departures, mutant
        assert any(
            departures == departing(run(wrong, shown.inputs(), exercise.observe)[0], right, exercise)
            for wrong in result.misconception.wrong
        ), mutant


def departing(got, right, exercise):
    """What differs from the reference, and how that is told."""
    if isinstance(got, Raised):
        return {"raised": str(got.kind)}
    return {
        key: difference(got.get(key), right.get(key), exercise.tolerance)
        for key in got.keys() | right.keys()
        if difference(got.get(key), right.get(key), exercise.tolerance) is not None
    }


def test_the_edits_are_those_that_hands_make():
    made = {(m.before, m.after) for m in mutants.mutants(registry.exercises()[0], clamp_and_add)}
    assert {
        ("total = 0", "total = 1"),
        ("for value in x[1:]:", "for value in x[:]:"),
        ("for value in x[1:]:", "pass"),
        ("if value > low:", "if value >= low:"),
        ("if value > low:", "if True:"),
        ("total += max(value, 2)", "total += max(2, value)"),
        ("total += max(value, 2)", "total += max(value, 3)"),
        ("total += max(value, 2)", "pass"),
        ("return (total, -low)", "return (-low, total)"),
        ("return (total, -low)", "return (total, low)"),
    } <= made
    assert all(
        "A sum" in ast.get_docstring(ast.parse(m.source).body[0])
        for m in mutants.mutants(registry.exercises()[0], clamp_and_add)
    )


def test_a_right_answer_survives_and_an_endless_one_does_not(monkeypatch):
    monkeypatch.setattr(mutants, "SECONDS", 0.3)
    right = "def positive_indices(batch):\n    return torch.arange(2 * batch).roll(batch)"
    endless = "def positive_indices(batch):\n    while True:\n        pass"
    for source, survives in ((right, True), (endless, False)):
        mutant = mutants.Mutant("positive_indices", "positive_indices", "", "", source, {"torch": torch})
        assert mutants.survives(mutant) is survives


def test_every_exercise_has_its_plain_right_answer_among_those_that_are_edited():
    for exercise in registry.exercises():
        assert len({answer.__name__ for answer in mutants.answers(exercise)}) >= 3, exercise.name


def test_what_is_listed_as_equivalent_has_a_reason():
    assert all(len(reason) > 20 for reason in mutants.equivalents().values())
