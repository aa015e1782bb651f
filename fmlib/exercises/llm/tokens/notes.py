"""What a check looks at where functions take and return lists: their content, spelled out, whatever holds it."""

import operator
from collections.abc import Mapping
from typing import Any

from fmlib.exercises.compare import Fact, Spelled, describe
from fmlib.exercises.observe import Notes


def spell(value: Any) -> Any:
    """A list, tuple or row of numbers or words as one line, e.g. ``"[97, 256]"``; anything else as it is."""
    if hasattr(value, "tolist"):  # torch, NumPy
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return value
    return Spelled(f"[{', '.join(_spell_one(item) for item in value)}]")


def _spell_one(item: Any) -> str:
    if isinstance(item, str):
        return repr(item)
    try:
        return str(operator.index(item))
    except TypeError:
        return describe(item)


def watch_list(function, inputs: dict[str, Any]) -> Notes:
    """The list that a function returns, and whether it is a new one."""
    result = function(*inputs.values())
    same = any(result is value for value in inputs.values())
    return {
        "the result": spell(result),
        "whether the result is an input itself": Fact(
            same, "you return an input itself; make a new list", "what you return is a new list"
        ),
    }


def watch_counts(function, inputs: dict[str, Any]) -> Notes:
    """The counts that a function returns, by pair; a pair with the count 0 is as good as none."""
    result = function(*inputs.values())
    if isinstance(result, Mapping):
        rows = sorted(
            (spell(pair) if isinstance(pair, tuple) else describe(pair), _spell_one(count))
            for pair, count in result.items()
            if count != 0
        )
        result = Spelled(", ".join(f"{pair}: {count}" for pair, count in rows) or "no pairs")
    return {"the counts": result}
