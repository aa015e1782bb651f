"""What a page makes of a notebook: the lines under its title, set-up folded away, figures with their words, and
widgets that say that they want a running notebook.
"""

import hashlib
import json
import re
from binascii import a2b_base64
from html import escape
from pathlib import Path

from docutils import nodes
from fmlib_widgets import freeze
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
RECORD = "application/vnd.fmlib.result+json"  # as fmlib.results.ledger.record writes it
WORDS_A_MINUTE = 200
SHOW, HIDE = "Set-up: {} (show)", "Set-up: {} (hide)"
STAMP_KEYS = ("source", "scale", "device", "seconds", "date", "peak_mb")


def stamp_line(stamp: dict) -> str:
    """The sentence that says what the stored outputs come from."""
    return (
        f"Ran on {stamp['device']} at scale {stamp['scale']} in {stamp['seconds']:,.0f} s, "
        f"peak {stamp['peak_mb']:,.0f} MB, on {stamp['date']}."
    )


def minutes_line(notebook: dict) -> str:
    """How long a lesson takes: its words, the run behind its outputs, and what its exercises say of themselves."""
    prose = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    seconds = notebook["metadata"]["fmlib"]["seconds"]
    lesson = sum(len(text.split()) for text in prose) / WORDS_A_MINUTE + seconds / 60
    exercises = [int(n) for text in prose for n in re.findall(r"about (\d+) minutes\*", text)]
    line = f"About {max(5, 5 * round(lesson / 5))} minutes to read and run"
    if exercises:
        line += f", and {sum(exercises)} for {len(exercises)} exercises"
    return line + " (estimates)."


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


def where_to_run(docname: str, config: Config) -> list[tuple[str, str]]:
    """(text, link) of each place where the reader gets a running notebook."""
    cloud = [(text.removeprefix("Open "), link) for text, link in badges(docname, config)[:-1]]
    return [*cloud, ("on your machine", "../" * docname.count("/") + "book/setup.html")]


def header_html(stamp: dict, links: list[tuple[str, str]], minutes: str) -> str:
    """The badges and the stamp as HTML; every page that holds a notebook starts with it."""
    items = ""
    for text, link in links:
        download = " download" if text.startswith("Download") else ""
        items += f'<li><a href="{escape(link)}"{download}>{escape(text)}</a></li>'
    source = escape(str(stamp["source"]))
    return (
        '<div class="fmlib-notebook-header">\n'
        f'<ul class="fmlib-badges" aria-label="Run this notebook">{items}</ul>\n'
        f'<p class="fmlib-minutes">{escape(minutes)}</p>\n'
        f'<p class="fmlib-stamp" data-source="{source}">{escape(stamp_line(stamp))}</p>\n</div>'
    )


def finish_notebook(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Words for the figures of each page that comes from a notebook, and badges, minutes and stamp under its title."""
    path = Path(app.env.doc2path(docname))
    if path.suffix != ".ipynb" or app.builder.format != "html":
        return
    notebook = json.loads(path.read_text(encoding="utf-8"))
    stamp = notebook["metadata"].get("fmlib", {})
    missing = [key for key in STAMP_KEYS if key not in stamp]
    if missing:
        LOGGER.warning(
            "%s.ipynb has no %s in its stamp: run it with `make run NOTEBOOK=%s.ipynb`",
            docname,
            ", ".join(missing),
            docname,
        )
        return
    give_figures_their_words(notebook, doctree)
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is None:
        LOGGER.warning("%s.ipynb has no title: start its first cell with `# ...`", docname)
        return
    header = header_html(stamp, badges(docname, app.config), minutes_line(notebook))
    section = title.parent
    section.insert(section.index(title) + 1, nodes.raw("", header, format="html"))


def mark_results(notebook: dict) -> None:
    """Mark the numbers that a notebook recorded with their names, like those in the prose.

    Pages know nothing of the record's own mime type, so it is dropped from what they read; the file keeps it.
    """
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            entry = output.get("data", {}).pop(RECORD, None)
            if entry is not None and "text/html" in output["data"]:
                mark = f'<strong class="fmlib-result" data-name="{escape(entry["name"])}">'
                output["data"]["text/html"] = "".join(output["data"]["text/html"]).replace("<strong>", mark)


def fold_set_up(notebook: dict) -> None:
    """Fold the code above the first section: what installs and imports is not what a lesson opens with."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown" and re.search(r"^## ", "".join(cell["source"]), re.MULTILINE):
            return
        if cell["cell_type"] == "code":
            what = "install the package" if "%pip" in "".join(cell["source"]) else "imports and scale"
            cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), "hide-input"]
            cell["metadata"].setdefault("mystnb", {}).update(
                code_prompt_show=SHOW.format(what), code_prompt_hide=HIDE.format(what)
            )


def give_figures_their_words(notebook: dict, doctree: nodes.document) -> None:
    """A figure that carries its own words (`fmlib.viz.describe`) gives them to the page, before those of its cell."""
    carried = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            words = output.get("metadata", {}).get("image/png", {})
            if "alt" in words:  # the page's file is named by what is in it
                data = a2b_base64("".join(output["data"]["image/png"]))
                carried[hashlib.sha256(data).hexdigest()] = words
    for image in doctree.findall(nodes.image):
        words = carried.get(Path(image["uri"]).stem)
        if words:
            image["alt"] = words["alt"]
            image["classes"] = ["dark-light", f"fm-least-{words['least_width']}"]


def read_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    """Change what a page reads of a notebook; the file itself, which readers download, stays as it is."""
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        return
    notebook = json.loads(source[0])
    mark_results(notebook)
    fold_set_up(notebook)
    for problem in freeze(notebook, where_to_run(docname, app.config)):
        LOGGER.warning("%s.ipynb, %s", docname, problem)
    source[0] = json.dumps(notebook)


def setup(app: Sphinx, colab: str, binder: str) -> None:
    app.add_config_value("fmlib_colab", colab, "html")
    app.add_config_value("fmlib_binder", binder, "html")
    app.connect("source-read", read_notebook)
    app.connect("doctree-resolved", finish_notebook)
