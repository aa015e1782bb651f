"""Numbers from the ledger: the role `result` and the directive `results`.

    SimCLR reaches {result}`self_supervised/contrastive/simclr_probe_100` with 100 labels.

    ```{results} self_supervised/contrastive/
    ```

An unknown name is a warning, and so fails the build. While the ledger is empty, each place says
"not measured yet".
"""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from fmlib.results.ledger import format_entry

LOGGER = logging.getLogger(__name__)
LEDGERS = ("book/results.json", "benchmarks/results.json")
NOT_YET = "not measured yet"


class result_value(nodes.inline):
    """A number of the ledger, marked with its name so that a test can compare the two."""


def read_ledger(root: Path) -> dict[str, dict]:
    """All entries of the book's ledgers by name."""
    entries = {}
    for relative in LEDGERS:
        path = root / relative
        if path.exists():
            entries |= json.loads(path.read_text(encoding="utf-8"))
    return entries


def value_node(name: str, text: str) -> result_value:
    node = result_value("", "", nodes.Text(text), classes=["fmlib-result"])
    node["name"] = name
    return node


class ResultRole(SphinxRole):
    """Insert one number of the ledger by name."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        root = Path(self.config.fmlib_root)
        for relative in LEDGERS:
            self.env.note_dependency(str(root / relative))
        name, ledger = self.text, read_ledger(root)
        if name in ledger:
            return [value_node(name, format_entry(ledger[name]))], []
        if ledger:
            LOGGER.warning(
                "the ledger has no result %r: names like it are %s",
                name,
                ", ".join(known for known in ledger if known.split("/")[0] == name.split("/")[0]) or "none",
                location=self.get_location(),
            )
        return [nodes.inline("", NOT_YET, classes=["fmlib-not-measured"])], []


class ResultsTable(SphinxDirective):
    """A table of all entries whose name starts with the argument."""

    required_arguments = 1
    columns = ("Result", "Value", "Scale", "Ran on", "Seconds", "Date")

    def run(self) -> list[nodes.Node]:
        root, prefix = Path(self.config.fmlib_root), self.arguments[0]
        for relative in LEDGERS:
            self.env.note_dependency(str(root / relative))
        ledger = read_ledger(root)
        chosen = {name: entry for name, entry in sorted(ledger.items(), key=order) if name.startswith(prefix)}
        if not chosen:
            if ledger:
                LOGGER.warning("the ledger has no result below %r", prefix, location=self.get_location())
            return [nodes.paragraph("", f"What is below {prefix} is {NOT_YET}.")]
        rows = [self.cells(name, name.removeprefix(prefix), entry) for name, entry in chosen.items()]
        return [table(self.columns, rows)]

    def cells(self, name: str, label: str, entry: dict) -> tuple:
        seconds = entry.get("seconds")
        return (
            nodes.literal("", label),
            value_node(name, format_entry(entry)),
            entry.get("scale", ""),
            entry.get("device", ""),
            "" if seconds is None else f"{seconds:,.0f}",
            entry.get("date", ""),
        )


def order(item: tuple[str, dict]) -> list:
    """Sort names as people count: `probe_1000` after `probe_100`, and method by method."""
    return [int(part) if part.isdigit() else 0 for part in item[0].split("_")[-1:]] + [item[0]]


def table(columns: Sequence[str], rows: Sequence[Sequence]) -> nodes.table:
    """A table of texts and inline nodes."""
    group = nodes.tgroup("", cols=len(columns))
    group += [nodes.colspec(colwidth=1) for _ in columns]
    group += nodes.thead("", row(columns))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return nodes.table("", group, classes=["fmlib-results"])


def row(cells: Sequence) -> nodes.row:
    """A row of a table, one paragraph a cell."""
    inline = [nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells]
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", node)) for node in inline))


def visit_result(self: object, node: result_value) -> None:
    self.body.append(f'<span class="fmlib-result" data-name="{escape(node["name"])}">')


def depart_result(self: object, node: result_value) -> None:
    self.body.append("</span>")


def visit_other(self: object, node: result_value) -> None:
    """Other formats print the bare text."""


def setup(app: Sphinx, root: Path) -> None:
    app.add_config_value("fmlib_root", str(root), "env")
    app.add_node(result_value, html=(visit_result, depart_result), text=(visit_other, visit_other))
    app.add_role("result", ResultRole())
    app.add_directive("results", ResultsTable)
