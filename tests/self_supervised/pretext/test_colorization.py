"""Colorization: Lab is what the standard says, the palette is exact, and the two losses do what is said of them."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from fmlib.data import load_emoji
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.pretext import ColorizationNet, Recipe, train_colorizer, train_regressor
from fmlib.self_supervised.pretext.colorization import (
    annealed_mean,
    color_loss,
    find_colors,
    nearest_color,
    rebalancing_weights,
    to_lab,
    to_rgb,
)
from fmlib.self_supervised.pretext.training import Paintings, color_targets, palette_of

# sRGB -> CIE Lab (D65), as published tables of the standard have it, to two digits
KNOWN = {
    (0, 0, 0): (0, 0, 0),
    (255, 255, 255): (100, 0, 0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (255, 255, 0): (97.14, -21.55, 94.48),
    (128, 128, 128): (53.59, 0, 0),
}


def test_known_colors_have_their_known_coordinates():
    rgb = torch.tensor(list(KNOWN), dtype=torch.float64)[:, :, None, None] / 255
    lab = to_lab(rgb)[:, :, 0, 0]
    assert (lab - torch.tensor(list(KNOWN.values()), dtype=torch.float64)).abs().max() < 0.02


def test_lab_comes_back(generator):
    rgb = torch.rand(2, 3, 8, 8, generator=generator, dtype=torch.float64)
    rgb[0, :, 0, 0] = 0.01  # the linear part near black
    assert torch.allclose(to_rgb(to_lab(rgb)), rgb, atol=1e-10)


def test_a_cell_is_kept_where_enough_pixels_lie():
    colors = torch.tensor([[0.0, 1.0], [4.0, -4.9], [5.1, 0.0], [12.0, 0.0], [-31.0, 29.0]])
    assert find_colors(colors, cell=10.0).tolist() == [[-30, 30], [0, 0], [10, 0]]
    assert find_colors(colors, cell=10.0, least=2).tolist() == [[0, 0], [10, 0]]


@given(st.integers(0, 20), st.integers(1, 12))
def test_the_nearest_color_is_found_by_looking_at_all(seed, count):
    generator = torch.Generator().manual_seed(seed)
    colors, palette = (50 * torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (30, count))
    found = nearest_color(colors, palette)
    for color, index in zip(colors, found.tolist(), strict=True):
        distances = [float(((color - one) ** 2).sum()) for one in palette]
        assert index == distances.index(min(distances))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.01, 1))
def test_the_mean_weight_over_pixels_is_one_and_rare_colors_weigh_more(frequencies, uniform):
    frequencies = torch.tensor(frequencies, dtype=torch.float64)
    if frequencies.sum() < 1e-6:
        return
    weights, share = rebalancing_weights(frequencies, uniform), frequencies / frequencies.sum()
    assert (share * weights).sum().item() == pytest.approx(1)
    assert (weights * ((1 - uniform) * share + uniform / len(share))).std(correction=0) < 1e-9  # eq. 4
    order = share.argsort()
    assert (weights[order].diff() <= 1e-9).all()


def test_the_loss_is_the_weighted_mean_written_out(generator):
    logits = torch.randn(2, 5, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(5, (2, 3, 3), generator=generator)
    weights = torch.rand(5, generator=generator, dtype=torch.float64)
    loss = color_loss(logits, targets, weights)
    one_hot = F.one_hot(targets, 5).permute(0, 3, 1, 2)
    by_hand = -(weights.view(1, 5, 1, 1) * one_hot * logits.log_softmax(1)).sum() / targets.numel()
    assert torch.allclose(loss, by_hand, atol=1e-12)
    gradients = [torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (loss, by_hand)]
    assert torch.allclose(*gradients, atol=1e-12)


def test_weights_of_one_give_the_plain_cross_entropy(generator):
    logits = torch.randn(2, 5, 3, 3, generator=generator, dtype=torch.float64)
    targets = torch.randint(5, (2, 3, 3), generator=generator)
    assert torch.allclose(color_loss(logits, targets, torch.ones(5)), F.cross_entropy(logits, targets))


def test_the_annealed_mean_lies_between_mean_and_mode(generator):
    logits = torch.randn(1, 4, 2, 2, generator=generator, dtype=torch.float64)
    palette = torch.tensor([[0.0, 0], [10, 0], [0, 20], [-30, 5]], dtype=torch.float64)
    mean = (logits.softmax(1)[:, :, None] * palette.view(1, 4, 2, 1, 1)).sum(1)
    assert torch.allclose(annealed_mean(logits, palette, 1.0), mean)
    mode = palette[logits.argmax(1)].permute(0, 3, 1, 2)
    assert torch.allclose(annealed_mean(logits, palette, 1e-3), mode)
    between = [(annealed_mean(logits, palette, t) - mode).norm() for t in (0.1, 0.38, 1.0)]
    assert between == sorted(between)


def test_each_place_of_the_map_paints_its_own_region():
    encoder = make_encoder(1, 0).eval()
    model = ColorizationNet(encoder, 3).eval()
    features = encoder(torch.rand(1, 1, 32, 32)).view(1, -1, 4, 4).detach().requires_grad_()
    painted = model.paint(features)
    assert painted.shape == (1, 3, 16, 16)
    painted[0, :, 4:8, 8:12].sum().backward()  # row 1, column 2 of the 4 x 4 places
    reached = features.grad.abs().sum(dim=(0, 1)) > 0
    assert reached.nonzero().tolist() == [[1, 2]]


def test_the_mean_square_paints_between_two_colors_and_a_palette_chooses_one():
    gray = torch.full((64, 1, 8, 8), 0.5)
    colors = torch.zeros(64, 2, 16, 16)
    colors[:40, 0], colors[40:, 0] = 60, -60  # red more often than green, nothing tells which
    paintings = Paintings(gray, colors)
    palette = palette_of(paintings)
    recipe = Recipe(steps=40, batch_size=32, rate=2e-2)
    regressor, _ = train_regressor(paintings, recipe, progress=False)
    chooser, _ = train_colorizer(paintings, palette, recipe, uniform=1.0, progress=False)
    with torch.no_grad():
        middle = 100 * regressor.train()(gray)[:, 0].mean()
        chosen = annealed_mean(chooser.train()(gray), palette, 0.05)[:, 0]
    assert abs(middle - 15) < 8  # (40 · 60 - 24 · 60) / 64
    assert (chosen.mean() - 60).abs() < 10


def test_colors_of_emoji_are_learned():
    paintings = Paintings.of(load_emoji("train", artists=("noto",)).subset(torch.arange(400)).rgb())
    palette = palette_of(paintings)
    assert color_targets(paintings, palette).max() < len(palette)
    _, history = train_colorizer(
        paintings, palette, Recipe(steps=20, batch_size=16), uniform=1.0, progress=False
    )
    assert sum(history.loss[-5:]) < 0.96 * sum(history.loss[:5])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: rebalancing_weights(torch.zeros(3)), "frequencies are negative or all 0"),
        (lambda: rebalancing_weights(torch.tensor([0.0, 1]), 0), "a weight is infinite"),
        (
            lambda: find_colors(torch.zeros(3, 2), least=4),
            "least is 4: expected a number that some cell holds, at most 3",
        ),
        (lambda: ColorizationNet(make_encoder(3, 0), 2), "encoder has 3 channels: expected 1"),
        (lambda: to_lab(torch.rand(1, 1, 4, 4)), "images have shape"),
    ],
)
def test_what_does_not_fit_is_refused(refuses, call, says):
    with refuses(ValueError, says):
        call()
