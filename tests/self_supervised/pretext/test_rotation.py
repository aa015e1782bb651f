"""Rotation: pixels move as torch.rot90 moves them, labels say how, and the network learns it."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fmlib.data import load_fashion_mnist
from fmlib.self_supervised.pretext import Recipe, RotationNet, train_rotation
from fmlib.self_supervised.pretext.rotation import all_rotations, turn_each
from fmlib.self_supervised.pretext.training import rotation_answers


def pictures(count=5, channels=2, size=4, dtype=torch.float64):
    return torch.rand(
        count, channels, size, size, generator=torch.Generator().manual_seed(count), dtype=dtype
    )


def test_every_picture_comes_in_all_four_positions_with_its_own_label():
    images = pictures()
    turned, turns = all_rotations(images)
    assert turned.shape == (20, 2, 4, 4)
    for row, (picture, turn) in enumerate(zip(turned, turns.tolist(), strict=True)):
        assert torch.equal(picture, torch.rot90(images[row % 5], turn, (1, 2)))
    assert turns.bincount().tolist() == [5, 5, 5, 5]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 5))
def test_each_picture_is_turned_by_its_own_quarters(turns, size):
    images = pictures(len(turns), 3, size)
    turned = turn_each(images, torch.tensor(turns))
    assert all(torch.equal(turned[i], torch.rot90(images[i], k, (1, 2))) for i, k in enumerate(turns))


def test_turning_on_and_on_comes_back():
    images = pictures()
    turns = torch.tensor([1, 2, 3, 0, 1])
    assert torch.equal(turn_each(turn_each(images, turns), (4 - turns) % 4), images)


def test_the_gradient_reaches_encoder_and_head():
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    model = RotationNet(encoder, 3)
    turned, turns = all_rotations(pictures(4, 1, 4, torch.float32))
    F.cross_entropy(model(turned), turns).backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_rotations_are_learned():
    images = load_fashion_mnist("train").images[:600]
    model, history = train_rotation(images, Recipe(steps=30, batch_size=24), progress=False)
    assert sum(history.loss[-5:]) < 0.8 * sum(history.loss[:5])
    assert rotation_answers(model, load_fashion_mnist("validation").images[:300]).mean() > 0.45


def test_training_is_a_function_of_the_seed():
    images = load_fashion_mnist("train").images[:64]
    losses = [
        train_rotation(images, Recipe(steps=2, batch_size=16), seed, progress=False)[1].loss
        for seed in (3, 3, 4)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_answers_are_asked_in_evaluation_mode_and_leave_the_model_as_it_was():
    images = load_fashion_mnist("train").images[:20]
    model, _ = train_rotation(images, Recipe(steps=1, batch_size=16), progress=False)
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rotation_answers(model, images)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("images", "turns", "says"),
    [
        (torch.rand(2, 1, 3, 4), torch.tensor([0, 1]), "images have shape"),
        (torch.rand(2, 1, 3, 3), torch.tensor([0, 4]), "turns go from 0 to 4: expected 0 to 3"),
        (torch.rand(2, 1, 3, 3), torch.tensor([0]), "turns have shape"),
    ],
)
def test_what_cannot_be_turned_is_refused(refuses, images, turns, says):
    with refuses(ValueError, says):
        turn_each(images, turns)
