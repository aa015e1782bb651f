"""Small mends of every page: a description in the head, room for the pictures, and roles that screen readers know."""

import re
from html import escape
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx

LONGEST = 200  # characters; search engines cut descriptions at about 160


def first_paragraph(doctree: nodes.document) -> str:
    """The text of the first paragraph after the title, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) >= 40:
            return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " ..."
    return ""


def add_description(app: Sphinx, pagename: str, template: str, context: dict, doctree: object) -> None:
    """Pages state their description in `html_meta`; for the others it is their first paragraph."""
    tags = context.get("metatags") or ""
    if 'name="description"' in tags:
        return
    description = first_paragraph(doctree) if doctree is not None else ""
    description = description or app.config.fmlib_description
    context["metatags"] = tags + f'\n<meta name="description" content="{escape(description)}" />'


def mend_roles(app: Sphinx, pagename: str, template: str, context: dict, doctree: object) -> None:
    """Entries of a bibliography are the items of a list; the role that Sphinx gives them is deprecated. What is folded
    is called by the words that it shows.
    """
    if "body" in context:
        body = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
        context["body"] = body.replace('<summary aria-label="Toggle hidden content">', "<summary>")


def keep_room_for_pictures(app: Sphinx, pagename: str, template: str, context: dict, doctree: object) -> None:
    """Each picture of a page states its width and height: a late one then moves nothing that stands below it."""
    files = {name: Path(app.srcdir) / source for source, name in app.builder.images.items()}

    def with_size(tag: re.Match) -> str:
        path = files.get(unquote(tag["name"]))
        if path is None or path.suffix == ".svg":  # the style sheet sizes drawings
            return tag[0]
        with Image.open(path) as picture:
            return f'<img width="{picture.width}" height="{picture.height}"{tag["rest"]}'

    if "body" in context:
        context["body"] = re.sub(
            r'<img(?P<rest>(?![^>]* height=)[^>]* src="[^">]*_images/(?P<name>[^">/]+)")',
            with_size,
            context["body"],
        )


def frame_figures(app: Sphinx, pagename: str, template: str, context: dict, doctree: object) -> None:
    """Each figure of a cell stands in a box of its own, which says how narrow it may be shown.

    `fmlib.viz.describe` knows below which width a figure's smallest text would be under 11 pixels; of a figure without
    it we assume labels of 8 points, which need its full width. On a phone the figure then scrolls inside its box.
    """

    def framed(tag: re.Match) -> str:
        least = re.search(r"fm-least-(\d+)", tag[0]) or re.search(r'width="(\d+)"', tag[0])
        return f'<div class="fm-figure" style="--fm-least:{least[1]}px"><div class="fm-scroll">{tag[0]}</div></div>'

    if "body" in context:  # the outputs of cells are named by a hash of what is in them
        context["body"] = re.sub(r'<img [^>]*_images/[0-9a-f]{64}\.\w+"[^>]*>', framed, context["body"])


def setup(app: Sphinx) -> None:
    app.add_config_value("fmlib_description", "", "html")
    app.connect("html-page-context", add_description, priority=600)
    app.connect("html-page-context", mend_roles, priority=600)
    app.connect("html-page-context", keep_room_for_pictures, priority=600)
    app.connect("html-page-context", frame_figures, priority=601)
