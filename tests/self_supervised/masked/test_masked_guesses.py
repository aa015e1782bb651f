"""Counting rivals guess the tokens that BERT is asked for, and their probabilities are probabilities."""

import numpy as np
import pytest
import torch

from fmlib.self_supervised.masked.guesses import Between, choose_between, left_nats
from fmlib.self_supervised.masked.plays import Vocabulary, ask

RANDOM = np.random.default_rng(0)
TEXT = RANDOM.integers(0, 6, 400)


def test_the_guess_from_both_neighbors_sums_to_1_and_is_bayes_rule():
    between, left, right = Between(TEXT, 6, 0.5), 2, 4
    likely = [np.exp(-between.nats(np.array([left, token, right]), np.array([1]))[0]) for token in range(6)]
    assert np.isclose(sum(likely), 1)
    assert np.allclose(between.table.sum(axis=1), 1)
    weights = [between.table[left, token] * between.table[token, right] for token in range(6)]
    assert np.allclose(likely, np.array(weights) / sum(weights))


def test_a_text_that_repeats_is_guessed_from_its_neighbors():
    text = np.tile([5, 6, 7, 8], 50)
    between = choose_between(text, text[:100], 9)
    assert between.nats(text, np.arange(1, 199)).mean() < 0.1
    assert left_nats(text, text[:100], text, 9, 1).mean() > np.log(3.9)
    assert left_nats(text, text[:100], text, 9, 3)[2:].mean() < 0.1


def test_two_neighbors_say_more_than_the_one_on_the_left():
    train = np.concatenate(
        [[2 * RANDOM.integers(0, 4), 8 + (k := RANDOM.integers(0, 3)), 2 * k + 1] for _ in range(900)]
    )
    places = np.arange(1, 899, 3)  # the middle token decides the right one, and the left one says nothing
    both = Between(train, 11, 0.5).nats(train[:900], places)
    one = left_nats(train, train[:300], train[:900], 11, 2)[places]
    assert both.mean() < 0.3
    assert one.mean() > 0.9


def test_the_asked_letters_are_those_of_the_text_and_marks_are_never_asked_for(generator):
    text, vocabulary = torch.randint(40, (203,), generator=generator), Vocabulary(40)
    asked = ask(text, 20, vocabulary, 9, generator=generator)
    chosen = asked.targets != -100
    assert asked.read.shape == (9, 23)
    assert torch.equal(text[asked.places], asked.targets[chosen])
    assert asked.places.min() >= 2
    assert asked.places.max() <= 201
    assert len(asked.places.unique()) == len(asked.places)
    assert (chosen.sum(dim=1) == 3).all()  # 15 % of 20
    for column, mark in ((0, vocabulary.start), (11, vocabulary.end), (22, vocabulary.end)):
        assert (asked.read[:, column] == mark).all()
        assert not chosen[:, column].any()
    assert (asked.read[~chosen] != vocabulary.mask).all()
    assert asked.types[0].tolist() == [0] * 12 + [1] * 11


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ask(torch.arange(20), 3, Vocabulary(40), 1, generator=torch.Generator()), "length is 3"),
        (
            lambda: ask(torch.arange(20), 20, Vocabulary(40), 1, generator=torch.Generator()),
            "at most the text's 20 less 3",
        ),
        (lambda: ask(torch.arange(20), 4, Vocabulary(40), 5, generator=torch.Generator()), "count is 5"),
        (lambda: Between(TEXT, 6, 0.0), "discount is 0.0"),
        (lambda: Between(TEXT, 5), "train goes from 0 to 5"),
        (lambda: Between(TEXT, 6).nats(TEXT, np.array([0])), "places go from 0"),
        (
            lambda: Between(TEXT, 6).nats(TEXT, np.array([399])),
            "places goes from 399 to 399: expected 0 to 398",
        ),
        (lambda: choose_between(TEXT, TEXT[:2], 6), "validation has 2 tokens"),
        (lambda: left_nats(TEXT, TEXT, TEXT, 6, 0), "order is 0"),
    ],
)
def test_what_cannot_be_guessed_is_refused(call, says, refuses):
    with refuses(ValueError, says):
        call()
