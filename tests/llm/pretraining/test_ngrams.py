from collections import Counter, defaultdict

import numpy as np
import pytest
import torch

from fmlib.llm.pretraining.ngrams import NGram, discounted_probabilities
from fmlib.llm.tokens.measure import unigram_nats


def text(length, vocab, seed=0):
    generator = np.random.default_rng(seed)
    return (generator.integers(vocab, size=length) * generator.integers(2, size=length)).astype(np.int64)


class Dictionaries:
    """The same model as slow as it can be: the definition, with tuples in dictionaries."""

    def __init__(self, tokens, vocab_size, order, discounts):
        tokens = tuple(tokens)
        self.vocab_size, self.order, self.discounts = vocab_size, order, discounts
        grams = {k: [tokens[i : i + k] for i in range(len(tokens) - k + 1)] for k in range(1, order + 1)}
        self.counts = {order: Counter(grams[order])}
        for k in range(1, order):
            self.counts[k] = Counter(gram[1:] for gram in set(grams[k + 1]))
        self.followers = {k: defaultdict(dict) for k in range(1, order + 1)}
        for k in self.counts:
            for gram, count in self.counts[k].items():
                self.followers[k][gram[:-1]][gram[-1]] = count

    def probability(self, token, context):
        context = tuple(context)[max(0, len(context) - self.order + 1) :]
        k = len(context) + 1
        shorter = self.probability(token, context[1:]) if context else 1 / self.vocab_size
        counts = self.followers[k].get(context)
        if not counts:
            return shorter
        d, total = self.discounts[k - 1], sum(counts.values())
        return max(counts.get(token, 0) - d, 0) / total + d * len(counts) / total * shorter


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_equals_dictionaries(order):
    train, held_out = text(300, 6), text(60, 7, seed=1)  # token 6 was never seen
    discounts = [0.9, 0.6, 0.75, 0.5, 0.8][:order]
    slow = Dictionaries(train.tolist(), 7, order, discounts)
    expected = [slow.probability(t, held_out[:i].tolist()) for i, t in enumerate(held_out.tolist())]
    found = np.exp(-NGram(train, 7, order).surprise(held_out, discounts))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("context", [[], [0], [4], [0, 0, 0, 0], [5, 5, 5, 5], [1, 2, 3, 4, 0, 0]])
@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_sum_to_one(context, order):
    found = NGram(text(200, 5), 6, order).probabilities(context, 0.7)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    assert (found > 0).all()


def test_probabilities_are_those_of_the_surprise():
    model, held_out = NGram(text(200, 5), 5, 3), text(20, 5, seed=2)
    for i in range(20):
        found = model.probabilities(held_out[:i].tolist(), (0.4, 0.5, 0.6))[held_out[i]]
        assert -np.log(found) == pytest.approx(model.surprise(held_out, (0.4, 0.5, 0.6))[i])


def test_longer_contexts_learn_what_shorter_ones_cannot():
    train = np.tile([0, 1, 0, 2], 50)
    nats = [NGram(train, 3, order).surprise(train, 0.5).mean() for order in (1, 2, 3)]
    assert nats[0] > 2 * nats[1] > 4 * nats[2]


def test_the_discounts_chosen_are_no_worse_than_any_for_all():
    model, validation = NGram(text(2000, 9), 9, 3), text(500, 9, seed=3)
    best = model.surprise(validation, model.choose_discounts(validation)).sum()
    assert best <= min(model.surprise(validation, d).sum() for d in (0.05, 0.5, 0.75, 1.0)) + 1e-9


def test_one_token_alone_is_nearly_the_unigram():
    train, held_out = text(5000, 9), text(500, 9, seed=3)
    assert NGram(train, 9, 1).surprise(held_out, 0.5).sum() == pytest.approx(
        unigram_nats(train, held_out, 9), rel=1e-3
    )


def test_large_vocabularies_and_orders_do_not_overflow():
    train = text(3000, 60_000)
    assert np.isfinite(NGram(train, 60_000, 6).surprise(train, 0.75)).all()


@pytest.mark.parametrize(
    ("tokens", "order", "message"),
    [
        (np.arange(5), 0, "order is 0"),
        (np.arange(2), 3, "the text has 2 tokens"),
        (np.array([0, 9]), 1, "tokens go from 0 to 9: expected 0 to 4"),
        (np.array([], dtype=int), 1, "tokens are empty"),
        (np.array([0.5]), 1, "expected one row of whole numbers"),
    ],
)
def test_what_cannot_be_counted_is_refused(refuses, tokens, order, message):
    with refuses(ValueError, message):
        NGram(tokens, 5, order)


@pytest.mark.parametrize("discounts", [0.0, 1.5, (0.5, 0.5), (0.5, 0.5, -1)])
def test_a_discount_outside_of_its_range_is_refused(refuses, discounts):
    with refuses(ValueError, "expected 3 numbers above 0"):
        NGram(text(50, 4), 4, 3).surprise(text(9, 4), discounts)


@pytest.mark.parametrize("context", [[0], [4], [5]])
def test_one_step_of_interpolation_is_that_of_the_model(context):
    train = text(200, 5)
    model = NGram(train, 6, 2)
    followers = [int(((train[:-1] == context[0]) & (train[1:] == token)).sum()) for token in range(6)]
    shorter = torch.from_numpy(model.probabilities([], (0.3, 0.7)))
    found = discounted_probabilities(torch.tensor(followers), shorter, 0.7)
    np.testing.assert_allclose(found.numpy(), model.probabilities(context, (0.3, 0.7)), rtol=1e-9)
