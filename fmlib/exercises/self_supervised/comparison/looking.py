"""Looking at exercises that return one number, or several values of which some are numbers: equal up to rounding."""

from collections.abc import Callable
from typing import Any

from fmlib.exercises.compare import Number, Spelled, describe
from fmlib.exercises.numbers import as_number
from fmlib.exercises.observe import Notes, Observe, watch


def watch_number(function: Callable, inputs: dict[str, Any]) -> Notes:
    """The number that a function returns, of any kind; what is none is named before it is compared."""
    return number("the result", function(*inputs.values()))


def watch_numbers(*result: str, rounded: tuple[str, ...]) -> Observe:
    """As `watch` with these results, where those named in `rounded` may be real numbers of any kind."""
    observe = watch(result=result)

    def look(function: Callable, inputs: dict[str, Any]) -> Notes:
        notes: Notes = {}
        for name, value in observe(function, inputs).items():
            notes |= number(name, value) if name in rounded else {name: value}
        return notes

    return look


def number(name: str, value: Any) -> Notes:
    """Two notes: whether a value is a number, in words, and which."""
    seen = as_number(value)
    return {
        f"what {name} is": Spelled("a float" if isinstance(seen, Number) else describe(value)),
        name: seen,
    }
