"""Running a function once and writing down everything that it did: values, gradients, changed inputs, errors.

A check compares these notes with the reference's. That is how it sees mistakes that leave the returned value right, such
as a gradient that reaches the keys.
"""

import contextlib
import inspect
import io
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fmlib.exercises.compare import describe

Notes = dict[str, Any]
Observe = Callable[[Callable, dict[str, Any]], Notes]


@dataclass(frozen=True)
class Raised:
    """An error in place of a result; two are equal when their kind and message are."""

    kind: str
    message: str
    line: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}" + (f" ({self.line})" if self.line else "")


def watch(
    *,
    result: tuple[str, ...] = ("the result",),
    gradient: tuple[str, ...] = (),
    no_gradient: tuple[str, ...] = (),
) -> Observe:
    """An observer for functions from tensors to tensors.

    Args:
        result: names of what is returned; two or more names stand for a tuple.
        gradient: inputs whose gradient matters: that of the result, or of its sum.
        no_gradient: inputs that must not get any; only whether they do is noted.

    Returns:
        A function from (function, inputs) to notes: each part of the result, the gradients, and which inputs were changed.
    """

    def observe(function: Callable, inputs: dict[str, Any]) -> Notes:
        for name in (*gradient, *no_gradient):
            inputs[name].requires_grad_()
        tensors = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
        before = {name: value.detach().clone() for name, value in tensors.items()}
        notes = _name_parts(function(*inputs.values()), result)
        if gradient or no_gradient:
            tied = [part.sum() for part in notes.values() if isinstance(part, Tensor) and part.requires_grad]
            if tied:
                sum(tied).backward()
            for name in gradient:
                notes[f"the gradient that reaches `{name}`"] = inputs[name].grad
            for name in no_gradient:
                notes[f"whether a gradient reaches `{name}`"] = inputs[name].grad is not None
        changed = [name for name, value in tensors.items() if not torch.equal(value.detach(), before[name])]
        notes["the inputs that were changed in place"] = ", ".join(changed) or "none"
        return notes

    return observe


def _name_parts(returned: Any, names: tuple[str, ...]) -> Notes:
    """What was returned under the names of its parts; where their number is wrong, only a note that says so."""
    if len(names) == 1:
        return {names[0]: returned}
    if isinstance(returned, (tuple, list)):
        got, fits = f"{len(returned)} values", len(returned) == len(names)
    else:
        got, fits = describe(returned), False
    if not fits:
        return {"what was returned": got}
    expected = f"{len(names)} values: {', '.join(names)}"
    return {"what was returned": expected, **dict(zip(names, returned, strict=True))}


RESULT_ONLY = watch()


def run(function: Callable, inputs: dict[str, Any], observe: Observe) -> tuple[Notes | Raised, str]:
    """Call `function` once and note what happened; it can change nothing outside its own objects.

    The random states of torch, NumPy and Python, the gradient mode and the default dtype are as before
    afterwards, and always the same inside. There is no time limit: interrupting the kernel stops a loop that
    never ends, and nothing is recorded then.

    Returns:
        The notes, or what was raised; and what the function printed.
    """
    printed = io.StringIO()
    with _same_world(), contextlib.redirect_stdout(printed):
        try:
            notes = observe(function, inputs)
        except (Exception, SystemExit) as error:  # whatever a learner's code may raise, exit() too
            message = str(error).strip().partition("\n")[0]
            notes = Raised(type(error).__name__, message, _line_of(error, function))
    return notes, printed.getvalue()


@contextlib.contextmanager
def _same_world() -> Iterator[None]:
    python, dtype = random.getstate(), torch.get_default_dtype()
    numpy = np.random.get_state()  # noqa: NPY002  (the learner's code may use the global state)
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.default_generator.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_default_dtype(dtype)


def _line_of(error: BaseException, function: Callable) -> str:
    """Where in the learner's own file or cell the error came up."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    code = code or getattr(getattr(type(function), "forward", type(function).__call__), "__code__", None)
    if code is None:
        return ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == code.co_filename]
    if not frames:
        return ""
    return f"line {frames[-1].lineno}" + (f": `{frames[-1].line}`" if frames[-1].line else "")
