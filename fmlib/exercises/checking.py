"""`check`: does a learner's function do what the reference does, and if not, which mistake is it?"""

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from fmlib.exercises import registry, store
from fmlib.exercises.compare import describe, difference
from fmlib.exercises.exercise import Case, Exercise, Inputs, Misconception
from fmlib.exercises.observe import Notes, Observe, Raised, run
from fmlib.exercises.showing import Card

Status = Literal["passed", "not attempted", "not there yet"]
TONES = {"passed": "good", "not attempted": "info", "not there yet": "bad"}
PRINTED_LINES = 10


@dataclass(frozen=True, repr=False)
class Result(Card):
    """What `check` found; shows itself in a notebook and in a terminal.

    Args:
        name: of the exercise.
        status: "passed", "not attempted" or "not there yet".
        misconception: the mistake that was recognized, or None.
        inputs: those of the case that failed, by name, to try again by hand.
    """

    name: str = ""
    status: Status = "not there yet"
    misconception: Misconception | None = None
    inputs: Inputs = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the function agrees with the reference on every case."""
        return self.status == "passed"


def check(name: str, attempt: Callable) -> Result:
    """Compare your function with the library's on seeded cases, and name the mistake where there is one.

    Args:
        name: of the exercise.
        attempt: your function itself, not what it returns.

    Returns:
        The result; as the last line of a cell it shows itself.

    Raises:
        UnknownExercise: no exercise is called so; the message has the nearest names.
        TypeError: `attempt` is not a function.
    """
    exercise = registry.find(name, registry.exercises(), 'check("nt_xent", nt_xent)')
    if not callable(attempt):
        raise TypeError(
            f"check got {describe(attempt)} for {name!r}: expected your function itself, "
            f"without parentheses, as in `check({name!r}, {name})`"
        )
    if _is_untouched(attempt, exercise):
        return _result(exercise, "not attempted", "The starter is as it came.")
    if not _can_be_called(attempt, exercise):
        return _result(exercise, "not there yet", f"It must be callable as `{exercise.signature}`.")

    seen = [run(attempt, case.inputs(), exercise.observe) for case in exercise.cases]
    notes = [each for each, _ in seen]
    unwritten = next((n for n in notes if isinstance(n, Raised) and n.kind == "NotImplementedError"), None)
    if unwritten:
        return _result(exercise, "not attempted", f"Still unwritten: {unwritten.line or unwritten}.")

    right = _known_notes(exercise.reference, exercise.cases, exercise.observe)
    failed = [
        i for i, (got, want) in enumerate(zip(notes, right, strict=True)) if _departs(got, want, exercise)
    ]
    own = attempt is not exercise.reference
    if not failed:
        line = f"It does what the library's own function does in all {len(notes)} cases."
        note = "" if own else "But it is that very function, so it does not count: run the cell with yours."
        return _result(exercise, "passed", line, note, kept=own)

    first = failed[0]
    case, printed = exercise.cases[first], seen[first][1].rstrip()
    found = diagnose(notes, right, exercise)
    lines = [found.sentence] if found else []
    lines.append(f"Case “{case.label}”: {_departs(notes[first], right[first], exercise)}.")
    if printed:
        head = printed.splitlines()[:PRINTED_LINES]
        lines.append("\n".join(["It printed:", *head]))
    lines.append(f'`_.inputs` in the next cell holds that case\'s inputs; `hint("{name}")` gives a hint.')
    return _result(exercise, "not there yet", *lines, misconception=found, inputs=case.inputs())


def diagnose(notes: list[Notes | Raised], right: list[Notes], exercise: Exercise) -> Misconception | None:
    """The first misconception that explains what an attempt did.

    One that explains all of it goes before one that explains only where it departs from the reference itself: that way
    an attempt with two mistakes is still told of one of them.

    Args:
        notes, right: what the attempt and the reference did, case by case.
        exercise: with the misconceptions to try.
    """
    for wholly in (True, False):
        for misconception in exercise.misconceptions:
            for wrong in misconception.wrong:
                if _fits(
                    notes, _known_notes(wrong, exercise.cases, exercise.observe), right, exercise, wholly
                ):
                    return misconception
    return None


def _fits(notes: list, wrong: list, right: list, exercise: Exercise, wholly: bool) -> bool:
    """Whether an attempt does what `wrong` does: everywhere, or at least wherever that departs from what is right."""
    departures = 0
    for got, mistake, want in zip(map(_parts, notes), map(_parts, wrong), map(_parts, right), strict=True):
        for key, value in mistake.items():
            departs = key not in want or difference(value, want[key], exercise.tolerance) is not None
            agrees = key in got and difference(got[key], value, exercise.tolerance) is None
            if (departs or wholly) and not agrees:
                return False
            departures += departs
    return departures > 0


def _parts(notes: Notes | Raised) -> Notes:
    return {"what it raised": notes} if isinstance(notes, Raised) else notes


@functools.cache  # what our own functions do never changes
def _known_notes(function: Callable, cases: tuple[Case, ...], observe: Observe) -> list[Notes | Raised]:
    return [run(function, case.inputs(), observe)[0] for case in cases]


def _departs(got: Notes | Raised, want: Notes | Raised, exercise: Exercise) -> str | None:
    if isinstance(got, Raised):
        return f"raised {got}"
    return difference(got, want, exercise.tolerance)


def _is_untouched(attempt: Callable, exercise: Exercise) -> bool:
    """Whether the source is the starter's, whatever its comments and blank lines."""
    try:
        mine = ast.parse(textwrap.dedent(inspect.getsource(attempt))).body
    except (OSError, TypeError, SyntaxError):
        return False  # no source at hand, or not a function's
    starter = [node for node in ast.parse(exercise.starter).body if isinstance(node, ast.FunctionDef)]
    return [ast.dump(node) for node in mine] == [ast.dump(node) for node in starter]


def _can_be_called(attempt: Callable, exercise: Exercise) -> bool:
    try:
        signature = inspect.signature(attempt)
    except (TypeError, ValueError):
        return True  # built in: calling it will tell
    for case in exercise.cases:
        try:
            signature.bind(*case.inputs().values())
        except TypeError:
            return False
    return True


def _result(exercise: Exercise, status: Status, *lines: str, kept: bool = True, **found: Any) -> Result:
    trouble = ""
    if status != "not attempted" and kept:

        def change(entry: store.Entry) -> None:
            entry["tries"] += 1
            entry["passed"] = entry["passed"] or status == "passed"

        trouble = store.update(exercise.name, change)[1]
    heading = f"{exercise.title} (`{exercise.name}`): {status}"
    kept_lines = tuple(line for line in (*lines, trouble) if line)
    return Result(TONES[status], heading, kept_lines, name=exercise.name, status=status, **found)
