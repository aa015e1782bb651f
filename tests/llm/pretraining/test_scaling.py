import math

import numpy as np
import pytest
import torch

from fmlib.llm.pretraining.scaling import (
    Law,
    fit_power_law,
    fit_with_uncertainty,
    model_size,
    power_law_by_line,
    ruler,
    scaling_recipes,
)
from fmlib.llm.pretraining.training import make_gpt

SIZES = [1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6]


def runs(law, noise, seed, sizes=SIZES):
    off = torch.randn(len(sizes), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return [law(size) * math.exp(noise * z) for size, z in zip(sizes, off.tolist(), strict=True)]


@pytest.mark.parametrize("law", [Law(1.7, 400.0, 0.34), Law(0.8, 12.0, 0.12), Law(2.5, 5000.0, 0.9)])
def test_a_law_is_recovered_from_runs_that_follow_it(law):
    found = fit_power_law(SIZES, runs(law, 0, 0))
    assert found.floor == pytest.approx(law.floor, rel=1e-3)
    assert found.scale == pytest.approx(law.scale, rel=1e-2)
    assert found.exponent == pytest.approx(law.exponent, rel=1e-3)


def test_a_pure_power_law_is_recovered_and_has_no_floor():
    found = fit_power_law(SIZES, runs(Law(0, 9.0, 0.076), 0, 0), floor=False)
    assert found.floor == 0
    assert (found.scale, found.exponent) == pytest.approx((9.0, 0.076))


def test_without_the_floor_a_law_that_has_one_promises_too_much():
    law = Law(1.7, 400.0, 0.34)
    losses = runs(law, 0, 0)
    assert fit_power_law(SIZES, losses, floor=False)(1e9) < 0.9 * law(1e9)
    assert fit_power_law(SIZES, losses)(1e9) == pytest.approx(law(1e9), rel=1e-3)


def test_one_bad_run_does_not_bend_the_law():
    law = Law(1.7, 400.0, 0.34)
    losses = runs(law, 1e-4, 0)
    losses[3] *= 1.3
    assert fit_power_law(SIZES, losses)(1e7) == pytest.approx(law(1e7), rel=0.02)


def test_intervals_cover_a_larger_run_as_often_as_they_say():
    law, inside, width = Law(1.7, 400.0, 0.34), 0, []
    for seed in range(30):
        fit = fit_with_uncertainty(SIZES, runs(law, 0.01, seed), torch.Generator().manual_seed(0), samples=40)
        found = fit.predict(4e6, torch.Generator().manual_seed(1))
        actual = runs(law, 0.01, 1000 + seed, [4e6])[0]
        inside += found.low <= actual <= found.high
        width.append((found.high - found.low) / found.loss)
    assert 23 <= inside <= 30  # of 30, at 90 %
    assert np.median(width) < 0.3


def test_intervals_hold_the_true_exponent():
    law, inside = Law(1.7, 400.0, 0.34), 0
    for seed in range(15):
        fit = fit_with_uncertainty(SIZES, runs(law, 0.01, seed), torch.Generator().manual_seed(0), samples=40)
        low, high = fit.interval("exponent")
        inside += low <= law.exponent <= high
    assert inside >= 12  # of 15, at 90 %


def test_the_same_generator_gives_the_same_interval():
    losses = runs(Law(1.7, 400.0, 0.34), 0.01, 0)
    found = [
        fit_with_uncertainty(SIZES, losses, torch.Generator().manual_seed(5), samples=10).predict(
            1e7, torch.Generator().manual_seed(6)
        )
        for _ in range(2)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("sizes", "losses", "message"),
    [
        ([1, 2, 3], [1.0, 2.0], "sizes and"),
        ([1, 2, 0], [1.0, 2.0, 3.0], "sizes are .* above 0"),
        ([1, 2, 3], [1.0, math.nan, 3.0], "losses are .* above 0"),
        ([1, 2, 2], [1.0, 2.0, 3.0], "2 different sizes: expected at least 3"),
    ],
)
def test_runs_that_tie_down_no_law_are_refused(refuses, sizes, losses, message):
    with refuses(ValueError, message):
        fit_power_law(sizes, losses)


def test_three_runs_leave_no_uncertainty_to_measure(refuses):
    with refuses(ValueError, "there are 3 runs: expected more than 3"):
        fit_with_uncertainty([1, 2, 3], [3.0, 2.0, 1.0], torch.Generator())


@pytest.mark.parametrize("at", ["smoke", "cpu"])
def test_the_recipes_differ_in_the_model_only_and_the_last_is_beyond(monkeypatch, at):
    monkeypatch.setenv("FMLIB_SCALE", at)
    small, larger = scaling_recipes(80)
    assert len(small) >= 5
    assert len({recipe.tokens for recipe in [*small, larger]}) == 1
    sizes = [model_size(recipe.model) for recipe in [*small, larger]]
    assert sizes == sorted(set(sizes))


def test_the_size_is_the_weights_of_the_blocks_matrices():
    config = scaling_recipes(80)[1].model
    model = make_gpt(config, 0)
    assert model_size(config) == sum(p.numel() for p in model.blocks.parameters() if p.ndim == 2)


def test_the_line_through_logarithms_is_the_pure_law():
    losses = runs(Law(0, 9.0, 0.076), 0, 0)
    scale, exponent = power_law_by_line(torch.tensor(SIZES), torch.tensor(losses, dtype=torch.float32))
    assert scale.item() == pytest.approx(9.0, rel=1e-4)
    assert exponent.item() == pytest.approx(0.076, rel=1e-4)


@pytest.mark.parametrize("floor", [True, False])
def test_runs_that_follow_no_law_give_a_wide_interval_and_no_error(floor):
    sizes, losses = [3456, 6144, 13824, 24576, 55296], [2.33, 2.27, 2.37, 2.38, 2.37]
    fit = fit_with_uncertainty(sizes, losses, torch.Generator().manual_seed(0), floor, samples=60)
    found = fit.predict(221184, torch.Generator().manual_seed(0))
    assert 0 < found.low < found.high < math.inf
    assert found.high / found.low > 1.05


def test_a_ruler_goes_through_the_means_of_the_last_two_sizes_and_on():
    line = ruler([10, 1, 100, 100, 10], [3.0, 9.0, 2.1, 1.9, 3.0])
    assert [line(size) for size in (10, 100, 1000)] == pytest.approx([3.0, 2.0, 1.0])


def test_a_law_with_a_floor_beats_the_ruler_far_away():
    law, far = Law(1.7, 400.0, 0.34), 1e9
    losses = runs(law, 0, 0)
    off = [abs(guess(far) - law(far)) for guess in (fit_power_law(SIZES, losses), ruler(SIZES, losses))]
    assert off[0] < 0.1 * off[1]


def test_one_size_makes_no_line(refuses):
    with refuses(ValueError, "1 different sizes: expected at least 2"):
        ruler([5, 5], [2.0, 2.1])
