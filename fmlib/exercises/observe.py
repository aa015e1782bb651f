"""Running a function once and writing down everything that it did: values, gradients, changed inputs, errors.

A check compares these notes with the reference's. That is how it sees mistakes that leave the returned value right, such
as a gradient that reaches the keys.
"""

import contextlib
import dis
import functools
import inspect
import io
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fmlib.exercises.compare import Fact, Spelled, describe, shortened
from fmlib.exercises.inputs import Witness, each_tensor, with_tensors

Notes = dict[str, Any]
Observe = Callable[[Callable, dict[str, Any]], Notes]
PRINTED = 10_000  # characters that are kept of what a function prints


@dataclass(frozen=True)
class Raised:
    """An error in place of a result; two are equal when their kind and message are.

    Args:
        kind, message: of the error.
        line: where it came up in the learner's own code.
        unwritten: whether the learner's own `raise NotImplementedError` ended the call.
        changed: inputs that were changed in place before.
    """

    kind: str
    message: str
    line: str = field(default="", compare=False)
    unwritten: bool = field(default=False, compare=False)
    changed: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.kind}: {shortened(self.message)}" + (f" ({self.line})" if self.line else "")


def watch(
    *,
    result: tuple[str, ...] = ("the result",),
    gradient: tuple[str, ...] = (),
    no_gradient: tuple[str, ...] = (),
    apart: tuple[str, ...] = (),
    any_dtype: bool = False,
) -> Observe:
    """An observer for functions from tensors, or lists and dicts of tensors, to tensors.

    Which inputs were changed in place is noted by `run`, for every observer.

    Args:
        result: names of what is returned; two or more names stand for a tuple.
        gradient: inputs whose gradient matters: that of the result, or of its sum.
        no_gradient: inputs that must not get any; only whether they do is noted.
        apart: inputs with which the result must share no memory, or a later change of one would change the other.
        any_dtype: whether results of all float dtypes are equally right.

    Returns:
        A function from (function, inputs) to notes: each part of the result, the gradients, and shared memory.
    """

    def observe(function: Callable, inputs: dict[str, Any]) -> Notes:
        leaves = {
            name: with_tensors(inputs[name], lambda tensor: tensor.detach().requires_grad_())
            for name in (*gradient, *no_gradient)
        }
        # Not leaves themselves, as embeddings and logits never are: a change in place is then seen, not refused by torch.
        inputs.update({name: with_tensors(leaf, Tensor.clone) for name, leaf in leaves.items()})
        notes = _name_parts(function(*inputs.values()), result)
        parts = list(notes.values())
        if leaves:
            tied = [part.sum() for part in parts if isinstance(part, Tensor) and part.requires_grad]
            if tied:
                sum(tied).backward()
            for name in gradient:
                for place, leaf in each_tensor(leaves[name], name):
                    alone = (
                        leaf is leaves[name]
                    )  # of several inputs some may not matter, which is a gradient of zeros
                    found = torch.zeros_like(leaf) if leaf.grad is None and not alone else leaf.grad
                    notes[f"the gradient that reaches `{place}`"] = found
            for name in no_gradient:
                notes[f"whether a gradient reaches `{name}`"] = Fact(
                    any(leaf.grad is not None for _, leaf in each_tensor(leaves[name])),
                    f"a gradient reaches `{name}`; none may",
                    f"no gradient reaches `{name}`",
                )
        for name in apart:
            notes[f"whether the result shares memory with `{name}`"] = Fact(
                any(_share(part, inputs[name]) for part in parts),
                f"what you return shares memory with `{name}`: whoever changes one later changes the other",
                f"what you return does not share memory with `{name}`",
            )
        if any_dtype:
            for name in result:
                part = notes.get(name)
                if isinstance(part, Tensor) and part.is_floating_point() and part.layout == torch.strided:
                    notes[name] = part.detach().double()
        return notes

    return observe


def _share(one: Any, other: Any) -> bool:
    """Whether two tensors lie in one storage, or two containers are the same."""
    tensors = [value for value in (one, other) if isinstance(value, Tensor)]
    if not tensors:
        return one is other
    if len(tensors) < 2 or any(value.layout != torch.strided for value in tensors):
        return False
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _name_parts(returned: Any, names: tuple[str, ...]) -> Notes:
    """What was returned under the names of its parts; where their number is wrong, only a note that says so."""
    if len(names) == 1:
        return {names[0]: returned}
    if isinstance(returned, (tuple, list)):
        got, fits = f"{len(returned)} values", len(returned) == len(names)
    else:
        got, fits = describe(returned), False
    if not fits:
        return {"what was returned": Spelled(got)}
    expected = f"{len(names)} values: {', '.join(names)}"
    return {"what was returned": Spelled(expected), **dict(zip(names, returned, strict=True))}


RESULT_ONLY = watch()


class Printed(io.StringIO):
    """Keeps the beginning of what is printed, and counts the rest: a loop that prints for ever fills no memory."""

    dropped = 0

    def write(self, text: str) -> int:
        room = max(0, PRINTED - self.tell())
        self.dropped += max(0, len(text) - room)
        super().write(text[:room])
        return len(text)

    def __str__(self) -> str:
        return self.getvalue() + (f"\n... ({self.dropped:,} more characters)" if self.dropped else "")


def run(
    function: Callable, inputs: dict[str, Any], observe: Observe, seed: int = 0
) -> tuple[Notes | Raised, str]:
    """Call `function` once and note what happened; it can change nothing outside its own objects.

    The random states of torch, NumPy and Python, the gradient mode and the default dtype are as before
    afterwards, and always the same inside.

    Args:
        function, inputs, observe: what to call, with what, and what to look at.
        seed: of the global random states inside. A result that depends on it cannot be repeated.

    Returns:
        The notes, with a `Fact` for each input that says whether it was changed in place; or what was raised. And what the
        function printed.
    """
    printed = Printed()
    witness = Witness(function, tuple(inputs))
    with same_world(seed), contextlib.redirect_stdout(printed):
        try:
            observed = observe(witness, inputs)
            notes = {**witness.facts(getattr(observe, "changing", ())), **observed}
        except (Exception, SystemExit) as error:  # whatever a learner's code may raise, exit() too
            notes = Raised(
                type(error).__name__,
                str(error).strip().partition("\n")[0],
                _line_of(error, function),
                _is_own_raise(error, function),
                witness.changed(),
            )
    return notes, str(printed)


def changing(*names: str) -> Callable[[Observe], Observe]:
    """Mark an observer of functions that have to change some inputs: it looks itself at what becomes of them."""

    def mark(observe: Observe) -> Observe:
        observe.changing = names
        return observe

    return mark


@contextlib.contextmanager
def same_world(seed: int = 0) -> Iterator[None]:
    """Random states, default dtype and gradient mode that are the same whatever the notebook has set; undone afterwards."""
    python, dtype = random.getstate(), torch.get_default_dtype()
    numpy = np.random.get_state()  # noqa: NPY002  (the learner's code may use the global state)
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
            torch.set_default_dtype(torch.float32)
            seed_everything(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_default_dtype(dtype)


def seed_everything(seed: int) -> None:
    """The global random states of torch, Python and NumPy."""
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002


def _own_code(function: Callable) -> Any:
    """The plain function behind a callable: below decorators, `partial`, and the call of an object."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = inspect.unwrap(function.func)
    if not hasattr(function, "__code__") and not inspect.ismethod(function):
        function = getattr(type(function), "forward", type(function).__call__)
    return getattr(function, "__func__", function)


def _line_of(error: BaseException, function: Callable) -> str:
    """Where in the learner's own file or cell the error came up."""
    own = _own_code(function)
    code = getattr(own, "__code__", None)
    if code is None or _is_of_torch(own):
        return ""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == code.co_filename]
    if not frames:
        return ""
    return f"line {frames[-1].lineno}" + (f": `{shortened(frames[-1].line)}`" if frames[-1].line else "")


def _is_own_raise(error: BaseException, function: Callable) -> bool:
    """Whether a `raise` in the learner's own module or notebook ended the call with NotImplementedError.

    torch raises the same kind of error for dtypes that it has no code for: from C, where the last frame is the learner's
    too, but does not stand at a `raise`; or from its own Python.
    """
    last: TracebackType | None = error.__traceback__
    if not isinstance(error, NotImplementedError) or last is None:
        return False
    while last.tb_next is not None:
        last = last.tb_next
    own = _own_code(function)
    at_raise = last.tb_frame.f_code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return at_raise and last.tb_frame.f_globals is getattr(own, "__globals__", None) and not _is_of_torch(own)


def _is_of_torch(function: Callable) -> bool:
    """As what stands in the place of the `forward` that a module of the learner's does not define."""
    return str(getattr(function, "__module__", "")).startswith("torch.")
