"""Citations that lead to their entry, and show it.

A notebook cites with a plain link to the list of references, which also works in JupyterLab:

    [Vaswani et al. 2017](../../book/references.md)                        the authors and the year say which entry
    [Touvron et al. 2023](../../book/references.md#touvron2023llama)       its key, where there are several of one year

Several in one link are told apart by semicolons. A name that is not in the list is a warning, and so fails the build.
Whatever cites, each page carries the entries that it cites, so that they can be shown beside the text.
"""

import json
import re
from html import escape
from pathlib import Path

from docutils import nodes
from pybtex.backends.html import Backend
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

LOGGER = logging.getLogger(__name__)
REFERENCES = "book/references"
LINK = re.compile(
    r"\[(?P<text>[^\]\[]*\d{4}[^\]\[]*)\]\((?:\.\./)*(?:book/)?references\.md(?:#(?P<key>[\w-]+))?\)"
)
NAMES = re.compile(r"(?P<authors>.+?),? (?P<year>\d{4})(?!\d)")


class cited(nodes.inline):
    """A citation before it is known where its entry is."""


class CitationRole(SphinxRole):
    """What a link to the references becomes: its text, and the key where the author gave one."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        text, _, key = self.text.partition("|")
        node = cited("", "", nodes.Text(text))
        node["key"], (node.source, node.line) = key, self.get_source_info()
        return [node], []


def as_role(link: re.Match) -> str:
    """A link to the references as one role for each work that it names."""
    parts = [link["text"]] if link["key"] else link["text"].split("; ")
    return "; ".join(f"{{fmlib-cite}}`{part}|{link['key'] or ''}`" for part in parts)


def read_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn links to the list of references into citations, in pages and in the prose of notebooks."""
    if "references.md" not in source[0]:
        return
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        source[0] = LINK.sub(as_role, source[0])
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = LINK.sub(as_role, "".join(cell["source"]))
    source[0] = json.dumps(notebook)


def first_author(entry: object) -> str:
    person = entry.persons["author"][0]
    return " ".join([*person.prelast_names, *person.last_names]).strip("{}")


def find_key(text: str, entries: dict[str, object]) -> str:
    """The key of the entry that "Vaswani et al. 2017, section 3" names.

    Raises:
        LookupError: none, or several.
    """
    names = NAMES.match(text)
    if names is None:
        raise LookupError(f"{text!r} cites nothing: expected authors and year, e.g. 'Vaswani et al. 2017'")
    first = re.split(r" et al\.?| & | and |, ", names["authors"])[0]
    found = [
        key
        for key, entry in entries.items()
        if entry.fields.get("year") == names["year"]
        and (first_author(entry) == first or first_author(entry).endswith(" " + first))
    ]
    if len(found) != 1:
        raise LookupError(
            f"{text!r} names {len(found)} entries of book/references.bib ({', '.join(found) or 'add it there'}): "
            "expected one; give its key, as in (../../book/references.md#key)"
        )
    return found[0]


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link each citation to its entry."""
    citations = {c.key: c for c in app.env.get_domain("cite").citations}
    entries = {key: c.entry for key, c in citations.items()}
    for node in list(doctree.findall(cited)):
        text = node.astext()
        try:
            key = node["key"] or find_key(text, entries)
            if key not in citations:
                raise LookupError(f"{text!r} cites {key!r}, which is not in book/references.bib")
        except LookupError as error:
            LOGGER.warning("%s", error, location=node)
            node.replace_self(nodes.Text(text))
            continue
        uri = app.builder.get_relative_uri(docname, REFERENCES) + "#" + citations[key].citation_id
        node.replace_self(nodes.reference("", text, internal=True, refuri=uri))


def entry_html(citation: object) -> str:
    """An entry of the list as HTML, without the links in it."""
    text = citation.formatted_entry.text.render(Backend())
    return re.sub(r"</?a\b[^>]*>", "", text).replace("\n", " ")


def add_entries(app: Sphinx, pagename: str, template: str, context: dict, doctree: object) -> None:
    """Put the entries that a page cites at its end, hidden: `book.js` shows one where its citation is."""
    if "body" not in context or pagename == REFERENCES:
        return
    used = dict.fromkeys(re.findall(r'href="[^"]*references\.html#(cite-[^"]+)"', context["body"]))
    if used:
        known = {c.citation_id: c for c in app.env.get_domain("cite").citations}
        entries = "".join(f'<p data-cite="{escape(i)}">{entry_html(known[i])}</p>' for i in used)
        context["body"] += f'<template id="fmlib-cited">{entries}</template>'


def setup(app: Sphinx) -> None:
    app.add_node(cited)
    app.add_role("fmlib-cite", CitationRole())
    app.connect("source-read", read_links)
    app.connect("doctree-resolved", resolve, priority=400)
    app.connect("html-page-context", add_entries, priority=600)
