"""The book's Sphinx extension, on books of one page."""

import io
import json
import textwrap
from pathlib import Path

import fmlib_assets
import fmlib_notebook
import fmlib_pages
import fmlib_results
import pytest
from bs4 import BeautifulSoup
from sphinx.testing.util import SphinxTestApp

from fmlib.results import ledger

ENTRY = {"mean": 12.34, "std": 0.56, "n": 3, "unit": "%", "scale": "cpu", "device": "a CPU", "seconds": 90.0}
STAMP = {
    "source": "0" * 64,
    "scale": "cpu",
    "device": "a CPU, 2 threads",
    "seconds": 312,
    "date": "2026-01-31",
    "peak_mb": 1450,
}


@pytest.fixture
def build(tmp_path):
    """Build one page of MyST with the ledger's parts of the extension -> (the page, the warnings)."""

    def run(text: str, entries: dict) -> tuple[BeautifulSoup, str]:
        source, root = tmp_path / "source", tmp_path / "root"
        source.mkdir()
        (root / "book").mkdir(parents=True)
        (root / "book/results.json").write_text(json.dumps(entries))
        (source / "index.md").write_text("# Title\n\n" + textwrap.dedent(text))
        (source / "conf.py").write_text(
            "import fmlib_pages, fmlib_results\nextensions = ['myst_parser']\n"
            f"def setup(app):\n    fmlib_results.setup(app, {str(root)!r})\n    fmlib_pages.setup(app)\n"
        )
        warnings = io.StringIO()
        app = SphinxTestApp(srcdir=source, freshenv=True, warning=warnings)
        app.build()
        page = BeautifulSoup((Path(app.outdir) / "index.html").read_text(encoding="utf-8"), "html.parser")
        app.cleanup()
        return page, warnings.getvalue()

    return run


def test_a_result_stands_in_the_text_as_the_ledger_formats_it(build):
    page, warnings = build(
        "It reaches {result}`chapter/lesson/accuracy` today.", {"chapter/lesson/accuracy": ENTRY}
    )
    (span,) = page.select("span.fmlib-result")
    assert span["data-name"] == "chapter/lesson/accuracy"
    assert span.get_text() == ledger.format_entry(ENTRY) == "12.3 % (±0.6, 3 runs)"
    assert warnings == ""


def test_an_unknown_result_is_a_warning_that_lists_what_there_is(build):
    page, warnings = build("{result}`chapter/lesson/acuracy`", {"chapter/lesson/accuracy": ENTRY})
    assert "no result 'chapter/lesson/acuracy'" in warnings
    assert "chapter/lesson/accuracy" in warnings
    assert not page.select("span.fmlib-result")


def test_an_empty_ledger_builds_and_says_that_nothing_was_measured(build):
    page, warnings = build("{result}`chapter/lesson/accuracy`", {})
    assert fmlib_results.NOT_YET in page.get_text()
    assert warnings == ""


def test_the_table_has_every_result_below_its_prefix_and_no_other(build):
    entries = {"chapter/a/x_1000": ENTRY, "chapter/a/x_100": ENTRY, "other/b/y": ENTRY}
    page, warnings = build("```{results} chapter/\n```", entries)
    assert [span["data-name"] for span in page.select(".fmlib-result")] == [
        "chapter/a/x_100",
        "chapter/a/x_1000",
    ]
    assert warnings == ""


def test_a_table_of_nothing_is_a_warning(build):
    _, warnings = build("```{results} chaptre/\n```", {"chapter/a/x": ENTRY})
    assert "no result below 'chaptre/'" in warnings


def test_a_page_without_a_description_gets_its_first_paragraph(build):
    page, _ = build("This is the first paragraph, long enough to say what the page is about.", {})
    (description,) = page.find_all("meta", attrs={"name": "description"})
    assert description["content"].startswith("This is the first paragraph")


def test_a_long_description_is_cut_at_a_word():
    from docutils import nodes
    from docutils.utils import new_document

    document = new_document("page")
    document += nodes.paragraph("", "word " * 100)
    text = fmlib_pages.first_paragraph(document)
    assert len(text) <= fmlib_pages.LONGEST + 4
    assert text.endswith("word ...")


def test_the_stamp_says_device_scale_time_memory_and_day():
    assert fmlib_notebook.stamp_line(STAMP) == (
        "Ran on a CPU, 2 threads at scale cpu in 312 s, peak 1,450 MB, on 2026-01-31."
    )


def test_what_a_stamp_says_cannot_become_markup():
    html = fmlib_notebook.header_html(STAMP | {"device": "<script>"}, [])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


class Config:
    fmlib_repository, fmlib_branch = "https://github.com/someone/a-book", "main"
    fmlib_colab, fmlib_binder = "https://colab.example", "https://binder.example"


def test_badges_lead_to_the_notebook_in_the_repository():
    assert dict(fmlib_notebook.badges("notebooks/chapter/lesson", Config)) == {
        "Open in Colab": "https://colab.example/github/someone/a-book/blob/main/notebooks/chapter/lesson.ipynb",
        "Open in Binder": "https://binder.example/v2/gh/someone/a-book/main?urlpath=lab/tree/notebooks/chapter/lesson.ipynb",
        "Download the notebook": "../../_sources/notebooks/chapter/lesson.ipynb",
    }


def test_without_an_address_only_the_download_is_left():
    class Nowhere(Config):
        fmlib_repository = ""

    assert [text for text, _ in fmlib_notebook.badges("notebooks/a/b", Nowhere)] == ["Download the notebook"]


@pytest.mark.parametrize(
    ("url", "external"),
    [
        ("https://cdn.example/x.js", True),
        ("//cdn.example/x.js", True),
        ("_static/x.js", False),
        ("../x.css?v=1", False),
    ],
)
def test_an_asset_from_elsewhere_is_told_from_ours(url, external):
    assert fmlib_assets.is_external(url) is external
