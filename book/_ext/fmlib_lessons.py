"""The directive `lessons`: the table of the lessons that are there, and what is planned.

On a page of the whole book it stands alone. On a chapter's page it names the chapter, and for each lesson a line says what
you build in it and what you need for it; titles and times come from the notebooks:

    ```{lessons} llm
    01_tokens: byte-pair encoding, WordPiece | strings and dictionaries
    ```

A lesson without a line and a line without a lesson are warnings, and so fail the build.
"""

from pathlib import Path

import contents
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)


class Lessons(SphinxDirective):
    """A table of lessons: of one chapter, or without an argument of all."""

    optional_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        root = Path(self.config.fmlib_root)
        found = contents.chapters(root)
        for path in (
            "_toc.yml",
            "book/planned.yml",
            *(f"{each.page}.ipynb" for c in found for each in c.lessons),
        ):
            self.env.note_dependency(str(root / path))
        if self.arguments:
            chosen = [chapter for chapter in found if chapter.name == self.arguments[0]]
            if not chosen:
                self.warn("no chapter %r: there are %s", self.arguments[0], ", ".join(c.name for c in found))
                return []
            lines = self.of_a_chapter(chosen[0])
        else:
            lines = of_the_book([chapter for chapter in found if chapter.lessons])
            chosen = found
        parent = nodes.Element()
        said = [*lines, "", *(plans_here(chosen[0]) if self.arguments else contents.plans(chosen))]
        self.state.nested_parse(
            StringList(said, source=self.get_source_info()[0]), self.content_offset, parent
        )
        return parent.children

    def of_a_chapter(self, chapter: contents.Chapter) -> list[str]:
        said = dict(line.split(": ", 1) for line in self.content if line.strip())
        lines = ["| lesson | what you build | you need | a run on two CPU cores |", "|---|---|---|---|"]
        for lesson in chapter.lessons:
            name = lesson.page.split("/")[-1]
            build, bar, need = said.pop(name, "").partition(" | ")
            if not bar:
                self.warn("the lesson %r has no line 'name: what you build | what you need'", name)
            lines.append(f"| {link(lesson)} | {build} | {need} | {lesson.time} |")
        for name in said:
            self.warn("chapter %r has no lesson %r in _toc.yml", chapter.name, name)
        return lines

    def warn(self, message: str, *values: object) -> None:
        LOGGER.warning(message, *values, location=self.get_location())


def link(lesson: contents.Lesson) -> str:
    return f"[{lesson.title}](/{lesson.page}.ipynb)"


def of_the_book(found: list[contents.Chapter]) -> list[str]:
    lines = ["| chapter | lesson | what happens in it |", "|---|---|---|"]
    for chapter in found:
        for number, lesson in enumerate(chapter.lessons):
            title = f"[{chapter.title}](/{chapter.page}.md)" if number == 0 else ""
            promise = lesson.promise.replace("|", r"\|")
            lines.append(f"| {title} | {link(lesson)} | {promise} |")
    return lines


def plans_here(chapter: contents.Chapter) -> list[str]:
    """What is planned in a chapter, on its own page."""
    return [f"Planned, and not there yet: {'; '.join(chapter.planned)}."] if chapter.planned else []


def setup(app: Sphinx) -> None:
    app.add_directive("lessons", Lessons)
