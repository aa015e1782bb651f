"""Looking at exercises that return one number: equal up to rounding, whatever kind of number it is."""

from collections.abc import Callable
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from fmlib.exercises.observe import Notes


def one_number(function: Callable, inputs: dict[str, Any]) -> Notes:
    """An observer: a float, or any other real number, is noted as a scalar tensor, so that the tolerance holds for it."""
    found = function(*inputs.values())
    if isinstance(found, Tensor) and found.ndim == 0 and found.is_floating_point():
        found = found.item()
    if isinstance(found, Real) and not isinstance(found, bool):
        found = torch.tensor(float(found), dtype=torch.float64)
    return {"the result": found}
