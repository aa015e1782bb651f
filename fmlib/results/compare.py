"""Comparisons that do not fit into a lesson's minutes: many runs, each row kept as soon as it is whole.

``python -m fmlib.results contrastive`` runs every row of a comparison with every seed. What is done is not done
again, also after a kill; a row whose seeds are all there goes into the ledger. A lesson shows the table and computes any
one row live.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fmlib import commands, scale
from fmlib._files import atomic_write_text
from fmlib.results import ledger
from fmlib.viz import HTML

WHERE = {
    "self_supervised": "fmlib.self_supervised.comparison.experiments",
    "contrastive": "fmlib.self_supervised.contrastive.experiments",
    "pretraining": "fmlib.llm.pretraining.experiments",
    "family": "fmlib.llm.family.ladder",
}  # comparison -> the module that has it as COMPARISON


@dataclass(frozen=True)
class Comparison:
    """Rows that are measured alike.

    Args:
        prefix: of the ledger names, e.g. ``"self_supervised/contrastive"``.
        rows: row -> function of a seed that trains, measures, and returns result name -> number.
        unit: of all numbers, but for those whose name ends in one of `units`.
        units: ending of a result name -> unit.
        measured: what the numbers are, for the caption of a table.
        seeds: how many.
        version: raise it when a change of the code makes old rows incomparable.
    """

    prefix: str
    rows: Mapping[str, Callable[[int], dict[str, float]]]
    unit: str = "%"
    units: Mapping[str, str] = field(default_factory=dict)
    measured: str = "% right"
    seeds: int = 3
    version: int = 1

    def unit_of(self, name: str) -> str:
        """The unit of a result."""
        return next((unit for ending, unit in self.units.items() if name.endswith(ending)), self.unit)


def load(what: str) -> Comparison:
    """A comparison by name.

    Raises:
        ValueError: an unknown name; lists the known ones.
    """
    if what not in WHERE:
        raise ValueError(f"there is no comparison {what!r}: expected one of {', '.join(WHERE)}")
    return importlib.import_module(WHERE[what]).COMPARISON


def run(
    what: str,
    rows: list[str] | None = None,
    again: bool = False,
    folder: str | os.PathLike | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, dict]:
    """Compute what is missing of a comparison, seed by seed.

    Args:
        what: name of the comparison.
        rows: only these.
        again: forget what is done and compute it anew. The ledger gets whole rows, but none of scale `smoke`.
        folder: where finished seeds are kept; ``runs/compare`` by default.
        say: told what happens.

    Returns:
        The ledger entries of all rows that are whole.

    Raises:
        ValueError: an unknown comparison or row.
    """
    comparison = load(what)
    chosen = list(comparison.rows) if rows is None else rows
    _check_rows(what, comparison, chosen)
    keep = Path(folder or "runs/compare") / f"{what}-{scale.name()}-v{comparison.version}"
    whole: dict[str, dict] = {}
    for row in chosen:
        done = []
        for seed in range(comparison.seeds):
            file = keep / f"{row}-{seed}.json"
            if file.exists() and not again:
                done.append(_kept(file))
                say(f"{row}, seed {seed}: kept")
                continue
            start = time.perf_counter()
            numbers = comparison.rows[row](seed)
            seconds = time.perf_counter() - start
            done.append({"numbers": numbers, "seconds": seconds, "device": scale.device_name()})
            atomic_write_text(file, json.dumps(done[-1]))
            told = ", ".join(
                f"{k} {ledger.format_number(v, comparison.unit_of(k))}" for k, v in numbers.items()
            )
            say(f"{row}, seed {seed}: {told} ({seconds:.0f} s)")
        seconds = sum(d["seconds"] for d in done)
        # A seed may have been kept from an earlier run, on another machine.
        device = " and ".join(dict.fromkeys(d["device"] for d in done))
        entries = {
            f"{comparison.prefix}/{name}": ledger.summarize(
                [d["numbers"][name] for d in done], comparison.unit_of(name), seconds, device
            )
            for name in done[0]["numbers"]
        }
        known = ledger.results(comparison.prefix + "/")
        others = {known[name]["scale"] for name in entries if name in known} - {scale.name()}
        ledger.write(entries)
        if scale.name() == "smoke" and not os.environ.get("FMLIB_LEDGER"):
            say(f"{row}: not written into the ledger, since scale smoke shows no more than that it runs")
        elif others:
            say(f"{row}: the ledger had it at scale {' and '.join(sorted(others))}, now it is {scale.name()}")
        whole |= entries
    return whole


def _check_rows(what: str, comparison: Comparison, rows: Sequence[str]) -> None:
    unknown = [row for row in rows if row not in comparison.rows]
    if unknown:
        raise ValueError(f"{what} has no row {unknown[0]!r}: expected some of {', '.join(comparison.rows)}")


def _kept(file: Path) -> dict:
    """A finished seed.

    Raises:
        ValueError: it is damaged; names the file.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {name: found[name] for name in ("numbers", "seconds", "device")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({error}): remove it, and that seed is computed anew") from error


def table(
    what: str,
    rows: Mapping[str, Sequence[str | None]],
    columns: Sequence[str],
    live: Mapping[str, Sequence[float | None]] | None = None,
) -> HTML:
    """The ledger's numbers as a table, with rows computed live below the stored ones.

    Args:
        what: name of the comparison.
        rows: title -> result names without the comparison's prefix, one for each column; None leaves a cell empty.
        columns: their titles.
        live: title of a row -> its numbers as just computed; None leaves a cell empty.

    Raises:
        ValueError: a row whose length is not that of the columns, or a live row without a stored one.
    """
    comparison, live = load(what), live or {}
    for title, values in [*rows.items(), *live.items()]:
        if len(values) != len(columns):
            raise ValueError(
                f"row {title!r} has {len(values)} entries: expected {len(columns)}, one a column"
            )
    unknown = [title for title in live if title not in rows]
    if unknown:
        raise ValueError(f"live row {unknown[0]!r} is none of {', '.join(rows)}")
    known = ledger.results(comparison.prefix + "/")
    entries = {
        title: [known.get(f"{comparison.prefix}/{name}") for name in names] for title, names in rows.items()
    }
    every = [entry for row in entries.values() for entry in row if entry]
    mixed = len({entry["scale"] for entry in every}) > 1
    body, lines, used = [], [], []
    for title, names in rows.items():
        cells, told = [], []
        for name, entry in zip(names, entries[title], strict=True):
            shown = "" if name is None else ledger.format_cell(entry) if entry else "not yet run"
            used += [entry] if entry else []
            marked = f'<span class="fmlib-cell" data-name="{comparison.prefix}/{name}">{shown}</span>'
            cells.append(f"<td>{marked if shown else ''}</td>")
            told.append(shown)
        found = [entry for entry in entries[title] if entry]
        at = f" (scale {' and '.join(_different(found, 'scale'))})" if mixed and found else ""
        body.append(f'<tr><th scope="row">{title}{at}</th>{"".join(cells)}</tr>')
        lines.append(f"{title}{at}: {', '.join(each for each in told if each)}")
        if title in live:
            told = [
                "" if value is None else ledger.format_number(value, comparison.unit_of(name or ""))
                for value, name in zip(live[title], names, strict=True)
            ]
            shown = "".join(f"<td>{value}</td>" for value in told)
            body.append(f'<tr><th scope="row"><em>{title}, just now</em></th>{shown}</tr>')
            lines.append(f"{title}, just now: {', '.join(each for each in told if each)}")
    caption = f"{comparison.measured}; mean ± standard deviation"
    if used:
        minutes = sum({(e["seconds"], e["date"]): e["seconds"] for e in used}.values()) / 60
        seeds, scales = max(e["n"] for e in used), _different(used, "scale")
        caption += (
            f" of {seeds} seeds, {minutes:.0f} minutes on {' and '.join(_different(used, 'device'))} at "
        )
        caption += f"scales {' and '.join(scales)}, which do not compare" if mixed else f"scale {scales[0]}"
    head = "".join(f'<th scope="col">{title}</th>' for title in columns)
    markup = (
        f'<table class="fm-table"><caption>{caption}.</caption><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )
    return HTML(markup, "\n".join([caption + ".", *lines]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # who looks into a file of it sees each run as it ends


def _different(entries: Sequence[dict], key: str) -> list[str]:
    return list(dict.fromkeys(entry[key] for entry in entries))


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return commands.run("python -m fmlib.results", lambda: _work(arguments))


def _work(arguments: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m fmlib.results", description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="?", choices=list(WHERE), help="which comparison; all of them by default"
    )
    parser.add_argument("--rows", nargs="+", help="only these rows")
    parser.add_argument("--again", action="store_true", help="compute anew what is done already")
    given = parser.parse_args(arguments)
    try:
        scale.name()
        for what in [given.what] if given.what else WHERE:
            _check_rows(what, load(what), given.rows or ())
    except (ValueError, RuntimeError) as error:
        parser.error(str(error))
    for what in [given.what] if given.what else WHERE:
        try:
            run(what, given.rows, given.again, say=_say)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("what is done is kept: the same command goes on") from None
    return 0
