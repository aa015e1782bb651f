"""Puzzles: tiles are cut where they should be, orders are far apart, and the network learns to solve them."""

from itertools import combinations, permutations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fmlib.data import load_fashion_mnist
from fmlib.self_supervised.encoder import make_encoder, with_grid
from fmlib.self_supervised.pretext import JigsawConfig, JigsawNet, Puzzle, Recipe, train_jigsaw
from fmlib.self_supervised.pretext.jigsaw import (
    cut_tiles,
    distant_orders,
    farthest_order,
    normalize_tiles,
    shuffle_tiles,
)
from fmlib.self_supervised.pretext.training import as_it_is, jigsaw_accuracy, picture_encoder


@pytest.mark.parametrize(("side", "size"), [(2, 6), (3, 12), (4, 8)])
def test_tiles_without_a_gap_make_up_the_picture(side, size, generator):
    images = torch.rand(2, 3, size, size, generator=generator)
    tiles = cut_tiles(images, side, 0, generator)
    cell = size // side
    for place in range(side**2):
        row, column = divmod(place, side)
        part = images[:, :, row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        assert torch.equal(tiles[:, place], part)


@given(st.integers(0, 3), st.integers(0, 9))
def test_a_tile_with_a_gap_lies_somewhere_in_its_cell(gap, seed):
    images = torch.arange(2 * 64.0).view(2, 1, 8, 8)
    tiles = cut_tiles(images, 2, gap, torch.Generator().manual_seed(seed))
    assert tiles.shape == (2, 4, 1, 4 - gap, 4 - gap)
    for picture in range(2):
        for place in range(4):
            cell = images[picture, 0].unflatten(1, (2, 4)).unflatten(0, (2, 4))[place // 2, :, place % 2]
            pieces = [cell[y : y + 4 - gap, x : x + 4 - gap] for y in range(gap + 1) for x in range(gap + 1)]
            assert any(torch.equal(tiles[picture, place, 0], piece) for piece in pieces)


def test_each_tile_is_moved_by_itself(generator):
    images = torch.arange(36.0).view(1, 1, 6, 6).expand(200, 1, 6, 6)
    corners = cut_tiles(images, 2, 1, generator)[..., 0, 0]  # [200, 4, 1]
    assert len(corners.flatten(1).unique(dim=0)) > 100  # of the 4^4 ways that four tiles can lie


def greedy(tiles, count, first):
    """Algorithm 1 of the paper, written with sets and loops."""
    every = list(permutations(range(tiles)))
    chosen = [first]
    while len(chosen) < count:

        def nearest(row):
            return min(sum(a != b for a, b in zip(every[row], every[other], strict=True)) for other in chosen)

        chosen.append(
            max((row for row in range(len(every)) if row not in chosen), key=lambda row: (nearest(row), -row))
        )
    return [every[row] for row in chosen]


def test_running_minimum_and_plain_definition_agree(generator):
    orders = distant_orders(4, 12, generator)
    every = torch.tensor(list(permutations(range(4))))
    rows = [int((every == order).all(1).nonzero()[0, 0]) for order in orders]
    for taken in range(1, 12):
        assert farthest_order(every, torch.tensor(rows[:taken])) == rows[taken]


@pytest.mark.parametrize(("tiles", "count"), [(3, 6), (4, 9), (4, 24)])
def test_orders_are_those_of_the_paper(tiles, count, generator):
    state = generator.get_state()
    orders = distant_orders(tiles, count, generator)
    generator.set_state(state)
    every = list(permutations(range(tiles)))
    first = int(torch.randint(len(every), (1,), generator=generator))
    assert [tuple(order) for order in orders.tolist()] == greedy(tiles, count, first)


def test_a_few_orders_of_eight_tiles_differ_everywhere(generator):
    orders = distant_orders(8, 8, generator)
    assert min(int((a != b).sum()) for a, b in combinations(orders, 2)) == 8


def test_no_order_comes_twice(generator):
    assert len({tuple(order) for order in distant_orders(4, 24, generator).tolist()}) == 24


def test_shuffled_tiles_lie_as_the_order_says():
    tiles = torch.arange(8.0).view(2, 4, 1, 1, 1)
    orders = torch.tensor([[0, 1, 2, 3], [3, 1, 0, 2]])
    shuffled = shuffle_tiles(tiles, orders, torch.tensor([1, 0]))
    assert shuffled.flatten(1).tolist() == [[3, 1, 0, 2], [4, 5, 6, 7]]


def test_a_normalized_tile_says_nothing_of_its_light(generator):
    tiles = torch.rand(3, 4, 2, 5, 5, generator=generator, dtype=torch.float64)
    normal = normalize_tiles(tiles, eps=1e-12)
    assert normal.mean(dim=(2, 3, 4)).abs().max() < 1e-10
    assert (normal.std(dim=(2, 3, 4), correction=0) - 1).abs().max() < 1e-9
    brighter = tiles * torch.tensor([0.2, 0.5, 0.8, 1.0]).view(4, 1, 1, 1) + 0.1
    assert torch.allclose(normalize_tiles(brighter, eps=1e-12), normal, atol=1e-8)
    assert not normalize_tiles(torch.full((1, 4, 1, 3, 3), 0.7)).abs().gt(1e-4).any()


def test_features_of_a_tile_do_not_depend_on_the_others(generator):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(9, 5))
    model = JigsawNet(encoder, JigsawConfig.tiny(), 5)
    seen = []
    model.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].view(2, 4, 5)))
    tiles = torch.rand(2, 4, 1, 3, 3, generator=generator)
    model(tiles)
    other = tiles.clone()
    other[:, 2] = 0
    model(other)
    assert torch.equal(seen[0][:, [0, 1, 3]], seen[1][:, [0, 1, 3]])
    assert not torch.equal(seen[0][:, 2], seen[1][:, 2])


def test_puzzles_are_learned():
    images = load_fashion_mnist("train").images[:800]
    puzzle = Puzzle.make(JigsawConfig(orders=4, gap=2))
    model, history = train_jigsaw(images, puzzle, Recipe(steps=40, batch_size=32), progress=False)
    assert history.loss[-1] < 0.6 * history.loss[0]
    assert jigsaw_accuracy(model, puzzle, load_fashion_mnist("validation").images[:200]) > 60


def test_the_encoder_of_pictures_is_that_of_the_tiles_with_another_grid():
    puzzle = Puzzle.make(JigsawConfig.tiny(), as_it_is)
    encoder = with_grid(make_encoder(1, 0), 1)
    model = JigsawNet(encoder, puzzle.config)
    seeing = picture_encoder(model, puzzle)
    assert all(torch.equal(a, b) for a, b in zip(encoder.parameters(), seeing.parameters(), strict=True))
    assert not {p.data_ptr() for p in encoder.parameters()} & {p.data_ptr() for p in seeing.parameters()}
    images = torch.rand(2, 1, 28, 28)
    places = encoder.eval().stages(encoder.stem(images))
    assert torch.allclose(seeing.eval()(images), F.adaptive_avg_pool2d(places, 4).flatten(1), atol=1e-6)
    assert torch.allclose(encoder(images), places.mean(dim=(2, 3)), atol=1e-6)


def test_a_bright_picture_is_seen_as_a_dark_one_where_tiles_were_normalized():
    puzzle = Puzzle.make(JigsawConfig.tiny())
    seeing = picture_encoder(JigsawNet(with_grid(make_encoder(1, 0), 1), puzzle.config), puzzle).eval()
    images = torch.rand(2, 1, 28, 28)
    assert torch.allclose(seeing(images), seeing(0.5 * images + 0.2), atol=0.1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda g: cut_tiles(torch.rand(1, 1, 7, 7), 2, 0, g), "images are 7 pixels wide and side is 2"),
        (
            lambda g: cut_tiles(torch.rand(1, 1, 6, 6), 2, 3, g),
            "gap is 3: expected a whole number from 0 to 2",
        ),
        (lambda g: distant_orders(3, 7, g), "count is 7: expected a whole number from 1 to 6"),
        (
            lambda g: farthest_order(torch.tensor([[0, 1], [1, 0]]), torch.tensor([0, 1])),
            "chosen has all 2 orders",
        ),
        (
            lambda g: shuffle_tiles(torch.rand(1, 4, 1, 2, 2), torch.tensor([[0, 1, 2]]), torch.tensor([0])),
            "orders have shape",
        ),
    ],
)
def test_puzzles_that_do_not_fit_are_refused(refuses, generator, call, says):
    with refuses(ValueError, says):
        call(generator)


@pytest.mark.parametrize("field", [{"side": 4}, {"orders": 0}, {"gap": -1}, {"hidden_dim": 1.5}])
def test_a_configuration_that_is_none_is_refused(refuses, field):
    with refuses(ValueError, next(iter(field))):
        JigsawConfig(**field)
