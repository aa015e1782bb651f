"""What every function of the book refuses, said in one way: the argument's name, what came, and what was expected.

One checker for tensors, a few for numbers. Types and shapes cost nothing to look at. Numbers on a GPU do: to read them back
makes it wait, so they are looked at only where asked for, and masks and tokens only on a CPU.
"""

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

Kind = tuple[str, Callable[[torch.dtype], bool]]  # how to say it, and which types are of it
_WHOLE = (
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)
FLOAT: Kind = ("floating-point numbers", lambda dtype: dtype.is_floating_point)
WHOLE: Kind = ("whole numbers", lambda dtype: dtype in _WHOLE)
LONG: Kind = ("torch.long", lambda dtype: dtype == torch.long)
BOOL: Kind = ("torch.bool", lambda dtype: dtype == torch.bool)
MASK: Kind = ("torch.bool, or whole numbers 0 and 1", lambda dtype: dtype == torch.bool or dtype in _WHOLE)
REAL: Kind = ("numbers", lambda dtype: dtype.is_floating_point or dtype in _WHOLE)


def check_tensors(*wanted: tuple[str, Any, Kind, str], finite: bool = False, empty: bool = False) -> None:
    """Refuse tensors of another type or shape, or that do not fit each other.

    Args:
        wanted: name, tensor, kind and axes of each, e.g. ``("z1", z1, FLOAT, "batch dim")``. An axis of the same name has
            the same size in all of them; a number is a size; ``batch|1`` may be 1 as well; ``...`` in front stands for any
            axes.
        finite: refuse infinite numbers and those that are none, in tensors of floats. It makes a GPU wait.
        empty: accept tensors without any number.

    Raises:
        TypeError: no tensor, or one of another type; names it.
        ValueError: another shape, an empty tensor, numbers that are none; names the first.

    Example:
        >>> check_tensors(("x", torch.zeros(2, 3), FLOAT, "batch dim"), ("y", torch.zeros(2, 4), FLOAT, "batch dim"))
        Traceback (most recent call last):
        ValueError: y has shape (2, 4): expected [batch, dim], where dim is 3 as in x
    """
    known: dict[str, tuple[int, str]] = {}  # axis -> size, and whose it is
    for name, tensor, kind, axes in wanted:
        if not isinstance(tensor, Tensor) or not kind[1](tensor.dtype):
            came = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise TypeError(f"{_is(name)} {came}: expected a tensor of {kind[0]} {_shown(axes)}")
        parts, sizes = axes.split(), tuple(tensor.shape)
        if parts[:1] == ["..."]:
            parts, sizes = parts[1:], sizes[max(0, len(sizes) - len(parts) + 1) :]
        if len(sizes) != len(parts):
            raise ValueError(f"{_has(name)} shape {tuple(tensor.shape)}: expected {_shown(axes)}")
        for part, size in zip(parts, sizes, strict=True):
            axis = part.removesuffix("|1")
            if axis.isdigit():
                right, owner = int(axis), None
            else:
                right, owner = known.setdefault(axis, (size, name))
            if size != right and not (size == 1 and axis != part):
                where = "" if owner is None else f", where {axis} is {right} as in {owner}"
                raise ValueError(f"{_has(name)} shape {tuple(tensor.shape)}: expected {_shown(axes)}{where}")
        if not empty and 0 in tensor.shape:
            raise ValueError(f"{_has(name)} shape {tuple(tensor.shape)}: expected {_shown(axes)}, not empty")
        if finite and tensor.is_floating_point():
            check_finite(name, tensor)


def check_finite(name: str, tensor: Tensor) -> None:
    """Refuse numbers that are none: a measure would make something of them. It makes a GPU wait.

    Raises:
        ValueError: says how many there are.
    """
    finite = tensor.isfinite()
    if not bool(finite.all()):
        count = int((~finite).sum())
        raise ValueError(
            f"{_has(name)} {count:,} of {tensor.numel():,} numbers that are nan or infinite: expected finite ones. Has the "
            "model diverged?"
        )


def check_likeliest(logits: Tensor) -> None:
    """Refuse logits of which none is the likeliest: nan, or nothing finite at the top. It makes a GPU wait.

    Args:
        logits: [..., vocab]; minus infinity is a token that must not be taken.

    Raises:
        ValueError: such a row.
    """
    top = logits.detach().amax(dim=-1).flatten().tolist()
    if not all(map(math.isfinite, top)):
        row = next(i for i, value in enumerate(top) if not math.isfinite(value))
        raise ValueError(
            f"logits have nan or nothing finite at the top of row {row}: expected a likeliest token to take. Has the model "
            "diverged?"
        )


def as_mask(name: str, mask: Any, axes: str, *others: tuple[str, Any, Kind, str]) -> Tensor:
    """A mask as torch.bool: every tokenizer gives whole numbers, 1 where there is a token.

    Floats are refused: elsewhere they are added to the logits, so that a mask of 0.0 and 1.0 would hide nothing.

    Args:
        name, mask: what came.
        axes: see `check_tensors`.
        others: tensors whose axes it shares.

    Raises:
        TypeError: neither torch.bool nor whole numbers.
        ValueError: another shape; on a CPU also numbers other than 0 and 1.
    """
    check_tensors(*others, (name, mask, MASK, axes))
    if mask.dtype == torch.bool:
        return mask
    if mask.device.type == "cpu" and not torch.compiler.is_compiling():
        low, high = int(mask.min()), int(mask.max())
        if low < 0 or high > 1:
            raise ValueError(f"{_has(name)} numbers from {low} to {high}: expected 0 and 1, or torch.bool")
    return mask != 0


def check_range(name: str, numbers: Tensor, least: int, most: int) -> None:
    """Refuse whole numbers outside a range; on a CPU only, since to read them back makes a GPU wait.

    Raises:
        ValueError: says from where to where they go.
    """
    if numbers.device.type != "cpu" or torch.compiler.is_compiling() or numbers.numel() == 0:
        return
    low, high = int(numbers.min()), int(numbers.max())
    if low < least or high > most:
        goes = "goes" if _one(name) else "go"
        raise ValueError(f"{name} {goes} from {low} to {high}: expected {least} to {most}")


def check_whole(name: str, value: Any, least: int = 1, most: int | None = None, *, hint: str = "") -> None:
    """Refuse what is no whole number, or out of range.

    Args:
        name, value: what came.
        least, most: both are allowed.
        hint: said in the end, e.g. what is common.

    Raises:
        ValueError: names it.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        reach = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} is {value!r}: expected a whole number {reach}{_hint(hint)}")


def check_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    hint: str = "",
) -> None:
    """Refuse what is no finite number, or out of range.

    Args:
        name, value: what came.
        least, most: allowed themselves.
        above, below: not allowed themselves.
        hint: said in the end, e.g. what is common.

    Raises:
        ValueError: names it.

    Example:
        >>> check_number("temperature", float("nan"), above=0)
        Traceback (most recent call last):
        ValueError: temperature is nan: expected a number above 0
    """
    if (
        isinstance(value, Real)
        and not isinstance(value, bool)
        and _finite(value)
        and (least is None or value >= least)
        and (above is None or value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    ):
        return
    bounds = {"of at least": least, "above": above, "at most": most, "below": below}
    told = " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)
    raise ValueError(
        f"{name} is {value!r}: expected {f'a number {told}' if told else 'a finite number'}{_hint(hint)}"
    )


def check_whole_numbers(
    name: str, values: Any, least: int | None = None, most: int | None = None
) -> tuple[int, ...]:
    """A collection of whole numbers, such as tokens, as a tuple.

    Raises:
        ValueError: no collection, something in it that is no whole number (a text's characters are none), or out of range.
    """
    reach = "" if least is None else f" from {least}" + ("" if most is None else f" to {most}")
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ValueError(f"{_is(name)} {values!r}: expected whole numbers{reach}")
    found = tuple(values.tolist()) if isinstance(values, Tensor) and values.ndim == 1 else tuple(values)
    for value in found:
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or (least is not None and value < least) or (most is not None and value > most):
            raise ValueError(f"{_has(name)} {value!r}: expected whole numbers{reach}")
    return tuple(map(int, found))


def check_sizes(config: Any, *names: str) -> None:
    """Refuse a size that is no positive whole number.

    Args:
        config: with the sizes as attributes.
        names: of the sizes.

    Raises:
        ValueError: names the first such size.
    """
    for name in names:
        size = getattr(config, name)
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name} is {size!r}: expected a positive whole number")


def check_heads(dim: int, heads: int) -> None:
    """Refuse features that heads cannot share out evenly.

    Raises:
        ValueError: names both.
    """
    if dim % heads:
        raise ValueError(f"dim is {dim} and heads is {heads}: expected a dim that heads divides")


def check_dropout(dropout: float) -> None:
    """Refuse a dropout that leaves nothing, or is no share.

    Raises:
        ValueError: names it.
    """
    if not isinstance(dropout, Real) or isinstance(dropout, bool) or not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout!r}: expected a share in [0, 1)")


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _one(name: str) -> bool:
    return not name.endswith("s") or name.endswith("ss")


def _is(name: str) -> str:
    return f"{name} is" if _one(name) else f"{name} are"


def _has(name: str) -> str:
    return f"{name} has" if _one(name) else f"{name} have"


def _hint(hint: str) -> str:
    return f" ({hint})" if hint else ""


def _shown(axes: str) -> str:
    return f"[{', '.join(part.replace('|1', ' or 1') for part in axes.split())}]"
