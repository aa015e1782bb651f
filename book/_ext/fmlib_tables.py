"""Tables that are read from files: the software that the site includes, and the side-by-side timings."""

import json
from pathlib import Path

from docutils import nodes
from fmlib_results import NOT_YET, table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

VENDORED = "book/static/vendor/vendor.json"
BENCHMARKS = "benchmarks/results.json"


class FileTable(SphinxDirective):
    """A table made from a JSON file; the page is built again when the file changes."""

    source = ""

    def load(self) -> dict[str, dict]:
        path = Path(self.config.fmlib_root) / self.source
        self.env.note_dependency(str(path))
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


class Vendored(FileTable):
    """What other projects' software the site includes, with version and license."""

    source = VENDORED

    def run(self) -> list[nodes.Node]:
        rows = [
            (name, entry["version"], entry["license"].strip("()"), entry["use"])
            for name, entry in sorted(self.load().items())
            if any(path.startswith("book/static/") for path in entry["files"])
        ]
        return [table(("Package", "Version", "License", "What for"), rows)]


class Benchmarks(FileTable):
    """Our parts beside those of the reference libraries, as `make bench` measured them."""

    source = BENCHMARKS

    def run(self) -> list[nodes.Node]:
        entries = self.load()
        if not entries:
            return [nodes.paragraph("", f"The parts are {NOT_YET}.")]
        rest = [key for entry in entries.values() for key in entry if key != "what"]
        # The last columns may have to be scrolled to.
        columns = list(dict.fromkeys(("ratio", "peer", *rest, "what")))
        rows = [
            (name.removeprefix("bench/"), *(cell(entry.get(column, "")) for column in columns))
            for name, entry in sorted(entries.items())
        ]
        return [table(("part", *(column.replace("_", " ") for column in columns)), rows)]


def cell(value: object) -> str:
    """A value of the JSON file as a table shows it: three significant digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def setup(app: Sphinx) -> None:
    app.add_directive("vendored", Vendored)
    app.add_directive("benchmarks", Benchmarks)
