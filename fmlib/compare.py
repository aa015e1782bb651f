"""Comparisons that do not fit into a lesson's minutes: many runs, each row kept as soon as it is whole.

``python -m fmlib.compare contrastive`` runs every row of a comparison with every seed. What is done is not done again,
also after a kill; a row whose seeds are all there goes into the ledger. A lesson shows the table and computes any one
row live.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fmlib import ledger, scale
from fmlib._files import atomic_write_text
from fmlib.viz import HTML

WHERE = {
    "contrastive": "fmlib.self_supervised.contrastive"
}  # comparison -> the module that has it as COMPARISON


@dataclass(frozen=True)
class Comparison:
    """Rows that are measured alike.

    Args:
        prefix: of the ledger names, e.g. ``"self_supervised/contrastive"``.
        rows: row -> function of a seed that trains, measures, and returns result name -> number.
        unit: of all numbers.
        seeds: how many.
        version: raise it when a change of the code makes old rows incomparable.
    """

    prefix: str
    rows: Mapping[str, Callable[[int], dict[str, float]]]
    unit: str = "%"
    seeds: int = 3
    version: int = 1


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
        again: forget what is done and compute it anew.
        folder: where finished seeds are kept; ``runs/compare`` by default.
        say: told what happens.

    Returns:
        The ledger entries of all rows that are whole.

    Raises:
        ValueError: an unknown comparison or row.
    """
    comparison = load(what)
    chosen = list(comparison.rows) if rows is None else rows
    unknown = [row for row in chosen if row not in comparison.rows]
    if unknown:
        raise ValueError(f"{what} has no row {unknown[0]!r}: expected some of {', '.join(comparison.rows)}")
    keep = Path(folder or "runs/compare") / f"{what}-{scale.name()}-v{comparison.version}"
    whole: dict[str, dict] = {}
    for row in chosen:
        done = []
        for seed in range(comparison.seeds):
            file = keep / f"{row}-{seed}.json"
            if file.exists() and not again:
                done.append(json.loads(file.read_text()))
                say(f"{row}, seed {seed}: kept")
                continue
            start = time.perf_counter()
            numbers = comparison.rows[row](seed)
            seconds = time.perf_counter() - start
            done.append({"numbers": numbers, "seconds": seconds, "device": scale.device_name()})
            atomic_write_text(file, json.dumps(done[-1]))
            told = ", ".join(f"{name} {value:.1f}" for name, value in numbers.items())
            say(f"{row}, seed {seed}: {told} ({seconds:.0f} s)")
        entries = {
            f"{comparison.prefix}/{name}": ledger.summarize(
                [d["numbers"][name] for d in done], comparison.unit, sum(d["seconds"] for d in done)
            )
            for name in done[0]["numbers"]
        }
        ledger.write(entries)
        whole |= entries
    return whole


def table(
    what: str, metrics: Mapping[str, str], rows: Mapping[str, str], live: Mapping[str, Mapping] | None = None
) -> HTML:
    """The ledger's numbers as a table, with a row computed live beside the stored one.

    Args:
        what: name of the comparison.
        metrics: what a result's name ends in -> the column's title, e.g. ``{"_probe_100": "100 labels"}``.
        rows: what a result's name starts with -> the row's title.
        live: row -> result name -> number, as a row's function returns it.
    """
    comparison = load(what)
    known = ledger.results(comparison.prefix + "/")
    head = "".join(f'<th scope="col">{title}</th>' for title in metrics.values())
    body, lines = [], []
    for row, title in rows.items():
        cells = []
        for ending in metrics:
            name = f"{comparison.prefix}/{row}{ending}"
            entry = known.get(name)
            shown = f"{entry['mean']:.1f} ± {entry['std']:.1f}" if entry else "not yet run"
            cells.append(f'<td><span class="fmlib-result" data-name="{name}">{shown}</span></td>')
            lines.append(f"{title}{ending}: {shown}")
        body.append(f'<tr><th scope="row">{title}</th>{"".join(cells)}</tr>')
        if live and row in live:
            values = [live[row].get(f"{row}{ending}") for ending in metrics]
            shown = "".join(f"<td>{v:.1f}</td>" if v is not None else "<td></td>" for v in values)
            body.append(f'<tr><th scope="row"><em>{title}, just now</em></th>{shown}</tr>')
    took = sum({e["seconds"]: e["seconds"] for e in known.values() if e["seconds"]}.values())
    runs = max((e["n"] for e in known.values()), default=0)
    device = next((e["device"] for e in known.values()), "nothing yet")
    caption = (
        f"{comparison.unit} right, mean ± standard deviation of {runs} seeds; "
        f"all rows took {took / 60:.0f} min on {device}."
    )
    markup = (
        f'<table class="fm-table"><caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )
    return HTML(markup, "\n".join([caption, *lines]))


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fmlib.compare", description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="?", choices=list(WHERE), help="which comparison; all of them by default"
    )
    parser.add_argument("--rows", nargs="+", help="only these rows")
    parser.add_argument("--again", action="store_true", help="compute anew what is done already")
    given = parser.parse_args(arguments)
    for what in [given.what] if given.what else WHERE:
        try:
            run(what, given.rows, given.again, say=lambda line: print(line, flush=True))
        except ValueError as error:
            parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
