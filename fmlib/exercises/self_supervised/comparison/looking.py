"""Looking at exercises that return several values, some of them numbers that are equal up to rounding."""

from collections.abc import Callable
from typing import Any

from fmlib.exercises.numbers import one_number
from fmlib.exercises.observe import Notes, Observe, watch


def watch_numbers(*result: str, rounded: tuple[str, ...]) -> Observe:
    """As `watch` with these results, where those named in `rounded` may be real numbers of any kind."""
    observe = watch(result=result)

    def look(function: Callable, inputs: dict[str, Any]) -> Notes:
        notes = observe(function, inputs)
        for name in rounded:
            if name in notes:
                notes[name] = one_number(lambda value: value, {"value": notes[name]})["the result"]
        return notes

    return look
