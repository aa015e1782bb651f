"""The drawing of boxes and arrows."""

import re
from xml.etree import ElementTree

import pytest
from drawn import check_drawing

from fmlib.viz import Diagram, beside

SVG = "{http://www.w3.org/2000/svg}"


def layer(title: str = "A layer") -> Diagram:
    d = Diagram(title, width=240)
    x = d.box("x", 20, 8, width=80, kind="data")
    linear = d.box("Linear<1>", 20, 80, width=120, kind="weights", mark="differs & stays")
    total = d.sum(60, 150)
    d.arrow(x, linear, "batch length dim", name="x")
    d.arrow(linear, total, "batch length dim", x=60)
    d.arrow(x, total, "batch length dim", via=[(10, 22), (10, 150)], label=None)
    d.note("a <remark>", 160, 94)
    return d


def drawn(d: Diagram) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*?</svg>", d._repr_html_(), re.DOTALL).group())


def test_a_screen_reader_hears_boxes_arrows_and_remarks():
    assert layer().description == (
        "x gives x [batch, length, dim] to Linear<1>; [batch, length, dim] to sum. "
        "Linear<1> (learned, differs & stays) gives [batch, length, dim] to sum. a <remark>."
    )


def test_the_svg_is_an_image_with_a_title_and_a_description():
    svg = drawn(layer())
    title, said = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert svg.get("role") == "img"
    assert (svg.get("aria-labelledby"), svg.get("aria-describedby")) == (title.get("id"), said.get("id"))
    assert (title.text, said.text) == ("A layer", layer().description)


def test_ids_are_the_same_every_time_and_differ_between_drawings():
    ids = [
        {e.get("id") for e in drawn(d).iter() if e.get("id")} for d in (layer(), layer(), layer("Another"))
    ]
    assert len(ids[0]) == 3
    assert ids[0] == ids[1]
    assert not ids[0] & ids[2]


def test_equal_drawings_are_the_same_to_the_byte():
    assert layer()._repr_html_() == layer()._repr_html_()


def test_no_text_and_no_line_has_a_color_of_its_own():
    for element in drawn(layer()).iter():
        if element.tag in (f"{SVG}text", f"{SVG}polygon"):
            assert element.get("fill") == "currentColor"
        if element.tag == f"{SVG}path":
            assert element.get("stroke") == "currentColor"


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("ground", ["#ffffff", "#000000"])
def test_without_any_style_it_can_be_read_on_white_and_on_black(ground):
    color = drawn(layer()).get("color")
    low, high = sorted((luminance(color), luminance(ground)))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_arrows_end_at_the_edges_of_boxes():
    d = layer()
    assert [(a.points[0], a.points[-1]) for a in d.arrows] == [
        ((60, 36), (60, 80)),
        ((60, 108), (60, 141)),
        ((20, 22), (51, 150)),
    ]


def test_a_horizontal_arrow_runs_between_the_sides_that_face_each_other():
    d = Diagram("Row", width=300)
    left, right = d.box("a", 10, 10, width=60), d.box("b", 120, 14, width=100, height=20)
    assert d.arrow(left, right, dashed=True).points == ((70, 24), (120, 24))
    assert d.arrow(right, left, dashed=True).points == ((120, 24), (70, 24))


def test_boxes_of_one_name_are_counted_in_the_sentences():
    d = Diagram("Twice")
    first, second = d.box("norm", 10, 10), d.box("norm", 10, 80)
    d.arrow(first, second, "")
    assert d.description == "norm (1) gives [] to norm (2)."


def test_the_legend_tells_what_is_drawn_and_nothing_else():
    page = layer()._repr_html_()
    assert "has weights that learn" in page
    assert "differs &amp; stays" in page
    assert "is kept from step to step" not in page


def test_several_drawings_share_a_legend_and_show_their_titles():
    shown = beside(layer("One"), layer("Two"))
    assert shown.markup.count("<svg") == 2
    assert shown.markup.count("<figcaption") == 1
    assert re.findall(r"<strong>(.*?)</strong>", shown.markup) == ["One", "Two"]
    assert repr(shown).startswith("[One: x gives")


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda d, x: d.box("far", 200, 8), "reaches from 200 to 320: expected 0 to 240"),
        (lambda d, x: d.box("odd", 0, 8, kind="purple"), "'purple': expected one of data, step"),
        (lambda d, x: d.arrow(x, d.box("aslant", 150, 90, width=60)), "neither above, below nor beside"),
        (lambda d, x: d.arrow(x, x, via=[(60, 60), (90, 90)]), "runs askew"),
        (lambda d, x: beside(), "expected at least one"),
    ],
)
def test_what_cannot_be_drawn_is_refused(mistake, message):
    d = layer()
    with pytest.raises(ValueError, match=message):
        mistake(d, d.boxes[0])


def test_a_label_on_a_line_would_be_found():
    d = layer()
    check_drawing(d)
    d.note("in the way", 30, 60)
    with pytest.raises(AssertionError, match=r"runs through|lies on"):
        check_drawing(d)
