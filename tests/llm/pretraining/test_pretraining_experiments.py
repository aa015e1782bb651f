"""The rows of the comparison differ from the short recipe in what they are named for, and in nothing else."""

from dataclasses import asdict

import pytest

from fmlib.llm.pretraining import Recipe, experiments

SAME = {"batch_8", "falls_along_line"}  # the short recipe itself, so that a panel shows it beside the others


def differs(row):
    """Names of what differs from the short recipe; steps follow the batch size, so that all read as much."""
    recipe, options = experiments.changed(row)
    short = Recipe.short()
    found = {name for name, value in asdict(recipe).items() if value != asdict(short)[name]}
    if "batch_size" in found:
        found -= {"steps"}
        assert recipe.tokens == pytest.approx(short.tokens, rel=0.01)
    return found | set(options)


@pytest.mark.parametrize("row", experiments.SHORT_ROWS)
def test_a_row_changes_what_it_is_named_for(row, monkeypatch):
    monkeypatch.setenv("FMLIB_SCALE", "cpu")
    allowed = {
        "rate_higher_muon": {"rate"},
        "batch_32_faster": {"batch_size", "rate"},
        "no_warmup_middle": {"optimizer", "rate", "warmup"},
        "no_warmup_muon": {"warmup"},
    } | {row: {"batch_size"} for row in experiments.BATCH_SIZES}
    for row_, options in experiments.STABILITY.items():
        allowed[row_] = {"optimizer", "rate", *options}
    for optimizer in experiments.OPTIMIZERS:
        for rate in experiments.RATES:
            allowed[f"{rate}_{optimizer}"] = {"rate"} | ({"optimizer"} if optimizer == "adamw" else set())
    allowed |= {row: {"schedule"} for row in experiments.SCHEDULES} | {row: set() for row in SAME}
    assert differs(row) == allowed[row]


@pytest.mark.parametrize(
    ("row", "beside"), [("no_warmup_middle", "rate_middle_adamw"), ("no_warmup_muon", "falls_along_line")]
)
def test_what_leaves_out_the_warmup_has_its_pair(row, beside):
    (without, options), (with_it, none) = experiments.changed(row), experiments.changed(beside)
    assert without == with_it
    assert (options, none) == ({"warmup": 0}, {})


def test_an_unknown_row_is_refused(refuses):
    with refuses(ValueError, "there is no row 'rate_lost': expected one of rate_low_adamw"):
        experiments.changed("rate_lost")
