"""What a function finds in its inputs and how it leaves them, at any depth of lists, tuples and dicts."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fmlib.exercises.compare import Fact


class Witness:
    """Calls a function and remembers what it was called with; afterwards it can say which inputs were changed in place.

    An observer may hand on other inputs than it got, e.g. copies through which gradients flow: what counts is what the
    function itself was given.

    Args:
        function: to call.
        names: of its inputs, in their order.
    """

    def __init__(self, function: Callable, names: tuple[str, ...]) -> None:
        self.function, self.names = function, names
        self.given: list[tuple[str, Any, Any, list[bool]]] = []

    def __call__(self, *inputs: Any) -> Any:
        self.given += [
            (name, value, _content(value), _take_gradients(value))
            for name, value in zip(self.names, inputs, strict=True)
        ]
        return self.function(*inputs)

    def changed(self) -> tuple[str, ...]:
        """The names of the inputs whose content is another than when the function was called."""
        changed = {name for name, value, before, _ in self.given if not _equal(before, _content(value))}
        return tuple(name for name in self.names if name in changed)

    def facts(self, expected: tuple[str, ...] = ()) -> dict[str, Fact]:
        """For each input whether it was changed, unless that is expected; for tensors also whether they take gradients."""
        notes: dict[str, Fact] = {}
        changed = self.changed()
        for name in self.names:
            if name not in expected:
                notes[f"whether `{name}` was changed in place"] = Fact(
                    name in changed,
                    f"you changed `{name}` in place; leave it as it is",
                    f"`{name}` is as it was; it has to be changed in place",
                )
            calls = [(value, before) for given, value, _, before in self.given if given == name]
            if any(before for _, before in calls):
                notes[f"whether `{name}` still takes gradients as before"] = Fact(
                    all(_take_gradients(value) == before for value, before in calls),
                    f"whether `{name}` takes gradients is as before",
                    f"you changed whether `{name}` takes gradients (`requires_grad`); leave that as it is",
                )
        return notes


def each_tensor(value: Any, place: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors in a value, each with its place, e.g. ``"views[0]"`` in `views`."""
    if isinstance(value, Tensor):
        yield place, value
    elif isinstance(value, nn.Module):
        for name, tensor in (*value.named_parameters(), *value.named_buffers()):
            yield f"{place}.{name}", tensor
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from each_tensor(item, f"{place}[{i}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from each_tensor(item, f"{place}[{key!r}]")


def with_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same lists, tuples and dicts anew, with `change` of each tensor in the place of that tensor."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(with_tensors(item, change) for item in value)
    if isinstance(value, dict):
        return {key: with_tensors(item, change) for key, item in value.items()}
    return value


def _take_gradients(value: Any) -> list[bool]:
    return [tensor.requires_grad for _, tensor in each_tensor(value)]


def _content(value: Any) -> Any:
    """A copy of whatever we can look into; anything else is its own copy."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, nn.Module):
        return {place: tensor.detach().clone() for place, tensor in each_tensor(value)}
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, (list, tuple)):
        return [type(value), *map(_content, value)]
    if isinstance(value, Mapping):
        return {key: _content(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return set(value)
    return value


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape or one.dtype != other.dtype or one.layout != other.layout:
            return False
        return bool(torch.equal(one, other) or ((one == other) | (one.isnan() & other.isnan())).all())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_equal(one[key], other[key]) for key in one)
    return one is other or bool(one == other)
