"""What a check looks at where functions take and return lists: their content, spelled out, whatever holds it."""

import copy
import operator
from collections.abc import Mapping
from typing import Any

from fmlib.exercises.compare import describe
from fmlib.exercises.observe import Notes


def spell(value: Any) -> Any:
    """A list, tuple or row of numbers or words as one line, e.g. ``"[97, 256]"``; anything else as `describe` has it."""
    if hasattr(value, "tolist"):  # torch, NumPy
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return describe(value)
    return f"[{', '.join(_spell_one(item) for item in value)}]"


def _spell_one(item: Any) -> str:
    if isinstance(item, str):
        return repr(item)
    try:
        return str(operator.index(item))
    except TypeError:
        return describe(item)


def watch_list(function, inputs: dict[str, Any]) -> Notes:
    """The list that a function returns, and whether it left its inputs alone."""
    before = copy.deepcopy(inputs)
    result = spell(function(*inputs.values()))
    return {"the result": result, **_unchanged(inputs, before)}


def watch_counts(function, inputs: dict[str, Any]) -> Notes:
    """The counts that a function returns, by pair; a pair with the count 0 is as good as none."""
    before = copy.deepcopy(inputs)
    result = function(*inputs.values())
    if isinstance(result, Mapping):
        rows = sorted((spell(pair), spell([count])[1:-1]) for pair, count in result.items() if count != 0)
        result = ", ".join(f"{pair}: {count}" for pair, count in rows) or "no pairs"
    return {"the counts": describe(result), **_unchanged(inputs, before)}


def _unchanged(inputs: dict[str, Any], before: dict[str, Any]) -> Notes:
    changed = [name for name in inputs if inputs[name] != before[name]]
    return {"the inputs that were changed in place": ", ".join(changed) or "none"}
