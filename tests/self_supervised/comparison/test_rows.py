"""What a lesson shows of the comparison: rows of the ledger, one computed now, and ways to be ahead without being better."""

import matplotlib as mpl
import pytest
import torch
from torch import nn

from fmlib.results import compare, ledger
from fmlib.self_supervised.comparison import METHODS, compute_row, plots, rows, unfair
from fmlib.self_supervised.comparison.experiments import COMPARISON

mpl.use("Agg")


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A ledger that has some rows and lacks others."""
    monkeypatch.setenv("FMLIB_LEDGER", str(tmp_path / "results.json"))
    prefix = COMPARISON.prefix
    runs = {
        "pixels_probe_100": [70, 71, 72], "simclr_probe_100": [76, 77, 78], "mae_probe_100": [60, 62, 64],
        "supervised_100": [71, 72, 73], "simclr_retrieval": [30, 31, 32], "simclr_kept": [50],
    }  # fmt: skip
    ledger.write(
        {
            f"{prefix}/{name}": ledger.summarize(r, COMPARISON.unit_of(name), 180 * len(r), "CPU")
            for name, r in runs.items()
        }
    )


def test_every_row_has_a_title_and_every_figure_of_a_paper_a_row():
    assert list(rows.TITLES) == list(METHODS)
    assert set(rows.ALL) | {"costs"} == set(COMPARISON.rows)
    assert set(rows.PUBLISHED) <= set(METHODS)


def test_the_figures_of_the_papers_have_a_source_in_the_book(pytestconfig):
    known = (pytestconfig.rootpath / "book" / "references.bib").read_text()
    for published in rows.PUBLISHED.values():
        assert f"{{{published.source}," in known


def test_what_is_not_yet_run_is_left_out(book):
    assert rows.stored_runs("probe_100") == {"simclr": [76, 77, 78], "mae": [60, 62, 64]}
    assert rows.stored_runs("probe_100", baselines=True)["pixels"] == [70, 71, 72]
    assert rows.stored_runs("probe_1000") == {}
    assert rows.stored_levels("probe_100") == {"raw pixels": 71, "supervised": 72}
    assert rows.stored_levels("retrieval") == {}
    assert rows.minutes_per_seed() == {"pixels": 3, "supervised": 3, "simclr": 3, "mae": 3}
    with pytest.raises(ValueError, match="name is 'probe': expected one of probe_100"):
        rows.stored_runs("probe")


def test_the_table_has_the_names_that_the_rows_give(book):
    shown = compare.table("self_supervised", rows.table_rows(), list(rows.COLUMNS.values()))
    assert "SimCLR: 77.0 ± 1.0, not yet run, 31.0 ± 1.0, not yet run, 50.00 ± 0.00\n" in shown.text
    assert "raw pixels: 71.0 ± 1.0, not yet run, not yet run\n" in shown.text  # pixels take no steps
    assert shown.text.endswith("supervised from scratch: 72.0 ± 1.0, not yet run")


def test_every_number_of_a_row_is_in_the_table():
    titles = dict(zip(rows.ALL, rows.table_rows(), strict=True))
    assert titles == dict(rows.ALL)
    for row in ("rotation", "pixels", "random", "random_vit", "supervised"):
        names = [name for name in rows.table_rows()[titles[row]] if name]
        found = compute_row(row, steps=1 if row == "rotation" else None, progress=False)
        assert set(found) == {
            n for n in names if row == "supervised" or "1000" not in n
        }  # smoke has 100 labels


def test_a_row_computed_now_is_that_of_the_comparison():
    assert compute_row("pixels") == COMPARISON.rows["pixels"](0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"row": "simclear"}, "row is 'simclear': expected one of pixels, random"),
        ({"row": "costs"}, "row is 'costs': expected one of pixels, random"),
        ({"row": "pixels", "steps": 3}, "steps is 3: expected None, since pixels"),
        ({"row": "rotation", "steps": 0}, "steps is 0"),
    ],
)
def test_a_row_that_there_is_not_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        compute_row(**given)


def test_a_step_costs_a_multiple_of_one_of_simclr():
    found = COMPARISON.rows["costs"](0, ("simclr", "byol"))
    assert found["byol_kept"] > found["simclr_kept"] > 0  # its predictor comes on top
    assert min(found.values()) > 0
    assert [COMPARISON.unit_of(name) for name in found] == ["", "MB"] * 2


# ---- unfair


def test_the_half_that_chooses_is_never_worse_off():
    halves = unfair.probe_on_halves(nn.Flatten(), (1e-3, 1e-1), draws=2)
    assert halves.scores.shape == (2, 2, 2)
    chosen, fresh = unfair.chosen_and_fresh(halves)
    assert chosen >= fresh
    assert chosen >= halves.scores.mean().item()


def test_with_one_setting_there_is_nothing_to_choose():
    halves = unfair.Halves((0.1,), torch.tensor([[[70.0, 74.0], [60.0, 61.0]]]))
    chosen, fresh = unfair.chosen_and_fresh(halves)
    assert chosen == fresh == pytest.approx(66.25)


def test_each_half_is_scored_by_the_choice_of_the_other():
    scores = torch.tensor([[[70.0], [60.0]], [[72.0], [50.0]]])  # half 1 likes setting 1, half 2 setting 0
    assert unfair.chosen_and_fresh(unfair.Halves((0.1, 1.0), scores)) == pytest.approx((66.0, 60.0))


def test_the_best_of_equal_tries_grows_with_their_number():
    assert unfair.best_of_equals(1, 2.0) == pytest.approx(0, abs=0.1)
    assert unfair.best_of_equals(10, 2.0) == pytest.approx(
        2 * 1.5388, abs=0.05
    )  # the mean of the tenth order statistic
    assert unfair.best_of_equals(10, 0.0) == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: unfair.probe_on_halves(nn.Flatten(), ()), "strengths is empty"),
        (lambda: unfair.probe_on_halves(nn.Flatten(), draws=0), "draws is 0"),
        (lambda: unfair.best_of_equals(0, 1.0), "tries is 0"),
        (lambda: unfair.best_of_equals(3, -1.0), "deviation is -1.0"),
        (lambda: unfair.longer_runs("rotation", (0,)), "steps is 0"),
    ],
)
def test_unfairness_has_its_limits(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_longer_runs_are_runs_of_their_own():
    found = unfair.longer_runs("rotation", (1, 2), progress=False)
    assert list(found) == [1, 2]
    assert all(len(draws) == 1 for draws in found.values())  # at scale smoke


# ---- figures


def words(figure):
    return figure._repr_mimebundle_()[0]["text/plain"]


@pytest.mark.parametrize("known", [True, False])
def test_figures_say_what_they_show_also_where_nothing_is_known(known):
    runs = {"SimCLR": [76.0, 77.0], "MAE": [60.0, 61.0]} if known else {}
    figure = plots.plot_rows(
        {"100 labels": runs, "retrieval": runs}, {"100 labels": {"raw pixels": 70.0}}, "Methods"
    )
    assert ("SimCLR 76.5, MAE 60.5" if known else "nothing yet") in words(figure)
    points = {"SimCLR": (3.0, 77.0), "MAE": (2.0, 60.0), "DINO": (4.0, 70.0)} if known else {}
    figure = plots.plot_cost(points, [True, True, False] if known else [], "Worth it", "cost", "score")
    assert ("On the front: SimCLR, MAE" if known else "none yet") in words(figure)
    figure = plots.plot_differences({"SimCLR": (6.0, 2.0)} if known else {}, "Ahead", "points")
    assert ("SimCLR +6.0 ± 2.0" if known else "nothing yet") in words(figure)
    one = {"SimCLR": 77.0, "MAE": 60.0} if known else {}
    figure = plots.plot_agreement([("100 labels", one, "retrieval", one)], ["They agree"])
    assert ("SimCLR 77.0 and 77.0" if known else "none yet") in words(figure)


def test_the_figure_of_budgets_says_its_numbers():
    figure = plots.plot_budgets({20: [60.0, 62.0], 40: [66.0]}, {"raw pixels": 65.0}, "Longer is better")
    assert "20 steps 61.0 ± 1.4, 40 steps 66.0 ± 0.0; lines: raw pixels 65.0" in words(figure)
