"""Cues that are planted, taken away and measured: each does what it is said to do and nothing else."""

import itertools

import pytest
import torch

from fmlib.data import load_fashion_mnist
from fmlib.self_supervised.pretext import JigsawConfig, Puzzle, experiments
from fmlib.self_supervised.pretext.jigsaw import distant_orders, shuffle_tiles
from fmlib.self_supervised.pretext.shortcuts import (
    add_mark,
    cover_border,
    cue_accuracy,
    order_by_edges,
    other_brightness,
)
from fmlib.self_supervised.pretext.training import as_it_is


@pytest.mark.parametrize(
    "images", [torch.rand(2, 3, 6, 6), torch.randint(256, (2, 1, 6, 6), dtype=torch.uint8)]
)
def test_a_mark_changes_the_corner_and_nothing_else(images):
    before, marked = images.clone(), add_mark(images)
    assert torch.equal(images, before)
    assert marked.dtype == images.dtype
    changed = torch.ones(6, 6).bool()
    changed[-2:, -2:] = False
    assert torch.equal(marked[..., changed], images[..., changed])
    assert (marked[..., -2:, -2:] == (1 if images.is_floating_point() else 255)).all()


def test_a_covered_frame_hides_the_mark_and_leaves_the_middle(generator):
    images = torch.rand(2, 1, 7, 7, generator=generator)
    assert torch.equal(cover_border(add_mark(images)), cover_border(images))
    assert torch.equal(cover_border(images)[..., 2:5, 2:5], images[..., 2:5, 2:5])
    assert cover_border(images).count_nonzero() == 2 * 9


def by_looking_at_all(tiles, orders):
    side, found = round(len(tiles) ** 0.5), []
    for order in orders.tolist():
        grid = [tiles[order.index(cell)] for cell in range(len(order))]
        cost = 0
        for cell in range(len(order)):
            if cell % side < side - 1:
                cost += (grid[cell][..., -1] - grid[cell + 1][..., 0]).abs().sum().item()
            if cell + side < len(order):
                cost += (grid[cell][..., -1, :] - grid[cell + side][..., 0, :]).abs().sum().item()
        found.append(cost)
    return found.index(min(found))


@pytest.mark.parametrize("count", [4, 9])
def test_the_ruler_finds_what_looking_at_all_orders_finds(count, generator):
    orders = distant_orders(count, 6, generator)
    tiles = torch.rand(5, count, 2, 3, 3, generator=generator, dtype=torch.float64)
    found = order_by_edges(tiles, orders)
    assert found.tolist() == [by_looking_at_all(one, orders) for one in tiles]


def test_a_smooth_picture_is_put_together_by_its_edges(generator):
    x = torch.linspace(0, 1, 12)
    images = (x[:, None] + 3 * x).expand(20, 1, 12, 12)
    puzzle = Puzzle.make(JigsawConfig(side=3, orders=20, gap=0), as_it_is)
    assert experiments.edges_accuracy(puzzle, images) == 100
    tiles = shuffle_tiles(torch.zeros(7, 9, 1, 2, 2), puzzle.orders, torch.arange(7))
    assert order_by_edges(tiles, puzzle.orders).tolist() == [0] * 7  # nothing to go by


def test_bent_grays_keep_their_order(generator):
    gray = torch.rand(4, 1, 5, 5, generator=generator)
    bent = other_brightness(gray, generator)
    assert not torch.equal(bent, gray)
    for one, other in zip(gray.flatten(1), bent.flatten(1), strict=True):
        assert torch.equal(one.argsort(), other.argsort())


def test_a_cue_is_worth_what_counting_says():
    cue, answers = torch.tensor([0, 0, 0, 2, 2]), torch.tensor([1, 1, 3, 2, 2])
    told = {0: 1, 1: 1, 2: 2, 3: 1}  # 1 and 3 never came: the commonest, the lower of two that tie
    for value, answer in itertools.product(told, range(4)):
        right = cue_accuracy(cue, answers, torch.tensor([value]), torch.tensor([answer]))
        assert right == 100 * (told[value] == answer)


def test_a_cue_without_meaning_is_worth_the_commonest_answer(generator):
    cue = torch.randint(3, (4000,), generator=generator)
    answers = (torch.rand(4000, generator=generator) < 0.3).long()
    assert cue_accuracy(cue[:2000], answers[:2000], cue[2000:], answers[2000:]) == pytest.approx(70, abs=4)


def test_a_linear_classifier_tells_turns_of_clothes_from_pixels():
    assert experiments.rotation_by_pixels(200) > 60


def test_gray_pictures_are_asked_for_group_and_artist():
    found = experiments.emoji_probes(torch.nn.Flatten())
    assert set(found) == {"group", "known artists", "artist"}
    assert all(0 < value < 100 for value in found.values())


def test_measures_of_a_painting():
    paintings = experiments.Paintings(torch.zeros(1, 1, 4, 4), torch.zeros(1, 2, 2, 2))
    paintings.colors[0, 0, 0, 0] = 30.0
    painted = torch.zeros(1, 2, 2, 2)
    painted[0, 1, 0, 0] = 40.0
    assert experiments.painting_measures(painted, paintings) == {
        "error": pytest.approx(25.0),
        "colorfulness": 40.0,
    }


def test_the_ledger_s_pictures_are_those_that_are_probed():
    encoder = torch.nn.Flatten()
    found = experiments.probe_draws(encoder)
    assert len(found[100]) == 1  # at scale smoke
    assert 50 < found[100][0] < 90
    assert len(load_fashion_mnist("validation")) == 2000


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: order_by_edges(torch.rand(1, 3, 1, 2, 2), torch.tensor([[0, 1, 2]])),
            "tiles are 3 for each puzzle",
        ),
        (lambda: add_mark(torch.rand(1, 1, 3, 3), 4), "size is 4"),
        (lambda: cover_border(torch.rand(1, 1, 4, 4), 2), "width is 2"),
        (lambda: cue_accuracy(*map(torch.tensor, ([0], [-1], [0], [0]))), "answers go from -1"),
    ],
)
def test_what_does_not_fit_is_refused(refuses, call, says):
    with refuses(ValueError, says):
        call()


def test_the_commonest_answer_is_asked_the_same_questions_as_the_probes():
    constant = experiments.emoji_commonest()
    assert list(constant) == ["group", "known artists", "artist"]
    groups = experiments.emoji_drawings("held_out_both").group_index
    best = 100 * groups.bincount().max() / len(groups)
    assert 0 < constant["group"] <= best + 1e-4
    assert 100 / 6 - 8 < constant["artist"] < 60
