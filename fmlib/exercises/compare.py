"""Saying in a few words how a value differs from the expected one."""

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SHORT = 8  # tensors with up to so many numbers are written out
LONGEST = 300  # letters of a string that are shown


@dataclass(frozen=True)
class Fact:
    """Something that a function did or did not do besides returning a value; says itself what is wrong with it.

    Args:
        value: whether it did.
        done: the sentence for who did and should not.
        left: the sentence for who did not and should.
    """

    value: bool
    done: str
    left: str


class Spelled(str):
    """A value that is compared and shown as it is spelled here; never equal to a plain string."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spelled) and str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class Number(float):
    """A number of any kind that need be right up to the tolerance only."""


def difference(got: Any, expected: Any, tolerance: float) -> str | None:
    """How `got` differs from `expected`, or None where it does not.

    Args:
        got: anything.
        expected: a tensor, number, string, bool, None, list, `Number`, `Fact`, or a dict of these.
        tolerance: allowed error, relative to the largest expected number.

    Returns:
        ``"got ..., expected ..."``, or None.
    """
    if isinstance(expected, dict):
        return _first(got, expected, tolerance)
    if isinstance(expected, Fact):
        if isinstance(got, Fact) and got.value == expected.value:
            return None
        told = got if isinstance(got, Fact) else expected
        return told.left if expected.value else told.done
    if isinstance(expected, Tensor):
        return _tensors(got, expected, tolerance)
    if isinstance(expected, Number) and isinstance(got, Number):
        return _tensors(*(torch.tensor(value, dtype=torch.float64) for value in (got, expected)), tolerance)
    if isinstance(expected, int) and not isinstance(expected, bool):
        same = _as_int(got) == expected
    else:
        same = type(got) is type(expected) and got == expected
    return None if same else _told_apart(got, expected)


def _told_apart(got: Any, expected: Any) -> str:
    """What two values that are not equal are; where that is the same kind of thing, what is in them."""
    said = describe(got), describe(expected)
    if said[0] == said[1]:
        said = _spelled(got), _spelled(expected)
        sequences = isinstance(got, (list, tuple)) and isinstance(expected, (list, tuple))
        if sequences and len(got) != len(expected):
            return (
                f"got {len(got)} items, {shortened(said[0])}, expected {len(expected)}, {shortened(said[1])}"
            )
        if sequences and max(map(len, said)) > LONGEST:
            pairs = enumerate(zip(got, expected, strict=True))
            place, (one, other) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
            return f"at [{place}] {_told_apart(one, other)}"
    return f"got {said[0]}, expected {said[1]}"


def _first(got: Any, expected: dict, tolerance: float) -> str | None:
    missing = None
    for key, value in expected.items():
        if not isinstance(got, dict) or key not in got:
            missing = missing or f"{key}: missing"
            if isinstance(value, Fact):
                continue  # a value that differs says more
            return missing
        found = difference(got[key], value, tolerance)
        if found:
            return found if isinstance(value, Fact) else f"{key}: {found}"
    return missing


def _as_int(value: Any) -> int | None:
    if isinstance(value, bool) or (isinstance(value, Tensor) and value.dtype == torch.bool):
        return None
    try:
        return operator.index(value)  # an int, or a whole number of torch or NumPy
    except (TypeError, RuntimeError):
        return None


def _tensors(got: Any, expected: Tensor, tolerance: float) -> str | None:
    if not isinstance(got, Tensor) or got.layout != torch.strided:
        return f"got {describe(got)}, expected {describe(expected)}"
    if got.shape != expected.shape:
        return f"got shape {list(got.shape)}, expected {_shape(expected)}"
    if got.dtype != expected.dtype:
        return f"got dtype {_dtype(got)}, expected {_dtype(expected)}"
    got, expected = got.detach().cpu(), expected.detach().cpu()
    if expected.is_floating_point():
        finite = expected[expected.isfinite()].abs()
        scale = max(finite.max().item() if finite.numel() else 0.0, 0.01)
        same = torch.isclose(got, expected, rtol=0.0, atol=tolerance * scale, equal_nan=True)
    else:
        same = got == expected
    if same.all():
        return None
    if expected.numel() <= SHORT:
        return f"got {numbers(got)}, expected {numbers(expected)}"
    place = tuple((~same).nonzero()[0].tolist())
    return (
        f"{int((~same).sum())} of {same.numel()} values differ; the first, at {list(place)}, "
        f"is {numbers(got[place])}, expected {numbers(expected[place])}"
    )


def describe(value: Any) -> str:
    """A value in a few words, e.g. ``"a tensor of shape [4, 2], float32"``."""
    if isinstance(value, Tensor):
        if value.ndim == 0 and value.layout == torch.strided:
            return f"a scalar tensor of {numbers(value)}, {_dtype(value)}"
        return f"a tensor of shape {list(value.shape)}, {_dtype(value)}"
    if value is None:
        return "none"
    if isinstance(value, Spelled):
        return shortened(value)
    if isinstance(value, str):
        return shortened(repr(value))
    if isinstance(value, Number):
        return f"the number {numbers(torch.tensor(value, dtype=torch.float64))}"
    if isinstance(value, bool) or type(value) in (int, float):
        return f"the Python {type(value).__name__} {shortened(_written(value))}"
    if getattr(value, "shape", None) == () and hasattr(value, "dtype"):  # a number of NumPy
        return f"{article(type(value).__name__)} of {value}"
    return article(type(value).__name__)


def _spelled(value: Any) -> str:
    try:
        return shortened(repr(value))
    except ValueError:  # a number of thousands of digits is in it
        return describe(value)


def _written(value: float) -> str:
    try:
        return str(value)
    except ValueError:  # Python does not write integers of thousands of digits
        return "of thousands of digits"


def article(name: str) -> str:
    """A type's name with its article, e.g. ``"an int64"``."""
    return f"{'an' if name[:1].lower() in 'aeio' or name.startswith('nd') else 'a'} {name}"


def shortened(text: str, longest: int = LONGEST) -> str:
    """The beginning of a long text, and how much is left out."""
    return text if len(text) <= longest else f"{text[:longest]} ... ({len(text) - longest:,} more characters)"


def numbers(value: Tensor) -> str:
    """The numbers of a small tensor to four decimals, or digits where they are large or small, in nested lists."""
    if value.ndim:
        return f"[{', '.join(numbers(part) for part in value)}]"
    number = value.item()
    return f"{number:.4f}" if isinstance(number, float) and 1e-3 <= abs(number) < 1e9 else f"{number:.4g}"


def _shape(value: Tensor) -> str:
    return f"{list(value.shape)}" + ("" if value.ndim else " (a scalar)")


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
