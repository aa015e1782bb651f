"""Scale, ledger, figures, files, comparisons: the shared rooms that every lesson stands in."""

import io
import json
import subprocess
import sys

import matplotlib
import pytest
import torch
from PIL import Image

from fmlib import scale, viz
from fmlib._files import atomic_write_bytes, atomic_write_text, sha256
from fmlib.results import compare, ledger

matplotlib.use("Agg")


# ---- scale


def test_the_scale_is_what_the_variable_says(monkeypatch):
    monkeypatch.setenv("FMLIB_SCALE", "smoke")
    assert scale.pick(smoke=1, cpu=2, gpu=3) == 1
    monkeypatch.setenv("FMLIB_SCALE", "CPU")
    assert scale.pick(smoke=1, cpu=2, gpu=3) == 2


def test_unset_it_is_what_the_machine_allows(monkeypatch):
    monkeypatch.delenv("FMLIB_SCALE")
    assert scale.name() == ("gpu" if torch.cuda.is_available() else "cpu")


def test_an_unknown_scale_is_refused_with_the_choices(monkeypatch):
    monkeypatch.setenv("FMLIB_SCALE", "huge")
    with pytest.raises(ValueError, match="'huge': expected one of smoke, cpu, gpu"):
        scale.name()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("FMLIB_SCALE", "gpu")
    with pytest.raises(RuntimeError, match="sees no CUDA device"):
        scale.device()


def test_it_says_what_this_run_is():
    assert scale.describe().startswith("scale smoke on ")


# ---- the package


def test_importing_fmlib_is_light():
    program = (
        "import torch, time, sys; before = set(sys.modules); t = time.perf_counter(); import fmlib; "
        "s = time.perf_counter() - t; new = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "print(s, *sorted(new & {'torchvision', 'matplotlib', 'sklearn', 'accelerate', 'IPython', 'PIL', 'scipy'}))"
    )
    seconds, *heavy = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert heavy == []
    assert float(seconds) < 1.0  # a promise to the reader, far above what it takes


def test_torchvision_imports_after_fmlib_whatever_torch_was_built_for():
    program = (
        "import fmlib, torchvision; from torchvision.models import resnet18; print(torchvision.__version__)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


# ---- files


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    atomic_write_text(file, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write_text(file, "new")
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_writing_makes_the_folder_and_the_checksum_is_sha256(tmp_path):
    atomic_write_bytes(tmp_path / "b" / "c.bin", b"abc")
    assert (
        sha256(tmp_path / "b" / "c.bin") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


# ---- the ledger


@pytest.fixture
def own_ledger(tmp_path, monkeypatch):
    file = tmp_path / "results.json"
    file.write_text("{}")
    monkeypatch.setenv("FMLIB_LEDGER", str(file))
    return file


def test_a_result_has_mean_spread_and_runs():
    entry = ledger.record("chapter/lesson/what", [70.0, 72.0, 74.0], unit="%").entry
    assert (entry["mean"], entry["std"], entry["n"], entry["unit"]) == (72.0, 2.0, 3, "%")
    assert ledger.format_entry(entry) == "72.0 % (±2.0, 3 runs)"


def test_what_a_notebook_records_is_what_the_ledger_gets(own_ledger):
    shown = ledger.record("chapter/lesson/what", 5.0)
    cell = {"outputs": [{"data": json.loads(json.dumps(shown._repr_mimebundle_()))}]}
    ledger.write(ledger.gather([cell, {"outputs": []}, {}]))
    assert ledger.results()["chapter/lesson/what"] == shown.entry
    assert ledger.results("other/") == {}


def test_one_name_is_recorded_once():
    output = {"data": ledger.record("a/b", 1.0)._repr_mimebundle_()}
    with pytest.raises(ValueError, match="recorded twice"):
        ledger.gather([{"outputs": [output, output]}])


@pytest.mark.parametrize("name", ["plain", "Upper/case", "a//b", "", "a/b c"])
def test_names_of_another_form_are_refused(name):
    with pytest.raises(ValueError, match="lowercase words"):
        ledger.record(name, 1.0)


@pytest.mark.parametrize("runs", [[], [float("nan")], float("inf")])
def test_results_that_are_no_numbers_are_refused(runs):
    with pytest.raises(ValueError, match="all finite"):
        ledger.record("a/b", runs)


def test_a_damaged_ledger_is_named(own_ledger):
    own_ledger.write_text("{")
    with pytest.raises(ValueError, match=r"results\.json is not JSON"):
        ledger.results()


# ---- comparisons


@pytest.fixture
def toy(monkeypatch, own_ledger):
    calls = []

    def row(seed):
        calls.append(seed)
        return {"toy_probe": 50.0 + seed}

    comparison = compare.Comparison(
        "chapter/lesson", {"toy": row, "other": lambda seed: {"other_probe": 1.0}}
    )
    monkeypatch.setitem(compare.WHERE, "toy", "somewhere")
    load = compare.load
    monkeypatch.setattr(compare, "load", lambda what: comparison if what == "toy" else load(what))
    return calls


def test_a_comparison_goes_into_the_ledger_and_is_not_done_twice(toy, tmp_path):
    compare.run("toy", folder=tmp_path)
    compare.run("toy", folder=tmp_path)
    assert toy == [0, 1, 2]
    assert ledger.results("chapter/lesson/toy")["chapter/lesson/toy_probe"]["runs"] == [50.0, 51.0, 52.0]


def test_a_comparison_goes_on_at_the_missing_seed(toy, tmp_path):
    compare.run("toy", folder=tmp_path)
    next(tmp_path.rglob("toy-1.json")).unlink()
    compare.run("toy", ["toy"], folder=tmp_path)
    assert toy == [0, 1, 2, 1]


def test_a_kept_seed_says_where_it_ran(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(compare.scale, "device_name", lambda: "there")
    compare.run("toy", folder=tmp_path)
    next(tmp_path.rglob("toy-2.json")).unlink()
    monkeypatch.setattr(compare.scale, "device_name", lambda: "here")
    entries = compare.run("toy", ["toy"], folder=tmp_path)
    assert entries["chapter/lesson/toy_probe"]["device"] == "there and here"


def test_a_comparison_refuses_unknown_names(toy, tmp_path):
    with pytest.raises(ValueError, match="no row 'nope'"):
        compare.run("toy", ["nope"], folder=tmp_path)
    with pytest.raises(ValueError, match="no comparison 'nothing'"):
        compare.run("nothing", folder=tmp_path)


def test_the_table_shows_the_live_row_beside_the_stored_one(toy, tmp_path):
    compare.run("toy", folder=tmp_path)
    table = compare.table("toy", {"Toy": ["toy_probe"]}, ["probe"], live={"Toy": [49.5]})
    assert "51.0 ± 1.0" in table.markup
    assert "49.5" in table.markup
    assert 'data-name="chapter/lesson/toy_probe"' in table.markup
    with pytest.raises(ValueError, match="2 entries: expected 1"):
        compare.table("toy", {"Toy": ["toy_probe", "more"]}, ["probe"])
    with pytest.raises(ValueError, match="'Other' is none of Toy"):
        compare.table("toy", {"Toy": ["toy_probe"]}, ["probe"], live={"Other": [1.0]})


def test_a_cell_may_be_empty_and_a_result_may_have_a_unit_of_its_own(own_ledger, tmp_path, monkeypatch):
    def row(seed):
        return {"toy_probe": 50.0 + seed, "toy_kept": 7.0}

    toy = compare.Comparison("chapter/lesson", {"toy": row}, units={"_kept": "MB"})
    monkeypatch.setattr(compare, "load", lambda what: toy)
    said = []
    compare.run("toy", folder=tmp_path, say=said.append)
    assert "toy, seed 0: toy_probe 50.0, toy_kept 7.00 (" in said[0]
    known = ledger.results("chapter/lesson/toy")
    assert [known[f"chapter/lesson/{name}"]["unit"] for name in ("toy_probe", "toy_kept")] == ["%", "MB"]
    rows = {"Toy": ["toy_probe", "toy_kept"], "Other": ["toy_probe", None]}
    table = compare.table("toy", rows, ["probe", "kept"], live={"Toy": [49.5, 8.25], "Other": [1.0, None]})
    assert table.text.splitlines()[1:] == [
        "Toy: 51.0 ± 1.0, 7.00 ± 0.00", "Toy, just now: 49.5, 8.25", "Other: 51.0 ± 1.0", "Other, just now: 1.0",
    ]  # fmt: skip
    assert table.markup.count("<td></td>") == 3  # a corner and what two rows lack


# ---- figures


def test_pictures_become_arrays():
    assert viz.as_picture(torch.ones(1, 2, 3)).tolist() == [[255] * 3] * 2
    assert viz.as_picture(torch.zeros(4, 2, 2, dtype=torch.uint8)).shape == (2, 2, 4)


def test_a_grid_has_a_place_for_each_picture():
    figure = viz.picture_grid([torch.rand(3, 1, 4, 4), torch.rand(2, 3, 4, 4)], labels=["a", "b"], title="t")
    assert len(figure.axes) == 6
    with pytest.raises(ValueError, match="1 labels for 2 rows"):
        viz.picture_grid([torch.rand(3, 1, 4, 4)] * 2, labels=["a"])
    with pytest.raises(ValueError, match="rows is empty"):
        viz.picture_grid([])


def frame(color):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), color).save(buffer, "webp")
    return buffer.getvalue()


def test_a_slider_is_the_same_each_time_and_asks_nobody():
    def make():
        frames = [frame("red"), frame("blue")]
        return viz.html_slider(frames, ["1", "2"], "size", ["a red box", "a blue box"])

    markup = make()._repr_html_()
    assert markup == make()._repr_html_()
    assert "http" not in markup
    assert 'alt="a red box"' in markup
    assert "aria-valuetext" in markup


def test_a_slider_escapes_what_it_is_given():
    markup = viz.html_slider([frame("red")], ["<b>"], "</script>", ['"><img>'])._repr_html_()
    assert "<b>" not in markup
    assert '"><img>' not in markup
    assert markup.count("</script>") == 1


@pytest.mark.parametrize(("frames", "labels", "start"), [([], [], 0), ([b""], [], 0), ([b""], ["a"], 1)])
def test_a_slider_refuses_what_does_not_fit(frames, labels, start):
    with pytest.raises(ValueError, match="expected"):
        viz.html_slider(frames, labels, "x", labels, start)


def test_a_figure_carries_its_words_to_the_notebook_and_the_page():
    axes = viz.plot_curves(
        {"a": ([1, 2], [3, 4])}, "It rises", "step", "loss (nats)", baselines={"chance": 2.0}
    )
    viz.describe(axes, "The loss  rises from 3\n to 4.")
    data, metadata = axes.figure._repr_mimebundle_()
    assert data["text/plain"] == "[figure: The loss rises from 3 to 4.]"
    assert metadata["image/png"]["alt"] == "The loss rises from 3 to 4."
    picture = Image.open(io.BytesIO(data["image/png"]))
    assert picture.width == 490
    assert metadata["image/png"]["least_width"] <= 358  # a phone of 390 pixels, less its margins


def test_a_notebook_asks_the_figure_for_its_words():
    from IPython.core.formatters import DisplayFormatter

    figure, _ = viz.panels(2)
    viz.describe(figure, "Two panels with nothing in them.")
    data, metadata = DisplayFormatter().format(figure)
    assert metadata["image/png"]["alt"] == "Two panels with nothing in them."
    assert data["image/png"].startswith(b"\x89PNG")


def test_panels_stand_one_below_the_other():
    figure, axes = viz.panels(3, height=2.0, sharex=True)
    assert tuple(figure.get_size_inches()) == (4.9, 6.0)
    tops = [ax.get_position().y1 for ax in axes]
    assert tops == sorted(tops, reverse=True)


def test_words_must_count_the_panels_that_are_there():
    axes = viz.heat_map(torch.rand(2, 2), "a map", label="weight")  # its color bar is no panel
    with pytest.raises(ValueError, match="the words say 3 panels and the figure has 1"):
        viz.describe(axes, "Three panels of weights.")
    with pytest.raises(ValueError, match="expected a sentence"):
        viz.describe(axes, "weights")


def test_small_text_makes_a_figure_need_its_width():
    figure, (axes,) = viz.panels(1)
    axes.set_xticks([0], ["tiny"], fontsize=5.5)
    assert viz.figures.least_width(figure) >= 490 * 11 / (5.5 * 100 / 72)


def test_names_that_would_run_into_each_other_are_turned():
    names = ("a", "b"), ("the queue of 4,096", "the queue of 64", "no queue at all", "another one")
    turned = []
    for some in names:
        axes = viz.plot_points({name: (1.0, 0.1) for name in some}, "t", "y")
        turned.append(axes.get_xticklabels()[0].get_rotation() != 0)
    assert turned == [False, True]


def test_frames_say_how_narrow_they_may_be_shown():
    figure, (axes,) = viz.panels(1)
    axes.set_title("one")
    markup = viz.html_slider([figure], ["1"], "step", ["a title and nothing else"]).markup
    assert 'style="--fm-least:353px"' in markup
    assert 'style="--fm-least:0px"' in viz.html_slider([frame("red")], ["1"], "size", ["a red box"]).markup


def documented(x: int) -> int:
    """One line that says it.

    Args:
        x: a < b.
    """
    return x + 1


def test_shown_source_has_one_line_of_docstring_and_the_rest_folded():
    shown = viz.show_source(documented)
    listing, _, folded = shown.markup.partition("<details>")
    assert "One line that says it.&quot;" in listing.replace('"', "&quot;")
    assert "Args:" not in listing
    assert "x: a &lt; b." in folded
    assert "Args:" in repr(shown)


def test_shown_source_has_no_color_of_its_own_that_the_dark_would_hide():
    markup = viz.show_source(documented).markup
    listing = markup[markup.index("<pre>") : markup.index("</pre>")]
    assert 'class="k"' in listing
    assert "color" not in listing
    assert "data-jp-theme-light" in markup  # JupyterLab's dark
    assert "Copy" in markup


def test_points_stand_beside_the_levels_that_need_no_idea():
    axes = viz.plot_points(
        {"a": (1.0, 0.1), "b": (2.0, 0.1)}, "t", "y", {"b": 2.5}, baselines={"chance": 0.5}
    )
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["chance", "just now"]
    assert axes.lines[-2].get_ydata() == [0.5, 0.5]
    assert viz.plot_points({"a": (1.0, 0.1)}, "t", "y").get_legend() is None


def test_shown_source_is_the_source_that_runs():
    shown = viz.show_source(sha256)
    assert "def sha256" in repr(shown)
    assert "fmlib._files.sha256" in shown.markup
    with pytest.raises(TypeError, match="no Python source"):
        viz.show_source(len)
