"""Every method keeps to the budget, and what is counted is what the network that learns looks at."""

import pytest
import torch
from torch import nn

from fmlib.results import compare
from fmlib.self_supervised.comparison import (
    METHODS,
    Budget,
    measure,
    pictures_seen,
    seen_by_learner,
    step_cost,
)
from fmlib.self_supervised.comparison.budget import train
from fmlib.self_supervised.comparison.cost import Scale
from fmlib.self_supervised.comparison.experiments import COMPARISON
from fmlib.self_supervised.pretext.jigsaw import JigsawConfig

TINY = Budget(steps=2, pictures=16)
PARTS = {"jigsaw": JigsawConfig().tiles}  # of a picture, that go through the network one by one


@pytest.mark.parametrize("method", METHODS)
def test_a_method_takes_its_steps_and_gives_features_of_clothes(method):
    encoder, history = train(method, TINY, progress=False)
    assert len(history.loss) == TINY.steps
    with torch.no_grad():
        features = encoder.eval()(torch.rand(3, 1, 28, 28))
    assert features.ndim == 2
    assert len(features) == 3
    assert features.isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_as_many_pictures_reach_the_network_that_learns(method):
    seen = seen_by_learner(method, TINY)
    assert seen.rows == TINY.pictures * PARTS.get(method, 1)


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    first, again, other = (train("rotation", TINY, seed, progress=False)[0] for seed in (3, 3, 4))
    pictures = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        a, b, c = (encoder.eval()(pictures) for encoder in (first, again, other))
    assert torch.equal(a, b)
    assert not torch.allclose(a, c)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": True}, "steps is True"),
        ({"steps": 3, "pictures": 0}, "pictures is 0"),
        ({"steps": 3, "pictures": 18}, "pictures is 18: expected a multiple of 4"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(given, says, refuses):
    with refuses(ValueError, says):
        Budget(**given)


@pytest.mark.parametrize("ask", [train, step_cost, seen_by_learner])
def test_an_unknown_method_is_named_with_the_known_ones(ask):
    with pytest.raises(ValueError, match="method is 'simclear': expected one of rotation, jigsaw"):
        ask("simclear", TINY)


# ---- counting


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU())


def test_only_rows_with_a_gradient_are_counted(network):
    def step():
        network(torch.rand(5, 4))
        network[0](torch.rand(100, 4))  # a part of it by itself
        with torch.no_grad():
            network(torch.rand(50, 4))
        network(torch.rand(2, 4))

    assert pictures_seen(network, step) == 7
    assert pictures_seen(network, lambda: None) == 0


def test_the_network_is_left_alone_even_where_the_step_fails(network):
    def fail():
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        pictures_seen(network, fail)
    assert not network._forward_pre_hooks
    assert not network._forward_hooks


# ---- cost


def test_what_is_kept_is_what_a_count_by_hand_says():
    first, second = nn.Linear(50, 70), nn.Linear(70, 30)
    x = torch.randn(10, 50)
    with Scale() as weighed:
        second(first(x).relu()).sum()
    # The input for the first weights; what leaves the ReLU for its slope and for the second weights, one block of memory.
    # The second weights themselves are kept as well, through a transposed view, and are none of the activations.
    assert weighed.kept == 4 * (10 * 50 + 10 * 70)


def test_nothing_is_kept_without_a_gradient_and_nothing_after_the_end(network):
    with Scale() as weighed:
        with torch.no_grad():
            network(torch.rand(5, 4))
        weighed.close()
        network(torch.rand(5, 4))
    network(torch.rand(5, 4))
    assert weighed.kept == 0


def test_the_cost_of_a_step_does_not_depend_on_how_many_are_timed():
    one, three = (step_cost("rotation", TINY, steps) for steps in (1, 3))
    assert one.kept == three.kept > 0
    assert one.weights == three.weights
    assert three.seconds > 0
    twice = step_cost("rotation", Budget(1, 2 * TINY.pictures), 1)
    assert twice.kept == pytest.approx(2 * one.kept, rel=0.02)
    assert twice.weights == one.weights
    with pytest.raises(ValueError, match="steps is 0"):
        step_cost("rotation", TINY, 0)


def test_a_second_network_weighs():
    weights = {method: step_cost(method, TINY, 1).weights for method in ("simclr", "moco")}
    assert weights["moco"] == pytest.approx(2 * weights["simclr"], rel=0.05)


# ---- measures


def test_a_measure_is_in_per_cent_and_the_same_twice():
    first, again = (measure(nn.Flatten(), seed=1) for _ in range(2))
    assert first == again
    assert set(first) == {"probe_100", "retrieval"}  # at scale smoke
    assert all(0 <= value <= 100 for value in first.values())
    assert first["probe_100"] > 30  # guessing: 10


def test_the_rows_are_those_that_the_ledger_promises():
    assert compare.load("self_supervised") is COMPARISON
    assert COMPARISON.prefix == "self_supervised/comparison"
    assert COMPARISON.seeds >= 3
    assert list(COMPARISON.rows) == ["pixels", "random", "random_vit", "supervised", "costs", *METHODS]
    assert set(COMPARISON.rows["pixels"](0)) == {"pixels_probe_100", "pixels_retrieval"}
    assert set(COMPARISON.rows["supervised"](0)) == {"supervised_100", "supervised_1000"}
