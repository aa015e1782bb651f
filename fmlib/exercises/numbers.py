"""Looking at exercises that return numbers: equal up to rounding, whatever kind of numbers they are."""

from collections.abc import Callable
from numbers import Real
from typing import Any

from torch import Tensor

from fmlib.exercises.compare import Number
from fmlib.exercises.observe import Notes, Observe, watch


def as_number(value: Any) -> Any:
    """A float, any other real number or a scalar tensor of floats as a `Number`; anything else as it is."""
    if isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point():
        value = value.item()
    return Number(value) if isinstance(value, Real) and not isinstance(value, bool) else value


def one_number(function: Callable, inputs: dict[str, Any]) -> Notes:
    """An observer of functions that return a number."""
    return {"the result": as_number(function(*inputs.values()))}


def several_numbers(*names: str) -> Observe:
    """An observer of functions that return as many numbers as there are names."""
    observed = watch(result=names)

    def observe(function: Callable, inputs: dict[str, Any]) -> Notes:
        return {name: as_number(value) for name, value in observed(function, inputs).items()}

    return observe
