"""Differences, chance, the best of several, ranks and the front: as SciPy or a count of all cases gives them."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmlib.self_supervised.comparison.judging import (
    expected_best,
    paired_difference,
    pareto_front,
    score_of_chosen,
    sign_flip_p,
)

scores = st.integers(-8, 8).map(float)  # few values, so that ties come up
pairs = st.lists(st.tuples(scores, scores), min_size=2, max_size=8)


@given(pairs)
def test_the_interval_is_that_of_a_paired_t_test(both):
    one, other = ([pair[k] for pair in both] for k in (0, 1))
    mean, half = paired_difference(one, other)
    if len({a - b for a, b in both}) == 1:
        assert (mean, half) == (both[0][0] - both[0][1], 0)
        return
    interval = stats.ttest_rel(one, other).confidence_interval(0.95)
    assert mean == pytest.approx((interval.low + interval.high) / 2, abs=1e-10)
    assert half == pytest.approx((interval.high - interval.low) / 2, abs=1e-10)


@given(st.lists(scores, min_size=2, max_size=7))
def test_the_share_is_that_of_an_exact_permutation_test(differences):
    oracle = stats.permutation_test(
        (np.array(differences),),
        np.sum,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert sign_flip_p(differences) == pytest.approx(oracle.pvalue, abs=1e-12)


@pytest.mark.parametrize("n", [1, 3, 5, 6])
def test_no_difference_of_so_many_seeds_can_be_rarer_than_two_choices_of_signs(n):
    assert sign_flip_p([5.0 + i for i in range(n)]) == 2 / 2**n
    assert sign_flip_p([-5.0 - i for i in range(n)]) == 2 / 2**n
    assert sign_flip_p([0.0] * n) == 1


def test_sums_that_agree_but_for_rounding_count_as_equal():
    exact = sign_flip_p([1.0, 2.0, 3.0, -4.0])
    assert sign_flip_p([0.1, 0.2, 0.3, -0.4]) == exact
    assert sign_flip_p([1e-13, 2e-13, 3e-13, -4e-13]) == exact


@given(st.lists(scores, min_size=1, max_size=7), st.data())
def test_the_best_of_several_is_that_of_all_ways_to_pick_them(runs, data):
    count = data.draw(st.integers(1, len(runs)))
    every = [max(group) for group in combinations(runs, count)]
    assert expected_best(runs, count) == pytest.approx(sum(every) / len(every), abs=1e-12)


def test_the_best_of_one_is_the_mean_and_of_all_the_highest():
    runs = [70.0, 74.0, 71.0]
    assert expected_best(runs, 1) == pytest.approx(sum(runs) / 3)
    assert expected_best(runs, 3) == 74


@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=6))
def test_the_front_is_what_no_other_beats_in_whatever_order(points):
    front = pareto_front([p[0] for p in points], [p[1] for p in points])
    kept = {p for p, on in zip(points, front, strict=True) if on}
    assert kept
    for one, on in zip(points, front, strict=True):
        assert on == (one in kept)
        beaten = [p for p in kept if p != one and p[0] <= one[0] and p[1] >= one[1]]
        assert bool(beaten) != on
    turned = pareto_front([p[0] for p in points[::-1]], [p[1] for p in points[::-1]])
    assert turned == front[::-1]


def test_the_setting_is_chosen_by_validation_and_reported_on_test():
    validation, test = [[70.0, 72.0], [75.0, 74.0], [75.0, 74.0]], [[90.0, 90.0], [60.0, 62.0], [80.0, 80.0]]
    assert score_of_chosen(validation, test) == (1, 61.0)
    for order in permutations(range(3)):
        chosen, score = score_of_chosen([validation[i] for i in order], [test[i] for i in order])
        assert order[chosen] == min((1, 2), key=order.index)
        assert score == sum(test[order[chosen]]) / 2


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: paired_difference([1.0], [2.0]), "one has 1 numbers: expected at least 2"),
        (lambda: paired_difference([1.0, 2.0], [2.0]), "one has 2 numbers and other has 1"),
        (lambda: paired_difference([1.0, math.nan], [2.0, 3.0]), r"one\[1\] is nan"),
        (lambda: sign_flip_p([]), "differences is empty"),
        (lambda: sign_flip_p([1.0] * 21), "there are 21 differences: expected at most 20"),
        (lambda: expected_best([], 1), "runs is empty"),
        (lambda: expected_best([1.0, 2.0], 3), "count is 3: expected a whole number from 1 to 2"),
        (lambda: expected_best([1.0, 2.0], 0), "count is 0"),
        (lambda: pareto_front([], []), "costs has 0 numbers: expected at least 1"),
        (lambda: pareto_front([1.0], [1.0, 2.0]), "costs has 1 numbers and scores has 2"),
        (lambda: pareto_front([math.inf], [1.0]), r"costs\[0\] is inf"),
        (lambda: score_of_chosen([], []), "validation has 0 settings and test 0"),
        (lambda: score_of_chosen([[1.0]], [[1.0], [2.0]]), "validation has 1 settings and test 2"),
        (
            lambda: score_of_chosen([[1.0, 2.0]], [[1.0]]),
            r"validation\[0\] has 2 numbers and test\[0\] has 1",
        ),
        (lambda: score_of_chosen([[]], [[]]), r"validation\[0\] has 0 numbers"),
    ],
)
def test_what_cannot_be_judged_is_refused(call, says, refuses):
    with refuses(ValueError, says):
        call()
