"""The lists of lessons are those of the table of contents and the notebooks."""

import json
from pathlib import Path

import contents
import fmlib_lessons
import pytest
from bs4 import BeautifulSoup
from sphinx.testing.util import SphinxTestApp

ALL = contents.chapters()
LESSONS = [lesson for chapter in ALL for lesson in chapter.lessons]


def test_readme_lists_every_lesson_and_what_is_planned():
    text = (contents.ROOT / "README.md").read_text(encoding="utf-8")
    assert text == contents.readme(), "python tools/contents.py"
    assert [lesson.title for lesson in LESSONS if f"[{lesson.title}]({lesson.page}.ipynb)" not in text] == []
    assert [title for chapter in ALL for title in chapter.planned if title not in text] == []


def test_every_notebook_is_a_lesson_of_the_book():
    stored = {
        path.relative_to(contents.ROOT).with_suffix("").as_posix()
        for path in contents.ROOT.glob("notebooks/*/*.ipynb")
    }
    assert {lesson.page for lesson in LESSONS} == stored


def test_no_plan_has_come_true():
    assert contents.problems() == []


def rows(page: BeautifulSoup) -> list[list[str]]:
    """The rows of the table of lessons on a page."""
    table = next(
        t for t in page.select("article table") if "lesson" in [th.get_text() for th in t.select("th")]
    )
    return [[td.get_text() for td in row.select("td")] for row in table.select("tbody tr")]


def curly(text: str) -> str:
    """A text with the apostrophes that pages have."""
    return text.replace("'", "’")


def test_the_start_page_shows_every_lesson_and_every_plan(pages):
    page = pages["book/index.html"]
    shown = rows(page)
    assert [row[1] for row in shown] == [curly(lesson.title) for lesson in LESSONS]
    assert all(
        row[2].startswith(curly(lesson.promise)[:20]) for row, lesson in zip(shown, LESSONS, strict=True)
    )
    text = page.get_text()
    assert "Planned, and not there yet" in text
    assert [title for chapter in ALL for title in chapter.planned if curly(title) not in text] == []


@pytest.mark.parametrize("chapter", [c for c in ALL if c.lessons], ids=lambda c: c.name)
def test_a_chapters_page_shows_its_lessons_with_their_times(pages, chapter):
    shown = rows(pages[f"{chapter.page}.html"])
    assert [(row[0], row[3]) for row in shown] == [
        (curly(lesson.title), lesson.time) for lesson in chapter.lessons
    ]
    assert all(row[1] and row[2] for row in shown)


@pytest.fixture
def book(tmp_path):
    """A book of one chapter with one lesson and one planned -> build a page in it: (the page, the warnings)."""
    (tmp_path / "book").mkdir()
    (tmp_path / "notebooks/llm").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text(
        "parts:\n- caption: Language\n  chapters:\n  - file: book/llm\n  - file: notebooks/llm/01_tokens\n"
    )
    (tmp_path / "book/planned.yml").write_text("llm: {title: Language, lessons: {gpt: The transformer}}\n")
    notebook = {
        "cells": [{"cell_type": "markdown", "source": ["# Tokens\n", "\n", "You cut text."]}],
        "metadata": {"fmlib": {"seconds": 130.0, "scale": "cpu"}},
    }
    (tmp_path / "notebooks/llm/01_tokens.ipynb").write_text(json.dumps(notebook))

    def build(text: str) -> tuple[BeautifulSoup, str]:
        (tmp_path / "index.md").write_text("# Title\n\n" + text)
        (tmp_path / "conf.py").write_text(
            "import fmlib_lessons\nextensions = ['myst_parser']\nsuppress_warnings = ['myst.xref_missing']\n"
            "exclude_patterns = ['_build']\ndef setup(app):\n"
            f"    app.add_config_value('fmlib_root', {str(tmp_path)!r}, 'env')\n    fmlib_lessons.setup(app)\n"
        )
        app = SphinxTestApp(srcdir=tmp_path, freshenv=True)
        app.build()
        page = BeautifulSoup((Path(app.outdir) / "index.html").read_text(encoding="utf-8"), "html.parser")
        said = app.warning.getvalue()
        app.cleanup()
        return page, said

    build.root = tmp_path
    return build


def test_a_chapters_table_has_titles_and_times_of_the_notebooks(book):
    page, _ = book("```{lessons} llm\n01_tokens: an encoder | strings\n```")
    cells = [cell.get_text() for cell in page.select("tbody td")]
    assert cells == ["Tokens", "an encoder", "strings", "2 minutes"]
    assert "Planned, and not there yet: The transformer." in page.get_text()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "the lesson '01_tokens' has no line"),
        ("01_tokens: only this", "the lesson '01_tokens' has no line"),
        ("01_tokens: a | b\n02_gpt: c | d", "chapter 'llm' has no lesson '02_gpt'"),
    ],
)
def test_lines_and_lessons_must_agree(book, lines, said):
    _, warnings = book("```{lessons} llm\n" + lines + "\n```")
    assert said in warnings


def test_an_unknown_chapter_is_a_warning_that_lists_what_there_is(book):
    _, warnings = book("```{lessons} lmm\n```")
    assert "no chapter 'lmm': there are llm" in warnings


def test_a_plan_that_came_true_is_named(book):
    (book.root / "book/planned.yml").write_text("llm: {title: Language, lessons: {tokens: Tokens}}\n")
    (problem,) = contents.problems(book.root)
    assert problem.startswith("book/planned.yml plans llm/tokens")


def test_a_chapter_of_plans_alone_comes_last(book):
    (book.root / "book/planned.yml").write_text("vision: {title: Vision, lessons: {vit: The ViT}}\n")
    assert [(c.name, c.page, c.planned) for c in contents.chapters(book.root)] == [
        ("llm", "book/llm", ()),
        ("vision", None, ("The ViT",)),
    ]


def test_a_notebook_without_a_promise_is_refused(book):
    path = book.root / "notebooks/llm/01_tokens.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "# Tokens"}], "metadata": {}}))
    with pytest.raises(ValueError, match="begins with '# Tokens': expected '# Title' and one sentence"):
        contents.chapters(book.root)


def test_a_run_at_another_scale_says_so():
    lesson = contents.Lesson("notebooks/a/01_b", "B", "You b.", 500.0, "gpu")
    assert lesson.time == "8 minutes at scale `gpu`"
    assert fmlib_lessons.link(lesson) == "[B](/notebooks/a/01_b.ipynb)"
