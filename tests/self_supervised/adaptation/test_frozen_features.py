"""Classifiers on frozen features compute what the field's library computes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from torch import nn

from fmlib.data import load_fashion_mnist
from fmlib.evaluate import linear_probe
from fmlib.nn.resnet import ResNetConfig, SmallResNet
from fmlib.self_supervised.adaptation import experiments
from fmlib.self_supervised.adaptation.episodes import (
    episode_accuracy,
    mean_interval,
    sample_episode,
    split_episode,
)
from fmlib.self_supervised.adaptation.fine_tuning import Classifier
from fmlib.self_supervised.adaptation.probe import (
    choose_strength,
    logistic_regression,
    probe_head,
    standardize,
)
from fmlib.self_supervised.adaptation.prototypes import class_means, nearest_mean
from fmlib.self_supervised.adaptation.watching import rank_correlation


def clouds(generator, rows=60, dim=5, classes=4):
    centers = 2 * torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    labels = torch.arange(rows) % classes
    return centers[labels] + torch.randn(rows, dim, generator=generator, dtype=torch.float64), labels


def test_the_nearest_mean_is_that_of_scikit_learn(generator):
    x, y = clouds(generator)
    others = 3 * torch.randn(200, 5, generator=generator, dtype=torch.float64)
    theirs = NearestCentroid().fit(x.numpy(), y.numpy())
    means, classes = class_means(x, y)
    np.testing.assert_allclose(means.numpy(), theirs.centroids_, atol=1e-12)
    assert classes.tolist() == theirs.classes_.tolist()
    assert nearest_mean(x, y, others).tolist() == theirs.predict(others.numpy()).tolist()


def test_with_one_shot_the_nearest_mean_is_the_nearest_neighbor(generator):
    x = torch.randn(6, 3, generator=generator)
    others = torch.randn(50, 3, generator=generator)
    labels = torch.tensor([5, 0, 3, 9, 1, 7])
    assert torch.equal(nearest_mean(x, labels, others), labels[torch.cdist(others, x).argmin(dim=1)])


@pytest.mark.parametrize("strength", [0.01, 1.0, 30.0])
def test_logistic_regression_is_that_of_scikit_learn(generator, strength):
    x, y = clouds(generator)
    weight, bias = logistic_regression(x, y, strength, steps=500)
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=5000).fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(weight.numpy(), theirs.coef_, atol=1e-4)
    ours = bias - bias.mean()  # a shift of all biases changes no probability
    np.testing.assert_allclose(ours.numpy(), theirs.intercept_ - theirs.intercept_.mean(), atol=1e-4)
    probabilities = (x @ weight.T + bias).softmax(dim=1)
    np.testing.assert_allclose(probabilities.numpy(), theirs.predict_proba(x.numpy()), atol=1e-5)


def test_a_probe_put_together_from_the_parts_is_the_probe_of_the_book(generator):
    x, y = clouds(generator, rows=80)
    others, labels = clouds(generator, rows=200)
    seen, asked = standardize(x, others)
    weight, bias = logistic_regression(seen, y, 0.1)
    right = 100 * ((asked @ weight.T + bias).argmax(dim=1) == labels).double().mean().item()
    assert right == pytest.approx(linear_probe(x, y, others, labels, (0.1,)), abs=0.51)


def test_standardized_labeled_features_have_mean_0_and_deviation_1(generator):
    x, _ = clouds(generator)
    known, others = standardize(x, x[:1])
    assert known.mean(dim=0).abs().max() < 1e-12
    assert known.std().item() == pytest.approx(1)
    assert torch.equal(others, known[:1])  # one row alone is moved like all


def test_features_that_are_all_the_same_cannot_be_standardized(refuses):
    with refuses(ValueError, "known has rows that are all the same"):
        standardize(torch.ones(3, 2), torch.ones(1, 2))


def test_the_strength_is_what_held_back_rows_prefer():
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(60, 40, generator=generator)
    labels = torch.randint(3, (60,), generator=generator)
    signal = noise.clone()
    signal[:, :3] += 12 * nn.functional.one_hot(labels, 3)
    candidates = (1e-4, 1.0)
    assert choose_strength(noise, labels, candidates) == 1e-4  # labels that mean nothing
    assert choose_strength(signal, labels, candidates) == 1.0


def test_a_class_with_a_single_row_leaves_nothing_to_cross_validate():
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    assert choose_strength(x, torch.tensor([0, 0, 1]), (0.3, 0.1)) == 0.3


def test_a_probe_as_a_head_gives_the_probes_logits(generator):
    pictures = load_fashion_mnist("validation").sample(3, generator)
    torch.manual_seed(0)
    encoder = SmallResNet(ResNetConfig(widths=(8, 16))).eval()
    head = probe_head(encoder, pictures, 0.1)
    with torch.no_grad():
        features = encoder(pictures.images.float() / 255)
        found = Classifier(encoder, 10, head).eval()(pictures.images.float() / 255)
    x, _ = standardize(features, features)
    weight, bias = logistic_regression(x, pictures.labels, 0.1, 10)
    torch.testing.assert_close(found, x @ weight.T + bias, atol=1e-4, rtol=1e-4)


# ---- episodes


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 4), st.integers(1, 4))
def test_what_is_shown_is_never_asked_and_all_rows_are_of_their_class(seed, ways, shots, queries):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(6).repeat(8)[torch.randperm(48, generator=generator)]
    support, query = sample_episode(labels, ways, shots, queries, generator)
    assert support.shape == (ways, shots)
    assert query.shape == (ways, queries)
    rows = torch.cat([support, query], dim=1)
    assert len(rows.unique()) == rows.numel()
    assert (labels[rows] == labels[rows[:, :1]]).all()
    assert len(labels[rows[:, 0]].unique()) == ways


def test_an_episode_is_a_function_of_the_generators_seed():
    labels = torch.arange(5).repeat(9)
    one, same, other = (
        torch.cat(sample_episode(labels, 3, 2, 2, torch.Generator().manual_seed(seed)), dim=1)
        for seed in (4, 4, 5)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_an_episode_that_has_too_few_pictures_is_refused(refuses):
    with refuses(ValueError, "class 1 has 2 pictures in order: expected 3"):
        split_episode(torch.arange(6), torch.tensor([0, 0, 0, 1, 1, 0]), torch.tensor([0, 1]), 1, 2)
    with refuses(ValueError, "ways is 4: expected a whole number from 2 to 3"):
        sample_episode(torch.arange(3).repeat(4), 4, 1, 1, torch.Generator())


def test_features_that_are_the_labels_get_every_query_right():
    labels = torch.arange(4).repeat(5)
    features = nn.functional.one_hot(labels).float()
    support, query = sample_episode(labels, 4, 1, 3, torch.Generator().manual_seed(0))
    assert episode_accuracy(features, support, query) == 100
    assert episode_accuracy(features, support, query.flip(0)) == 0


@pytest.mark.parametrize(("count", "confidence"), [(2, 0.95), (7, 0.5), (400, 0.99)])
def test_the_interval_is_that_of_scipy(count, confidence):
    values = np.random.default_rng(0).normal(70, 12, count)
    mean, half = mean_interval(values.tolist(), confidence)
    low, high = stats.t.interval(confidence, count - 1, values.mean(), stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        mean, half = mean_interval(generator.normal(3.0, 2.0, 5).tolist(), 0.8)
        held += abs(mean - 3.0) <= half
    assert held / 400 == pytest.approx(0.8, abs=0.06)


def test_a_single_value_has_no_interval(refuses):
    with refuses(ValueError, "values has 1 numbers: expected at least two"):
        mean_interval([3.0])
    with refuses(ValueError, "values is nan"):
        mean_interval([3.0, math.nan])


def test_an_artist_who_is_asked_for_was_never_shown():
    support, query = experiments.artist_episode(6, 50, 5, 3, torch.Generator().manual_seed(0))
    assert (query // 50 == 5).all()
    assert (support // 50 < 5).all()
    assert torch.equal(support % 50, (query % 50).expand(5, 3))  # the same emoji
    assert len((query % 50).unique()) == 5


def test_every_row_of_the_emoji_is_one_emoji_by_all_artists(monkeypatch):
    monkeypatch.setenv("FMLIB_SCALE", "smoke")
    experiments.gray_emoji.cache_clear()
    pictures, numbers = experiments.gray_emoji()
    experiments.gray_emoji.cache_clear()
    assert pictures.shape == (6, len(numbers), 1, 32, 32)
    from fmlib.data import load_emoji

    drawings = load_emoji("all")
    row = ((drawings.artist_index == 5) & (drawings.emoji_index == numbers[7])).nonzero()[0]
    torch.testing.assert_close(pictures[5, 7], drawings.subset(row).rgb(0.0).mean(dim=1))


# ---- orders


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=12))
def test_the_rank_correlation_is_that_of_scipy(pairs):
    first, second = ([float(v) for v in values] for values in zip(*pairs, strict=True))
    if len(set(first)) == 1 or len(set(second)) == 1:
        with pytest.raises(ValueError, match="equal numbers only"):
            rank_correlation(first, second)
    else:
        assert rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second)[0], abs=1e-9)


def test_more_draws_are_needed_where_more_scatters(refuses):
    assert experiments.draws_needed(2.0, 1.0) > experiments.draws_needed(1.0, 1.0) >= 2
    n = experiments.draws_needed(1.5, 1.0)
    for count, enough in ((n, True), (n - 1, False)):
        assert (stats.t.ppf(0.975, count - 1) * 1.5 / count**0.5 <= 1.0) == enough
    with refuses(ValueError, "needs more than 5 draws"):
        experiments.draws_needed(9.0, 1.0, most=5)


def test_peeking_flatters_where_strengths_differ_by_luck_alone():
    generator = torch.Generator().manual_seed(0)
    luck = (torch.rand(4, 9, 1000, generator=generator) < 0.7).float()  # nine strengths, none better
    small, large = experiments.flattery(luck, 50), experiments.flattery(luck, 800)
    assert small > large > 0
    clear = torch.zeros(2, 3, 100)
    clear[:, 1] = 1
    assert experiments.flattery(clear, 20) == 0
