"""The lines under a notebook page's title: where to run it, and the run that its outputs come from."""

import json
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
RECORD = "application/vnd.fmlib.result+json"  # as fmlib.results.ledger.record writes it
STAMP_KEYS = ("source", "scale", "device", "seconds", "date", "peak_mb")


def stamp_line(stamp: dict) -> str:
    """The sentence that says what the stored outputs come from."""
    return (
        f"Ran on {stamp['device']} at scale {stamp['scale']} in {stamp['seconds']:,.0f} s, "
        f"peak {stamp['peak_mb']:,.0f} MB, on {stamp['date']}."
    )


def badges(docname: str, config: Config) -> list[tuple[str, str]]:
    """(text, link) of each badge; the two that need the repository's address are left out without one."""
    links = []
    if config.fmlib_repository:
        path = "/".join(config.fmlib_repository.split("/")[-2:])
        branch, lab = config.fmlib_branch, f"urlpath=lab/tree/{docname}.ipynb"
        links.append(("Open in Colab", f"{config.fmlib_colab}/github/{path}/blob/{branch}/{docname}.ipynb"))
        links.append(("Open in Binder", f"{config.fmlib_binder}/v2/gh/{path}/{branch}?{lab}"))
    # Sphinx copies each page's source to _sources: the stored notebook, outputs included.
    up = "../" * docname.count("/")
    return [*links, ("Download the notebook", f"{up}_sources/{docname}.ipynb")]


def header_html(stamp: dict, links: list[tuple[str, str]]) -> str:
    """The badges and the stamp as HTML; every page that holds a notebook starts with it."""
    items = ""
    for text, link in links:
        download = " download" if text.startswith("Download") else ""
        items += f'<li><a href="{escape(link)}"{download}>{escape(text)}</a></li>'
    source = escape(str(stamp["source"]))
    return (
        '<div class="fmlib-notebook-header">\n'
        f'<ul class="fmlib-badges" aria-label="Run this notebook">{items}</ul>\n'
        f'<p class="fmlib-stamp" data-source="{source}">{escape(stamp_line(stamp))}</p>\n</div>'
    )


def add_header(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put badges and stamp under the title of each page that comes from a notebook."""
    path = Path(app.env.doc2path(docname))
    if path.suffix != ".ipynb" or app.builder.format != "html":
        return
    stamp = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("fmlib", {})
    missing = [key for key in STAMP_KEYS if key not in stamp]
    if missing:
        LOGGER.warning(
            "%s.ipynb has no %s in its stamp: run it with `make run NOTEBOOK=%s.ipynb`",
            docname,
            ", ".join(missing),
            docname,
        )
        return
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is None:
        LOGGER.warning("%s.ipynb has no title: start its first cell with `# ...`", docname)
        return
    header = header_html(stamp, badges(docname, app.config))
    section = title.parent
    section.insert(section.index(title) + 1, nodes.raw("", header, format="html"))


def mark_results(app: Sphinx, docname: str, source: list[str]) -> None:
    """Mark the numbers that a notebook recorded with their names, like those in the prose.

    Pages know nothing of the record's own mime type, so it is dropped from what they read; the file keeps it.
    """
    if Path(app.env.doc2path(docname)).suffix != ".ipynb" or RECORD not in source[0]:
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            entry = output.get("data", {}).pop(RECORD, None)
            if entry is not None and "text/html" in output["data"]:
                mark = f'<strong class="fmlib-result" data-name="{escape(entry["name"])}">'
                output["data"]["text/html"] = "".join(output["data"]["text/html"]).replace("<strong>", mark)
    source[0] = json.dumps(notebook)


def setup(app: Sphinx, colab: str, binder: str) -> None:
    app.add_config_value("fmlib_colab", colab, "html")
    app.add_config_value("fmlib_binder", binder, "html")
    app.connect("source-read", mark_results)
    app.connect("doctree-resolved", add_header)
