"""`check`: does a learner's function do what the reference does, and if not, which mistake is it?"""

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from fmlib.exercises import registry, store
from fmlib.exercises.compare import describe, difference, shortened
from fmlib.exercises.exercise import Case, Exercise, Inputs, Misconception
from fmlib.exercises.limits import OutOfTime, seconds_allowed, within
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


def check(name: str, attempt: Callable, seconds: float | None = None) -> Result:
    """Compare your function with the library's on seeded cases, and name the mistake where there is one.

    Args:
        name: of the exercise.
        attempt: your function itself, not what it returns.
        seconds: how long your function may run in all, 20 unless the environment variable `FMLIB_CHECK_SECONDS` says
            otherwise.

    Returns:
        The result; as the last line of a cell it shows itself.

    Raises:
        UnknownExercise: no exercise is called so; the message has the nearest names.
        TypeError: `attempt` is not a function.
        ValueError: `seconds` is not above 0.
    """
    exercise = registry.find(name, registry.exercises(), 'check("nt_xent", nt_xent)')
    if not callable(attempt):
        raise TypeError(
            f"check got {describe(attempt)} for {name!r}: expected your function itself, "
            f"without parentheses, as in `check({name!r}, {name})`"
        )
    seconds = seconds_allowed(seconds)
    if _is_untouched(attempt, exercise):
        return _result(exercise, "not attempted", "The starter is as it came.")
    if not can_be_called(attempt, exercise):
        return _result(exercise, "not there yet", f"It must be callable as `{exercise.signature}`.")
    return _judge(exercise, attempt, seconds)


def _judge(exercise: Exercise, attempt: Callable, seconds: float) -> Result:
    right = _known_notes(exercise.reference, exercise.cases, exercise.observe)
    seen: list[tuple[Notes | Raised, str]] = []
    again: list[tuple[Notes | Raised, str]] = []

    def try_all() -> None:
        for case in exercise.cases:
            seen.append(run(attempt, case.inputs(), exercise.observe))
        if not _failures([notes for notes, _ in seen], right, exercise):
            for case in exercise.cases:  # once more, in another global random state
                again.append(run(attempt, case.inputs(), exercise.observe, seed=1))

    try:
        within(seconds, try_all)
    except OutOfTime:
        reached = len(again) if len(seen) == len(exercise.cases) else len(seen)
        case = exercise.cases[min(reached, len(exercise.cases) - 1)]
        return _result(
            exercise,
            "not there yet",
            f"Stopped after {seconds:g} seconds, in the case “{case.label}”. Is there a loop that never ends?",
            f'`check("{exercise.name}", {exercise.name}, seconds={max(60, 3 * seconds):g})` gives it more time, as does the '
            "environment variable `FMLIB_CHECK_SECONDS`.",
            inputs=case.inputs(),
        )
    notes = [each for each, _ in seen]
    unwritten = next((n for n in notes if isinstance(n, Raised) and n.unwritten), None)
    if unwritten:
        return _result(exercise, "not attempted", f"Still unwritten: {unwritten.line or unwritten}.")

    failed, prefix = _failures(notes, right, exercise), ""
    found = diagnose(notes, right, exercise) if failed else None
    if not failed:
        repeated = [each for each, _ in again]
        failed = _failures(repeated, right, exercise)
        if failed:
            notes, seen, prefix = (
                repeated,
                again,
                "it was right once, but not in a second run from the same inputs: ",
            )
    if not failed:
        own = attempt is not exercise.reference
        line = f"It does what the library's own function does in all {len(notes)} cases."
        note = "" if own else "But it is that very function, so it does not count: run the cell with yours."
        return _result(exercise, "passed", line, note, kept=own)

    first = failed[0]
    case, printed = exercise.cases[first], seen[first][1].rstrip()
    lines = [found.sentence] if found else []
    lines.append(f"Case “{case.label}”: {prefix}{_departs(notes[first], right[first], exercise)}.")
    if printed:
        head = [shortened(line) for line in printed.splitlines()[:PRINTED_LINES]]
        lines.append("\n".join(["It printed:", *head]))
    lines.append(
        f'`_.inputs` in the next cell holds that case\'s inputs; `hint("{exercise.name}")` gives a hint.'
    )
    return _result(exercise, "not there yet", *lines, misconception=found, inputs=case.inputs())


def is_right(exercise: Exercise, attempt: Callable, seconds: float) -> bool:
    """Whether `check` would let an answer pass, found out as quickly as that goes; nothing is recorded.

    Args:
        exercise: to judge by.
        attempt: an answer that can be called as the starter.
        seconds: it may run in all.
    """
    right = _known_notes(exercise.reference, exercise.cases, exercise.observe)

    def agrees() -> bool:
        for seed in (0, 1):
            for case, want in zip(exercise.cases, right, strict=True):
                notes, _ = run(attempt, case.inputs(), exercise.observe, seed)
                if _departs(notes, want, exercise):
                    return False
        return True

    try:
        return within(seconds, agrees)
    except OutOfTime:
        return False


def _failures(notes: list[Notes | Raised], right: list[Notes], exercise: Exercise) -> list[int]:
    return [
        i for i, (got, want) in enumerate(zip(notes, right, strict=True)) if _departs(got, want, exercise)
    ]


def diagnose(notes: list[Notes | Raised], right: list[Notes], exercise: Exercise) -> Misconception | None:
    """The first misconception that explains what an attempt did.

    One that explains all of it goes before one that explains only where it departs from the reference itself: that way
    an attempt with two mistakes, each in cases of its own, is still told of one. What is told must explain the case that
    is shown, the first that fails, in every respect: a false sentence costs more than none.

    Args:
        notes, right: what the attempt and the reference did, case by case; at least one case differs.
        exercise: with the misconceptions to try.
    """
    shown = _failures(notes, right, exercise)[0]
    for wholly in (True, False):
        for misconception in exercise.misconceptions:
            for wrong in misconception.wrong:
                mistake = _known_notes(wrong, exercise.cases, exercise.observe)
                if _fits(notes, mistake, right, exercise, wholly) and (
                    wholly or _explains(notes[shown], mistake[shown], right[shown], exercise)
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


def _explains(got: Notes | Raised, mistake: Notes | Raised, want: Notes, exercise: Exercise) -> bool:
    """Whether a mistake departs from what is right wherever the attempt does, and as it does."""
    got, mistake = _parts(got), _parts(mistake)
    for key in got.keys() | want.keys():
        departs = key not in got or key not in want
        departs = departs or difference(got[key], want[key], exercise.tolerance) is not None
        if departs and (key in got) != (key in mistake):
            return False
        if departs and key in got and difference(got[key], mistake[key], exercise.tolerance) is not None:
            return False
    return True


def _parts(notes: Notes | Raised) -> Notes:
    return {"what it raised": notes} if isinstance(notes, Raised) else notes


@functools.cache  # what our own functions do never changes
def _known_notes(function: Callable, cases: tuple[Case, ...], observe: Observe) -> list[Notes | Raised]:
    return [run(function, case.inputs(), observe)[0] for case in cases]


def _departs(got: Notes | Raised, want: Notes, exercise: Exercise) -> str | None:
    if isinstance(got, Raised):
        changed = [f"`{name}`" for name in got.changed if f"whether `{name}` was changed in place" in want]
        told = f"you changed {' and '.join(changed)} in place, then it " if changed else ""
        return f"{told}raised {got}"
    return difference(got, want, exercise.tolerance)


def _is_untouched(attempt: Callable, exercise: Exercise) -> bool:
    """Whether the source is the starter's, whatever its comments and blank lines."""
    try:
        mine = ast.parse(textwrap.dedent(inspect.getsource(attempt))).body
    except (OSError, TypeError, SyntaxError):
        return False  # no source at hand, or not a function's
    starter = [node for node in ast.parse(exercise.starter).body if isinstance(node, ast.FunctionDef)]
    return [ast.dump(node) for node in mine] == [ast.dump(node) for node in starter]


def can_be_called(attempt: Callable, exercise: Exercise) -> bool:
    """Whether a function takes the arguments of every case."""
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
