"""The book's Sphinx extension, on books of one page."""

import io
import json
import textwrap
from pathlib import Path

import fmlib_assets
import fmlib_citations
import fmlib_notebook
import fmlib_pages
import fmlib_results
import fmlib_widgets
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
    html = fmlib_notebook.header_html(STAMP | {"device": "<script>"}, [], "")
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


def widget(model: str, **state: object) -> dict:
    return {"model_name": model, "state": state}


SLIDER = widget(
    "FloatLogSliderModel", description="temperature", value=10.0, min=-2, max=1, base=10, readout_format=".3g"
)
WHERE = [("in Colab", "https://colab.example"), ("on your machine", "setup.html")]


def frozen(**states: dict) -> BeautifulSoup:
    box = widget("VBoxModel", children=[f"IPY_MODEL_{name}" for name in states])
    return BeautifulSoup(fmlib_widgets.frozen({**states, "box": box}, "box", WHERE), "html.parser")


def test_a_stored_widget_keeps_what_it_showed_and_loses_its_controls():
    page = frozen(slider=SLIDER, shown=widget("HTMLModel", value="<p>loss 2.58</p>"))
    (control,) = page.select(".fmlib-frozen-controls[inert] input")
    assert control.has_attr("disabled")
    assert control["value"] == "1"  # the power of ten
    assert page.select_one(".fmlib-frozen-shown").get_text() == "loss 2.58"
    note = page.select_one(".fmlib-frozen-note")
    assert "need a running notebook" in note.get_text()
    assert "what a stored run gave for temperature 10." in note.get_text()
    assert [a["href"] for a in note.select("a")] == ["https://colab.example", "setup.html"]


@pytest.mark.parametrize(
    ("control", "said"),
    [
        (widget("DropdownModel", description="kind", _options_labels=["a", "b"], index=1), "kind b"),
        (widget("CheckboxModel", description="mask", value=True), "mask on"),
        (widget("TextModel", description="line", value="<To be>"), "line <To be>"),
        (widget("TextareaModel", description="text", value="To be", rows=2), "text To be"),
        (widget("IntRangeSliderModel", description="layers", value=[1, 3]), "layers 1 to 3"),
    ],
    ids=lambda value: value["model_name"] if isinstance(value, dict) else "",
)
def test_each_kind_of_control_says_what_it_was_set_to(control, said):
    page = frozen(control=control)
    assert f"gave for {said}." in page.select_one(".fmlib-frozen-note").get_text()
    assert all(e.has_attr("disabled") for e in page.select("input, select, textarea"))


def test_a_widget_of_an_unknown_kind_is_named_not_shown():
    notebook = {
        "metadata": {"widgets": {fmlib_widgets.STATE: {"state": {"a": widget("CanvasModel")}}}},
        "cells": [{"id": "explorer", "outputs": [{"data": {fmlib_widgets.VIEW: {"model_id": "a"}}}]}],
    }
    (problem,) = fmlib_widgets.freeze(notebook, WHERE)
    assert problem.startswith("cell explorer: a stored CanvasModel has no form on a page")


def cell(kind: str, source: str) -> dict:
    return {"cell_type": kind, "source": [source], "metadata": {}}


def test_set_up_is_folded_and_a_lesson_is_not():
    cells = [
        cell("markdown", "# Title"),
        cell("code", "%pip install fmlib"),
        cell("code", "import torch"),
        cell("markdown", "## The question"),
        cell("code", "1 + 1"),
    ]
    fmlib_notebook.fold_set_up({"cells": cells})
    assert [c["metadata"].get("tags") for c in cells] == [None, ["hide-input"], ["hide-input"], None, None]
    assert "install" in cells[1]["metadata"]["mystnb"]["code_prompt_show"]


def test_the_minutes_of_a_lesson_are_those_of_its_words_its_run_and_its_exercises():
    words = cell("markdown", "word " * 2000)
    exercise = cell("markdown", "*Write it \u00b7 difficulty 1 of 3 \u00b7 about 15 minutes*")
    notebook = {"cells": [words, exercise, exercise], "metadata": {"fmlib": {"seconds": 300}}}
    assert fmlib_notebook.minutes_line(notebook) == (
        "About 15 minutes to read and run, and 30 for 2 exercises (estimates)."
    )


class Entry:
    def __init__(self, last: str, year: str, prelast: str = "") -> None:
        person = type("Person", (), {"last_names": last.split(), "prelast_names": prelast.split()})
        self.persons, self.fields = {"author": [person]}, {"year": year}


ENTRIES = {
    "vaswani2017": Entry("Vaswani", "2017"),
    "oord2018": Entry("Oord", "2018", "van den"),
    "allal2025": Entry("Ben Allal", "2025"),
    "llama": Entry("Touvron", "2023"),
    "llama2": Entry("Touvron", "2023"),
}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Vaswani et al. 2017", "vaswani2017"),
        ("Vaswani et al. 2017, section 3.2", "vaswani2017"),
        ("van den Oord et al. 2018", "oord2018"),
        ("Allal et al. 2025", "allal2025"),
    ],
)
def test_authors_and_year_name_an_entry(text, key):
    assert fmlib_citations.find_key(text, ENTRIES) == key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Touvron et al. 2023", "names 2 entries .*llama, llama2.*give its key"),
        ("Vaswani et al. 2018", "names 0 entries"),
        ("that paper", "cites nothing"),
    ],
)
def test_a_citation_of_none_or_several_is_refused_with_the_remedy(text, message):
    with pytest.raises(LookupError, match=message):
        fmlib_citations.find_key(text, ENTRIES)


def test_a_link_to_the_references_becomes_one_citation_a_work():
    def read(text: str) -> str:
        return fmlib_citations.LINK.sub(fmlib_citations.as_role, text)

    assert (
        read("([A 2020; B 2021](../../book/references.md))")
        == "({fmlib-cite}`A 2020|`; {fmlib-cite}`B 2021|`)"
    )
    assert read("[A; B 2021](references.md#b)") == "{fmlib-cite}`A; B 2021|b`"
    assert read("[References](../../book/references.md)") == "[References](../../book/references.md)"


def test_a_figure_of_a_cell_may_not_be_shown_narrower_than_its_text_allows():
    name = "0" * 64
    page = f'<img class="dark-light fm-least-480" src="_images/{name}.png" width="640" /><img src="_images/a.webp" />'
    old = f'<img class="dark-light" src="_images/{name}.png" width="640" />'
    for body, least in ((page, 480), (old, 640)):
        context = {"body": body}
        fmlib_pages.frame_figures(None, "", "", context, None)
        (box,) = BeautifulSoup(context["body"], "html.parser").select(".fm-figure")
        assert box["style"] == f"--fm-least:{least}px"
        assert box.select_one(".fm-scroll > img")
