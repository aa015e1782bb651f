"""The ledger of results: every headline number is recorded by the run that produced it.

`record` shows a result and keeps it in the cell's output; the tool that executes the notebooks gathers those outputs
into `book/results.json`, from which pages and tables take their numbers. Nobody types them.
"""

import datetime
import json
import math
import os
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmlib import scale
from fmlib._files import atomic_write_text
from fmlib.viz import HTML

MIME = "application/vnd.fmlib.result+json"
PACKAGE = Path(__file__).parent.parent
_NAME = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)+")


class Recorded(HTML):
    """A result as a notebook shows it; `entry` is what the ledger keeps."""

    def __init__(self, name: str, entry: dict[str, Any]) -> None:
        text = f"{name}: {format_entry(entry)}"
        super().__init__(f"<p><code>{name}</code>: <strong>{format_entry(entry)}</strong></p>", text)
        self.name, self.entry = name, entry

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            "text/plain": self.text,
            "text/html": self.markup,
            MIME: {"name": self.name, **self.entry},
        }


def summarize(
    runs: float | Sequence[float], unit: str = "", seconds: float | None = None, device: str | None = None
) -> dict[str, Any]:
    """Mean and spread of repeated runs, with what they ran on.

    Args:
        runs: one number, or one for each seed.
        unit: e.g. ``"%"``.
        seconds: what all of them took together.
        device: what they ran on; what is used now by default.

    Returns:
        mean, std (sample standard deviation; 0 for one run), n, runs, unit, scale, device, seconds, date.

    Raises:
        ValueError: no runs, or a number that is not finite.
    """
    values = [float(runs)] if isinstance(runs, (int, float)) else [float(r) for r in runs]
    if not values or not all(math.isfinite(v) for v in values):
        raise ValueError(f"runs are {values}: expected at least one, all finite")
    return {
        "mean": round(statistics.fmean(values), 4),
        "std": round(statistics.stdev(values), 4) if len(values) > 1 else 0.0,
        "n": len(values),
        "runs": [round(v, 4) for v in values],
        "unit": unit,
        "scale": scale.name(),
        "device": scale.device_name() if device is None else device,
        "seconds": None if seconds is None else round(seconds, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def record(
    name: str, runs: float | Sequence[float], unit: str = "", seconds: float | None = None
) -> Recorded:
    """Show a result and keep it for the ledger. Must be shown: the last line of a cell, or given to `display`.

    Args:
        name: words with slashes, e.g. ``"self_supervised/contrastive/simclr_probe_100"``.
        runs: one number, or one for each seed.
        unit: e.g. ``"%"``.
        seconds: what all of them took together.

    Raises:
        ValueError: a name of another form, no runs, or a number that is not finite.
    """
    check_name(name)
    return Recorded(name, summarize(runs, unit, seconds))


def check_name(name: str) -> None:
    """Refuse a name that is not lowercase words joined by slashes."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"name is {name!r}: expected lowercase words joined by slashes, e.g. 'chapter/lesson/what'"
        )


def format_entry(entry: dict[str, Any]) -> str:
    """An entry in words, e.g. ``"75.0 % (±0.6, 3 runs)"``."""
    unit = f" {entry['unit']}" if entry["unit"] else ""
    digits = 1 if abs(entry["mean"]) >= 10 else 2
    if entry["n"] == 1:
        return f"{entry['mean']:.{digits}f}{unit} (1 run)"
    return f"{entry['mean']:.{digits}f}{unit} (±{entry['std']:.{digits}f}, {entry['n']} runs)"


def format_number(value: float, unit: str) -> str:
    """A number of a table: per cent with one decimal, all else with two."""
    return f"{value:.{1 if unit == '%' else 2}f}"


def format_cell(entry: dict[str, Any]) -> str:
    """An entry in a table whose caption has unit and number of runs, e.g. ``"75.0 ± 0.6"``."""
    return " ± ".join(format_number(entry[key], entry["unit"]) for key in ("mean", "std"))


def path() -> Path:
    """Where results are written: beside the book in a clone, else, once installed, under ``runs`` in the current folder.

    The environment variable FMLIB_LEDGER names another file.
    """
    given = os.environ.get("FMLIB_LEDGER")
    if given:
        return Path(given)
    beside = PACKAGE.parent / "book" / "results.json"
    return beside if beside.exists() else Path("runs/results.json")


def results(prefix: str = "") -> dict[str, dict[str, Any]]:
    """The entries whose names start with a prefix, by name; once installed, the book's with one's own over them.

    Raises:
        ValueError: the ledger is not JSON; names the file.
    """
    own, entries = path(), {}
    shipped = PACKAGE / "results.json"
    for where in (shipped, own) if own == Path("runs/results.json") else (own,):
        if where.exists():
            entries |= _read(where)
    return {name: entries[name] for name in sorted(entries) if name.startswith(prefix)}


def write(entries: dict[str, dict[str, Any]]) -> None:
    """Put entries into the ledger, over what stands there under the same names.

    Those of scale `smoke`, which proves that something runs and no more, are left out, except where FMLIB_LEDGER names the
    file.
    """
    for name in entries:
        check_name(name)
    if not os.environ.get("FMLIB_LEDGER"):
        entries = {name: entry for name, entry in entries.items() if entry["scale"] != "smoke"}
    if not entries:
        return
    own = path()
    merged = (_read(own) if own.exists() else {}) | entries
    text = json.dumps({name: merged[name] for name in sorted(merged)}, indent=1, ensure_ascii=False)
    atomic_write_text(own, text + "\n")


def _read(where: Path) -> dict[str, dict[str, Any]]:
    try:
        return json.loads(where.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{where} is not JSON ({error}): restore it from version control") from error


def gather(cells: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The results recorded in a notebook's outputs, by name.

    Raises:
        ValueError: the same name twice.
    """
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        for output in cell.get("outputs", []):
            entry = output.get("data", {}).get(MIME)
            if entry is None:
                continue
            entry = dict(entry)
            name = entry.pop("name")
            if name in found:
                raise ValueError(f"{name} is recorded twice: every result has a name of its own")
            found[name] = entry
    return found
