import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as reference

from fmlib.augment import (
    Augmentation,
    color_jitter,
    crop_and_resize,
    gaussian_blur,
    random_affine,
    random_gamma,
    random_horizontal_flip,
    random_resized_crop,
    shift_hue,
    to_gray,
)


def pictures(batch=4, channels=3, height=12, width=10):
    return torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("box", [(0, 0, 10, 12), (2, 3, 5, 6), (9, 11, 1, 1), (0, 4, 7, 2)])
def test_a_crop_equals_torchvisions(box):
    images = pictures()
    left, top, width, height = box
    ours = crop_and_resize(images, torch.tensor([box] * 4).float())
    theirs = reference.resized_crop(images, top, left, height, width, [12, 10], antialias=False)
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_each_picture_gets_its_own_crop():
    images = pictures(1).expand(4, -1, -1, -1)
    views = random_resized_crop(images, torch.Generator().manual_seed(0))
    assert all(not torch.allclose(views[0], views[i]) for i in range(1, 4))


def test_a_flip_mirrors_left_and_right():
    images = pictures()
    assert torch.equal(random_horizontal_flip(images, probability=1.0), reference.horizontal_flip(images))
    assert torch.equal(random_horizontal_flip(images, probability=0.0), images)


def test_gamma_equals_torchvisions_with_each_pictures_own_exponent():
    images = pictures()
    draw = torch.rand(4, 1, 1, 1, generator=torch.Generator().manual_seed(5))
    views = random_gamma(images, torch.Generator().manual_seed(5), strength=0.7)
    for image, view, u in zip(images, views, 0.7 * (2 * draw.flatten() - 1), strict=True):
        assert torch.allclose(view, reference.adjust_gamma(image, u.exp().item()), atol=1e-3)


def test_gamma_keeps_black_and_white_and_the_order_between():
    ramp = torch.linspace(0, 1, 50).view(1, 1, 1, 50).expand(8, -1, -1, -1)
    views = random_gamma(ramp, torch.Generator().manual_seed(0), strength=1.5)
    assert views[..., 0].max() < 0.02
    assert torch.allclose(views[..., -1], torch.ones(()))
    assert (views.diff() >= 0).all()


def test_gray_equals_torchvisions():
    assert torch.allclose(to_gray(pictures()), reference.rgb_to_grayscale(pictures()), atol=1e-6)


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.0, 0.1, 0.45])
def test_a_hue_shift_equals_torchvisions(turn):
    images = torch.cat((pictures(), torch.full((1, 3, 12, 10), 0.5), torch.zeros(1, 3, 12, 10)))
    ours = shift_hue(images, torch.full((len(images), 1, 1, 1), turn))
    assert torch.allclose(ours, reference.adjust_hue(images, turn), atol=1e-5)


@pytest.mark.parametrize(
    ("strengths", "function"),
    [
        ({"brightness": 0.5}, reference.adjust_brightness),
        ({"contrast": 0.5}, reference.adjust_contrast),
        ({"saturation": 0.5}, reference.adjust_saturation),
    ],
)
def test_each_jitter_equals_torchvisions_at_its_factor(strengths, function):
    images = pictures()
    none = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    ours = color_jitter(images, torch.Generator().manual_seed(0), **(none | strengths))
    factors = 0.5 + torch.rand(4, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    theirs = torch.stack([function(x, f.item()) for x, f in zip(images, factors, strict=True)])
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_blur_equals_torchvisions_at_its_width():
    images = pictures(height=16, width=16)
    ours = gaussian_blur(images, sigma=(1.0, 1.0))
    theirs = reference.gaussian_blur(images, [5, 5], [1.0, 1.0])
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_no_turn_and_no_shift_change_nothing():
    assert torch.allclose(random_affine(pictures(), degrees=0, shift=0), pictures(), atol=1e-5)


def test_what_comes_in_from_outside_has_the_background_s_brightness():
    white = torch.ones(2, 3, 8, 8)
    move = Augmentation(crop=1.0, flip=0.0, degrees=45, shift=0.3, fill=1.0, jitter=0.0, gray=0.0)
    assert torch.allclose(move(white, torch.Generator().manual_seed(0)), white, atol=1e-5)


def test_a_quarter_turn_brings_the_corner_round():
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 0, 4] = 1.0

    turned = [random_affine(image, torch.Generator().manual_seed(s), degrees=180, shift=0) for s in range(20)]
    assert all(t.min() >= 0 and t.max() <= 1 + 1e-5 for t in turned)
    assert len({t.argmax().item() for t in turned}) > 2


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    height=st.integers(3, 14),
    width=st.integers(3, 14),
    seed=st.integers(0, 1000),
)
def test_views_keep_the_shape_and_the_range(batch, channels, height, width, seed):
    images = pictures(batch, channels, height, width)
    augment = Augmentation(crop=0.1, degrees=30, shift=0.2, strength=1.0, blur=0.5, gamma=1.0)
    view = augment(images, torch.Generator().manual_seed(seed))
    assert view.shape == images.shape
    assert torch.isfinite(view).all()
    assert view.min() >= -1e-5
    assert view.max() <= 1 + 1e-5


def test_the_same_generator_gives_the_same_views_and_leaves_global_randomness_alone():
    before = torch.get_rng_state()
    augment, images = Augmentation(blur=0.5, degrees=10), pictures()
    first = augment(images, torch.Generator().manual_seed(4))
    again = augment(images, torch.Generator().manual_seed(4))
    other = augment(images, torch.Generator().manual_seed(5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_everything_switched_off_is_the_picture_itself():
    off = Augmentation(crop=1.0, flip=0.0, jitter=0.0, gray=0.0)
    assert torch.equal(off(pictures()), pictures())


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), TypeError, "uint8"),
        (torch.zeros(3, 4, 4), ValueError, r"\(3, 4, 4\)"),
        (torch.zeros(2, 2, 4, 4), ValueError, "1 or 3"),
        (torch.zeros(0, 3, 4, 4), ValueError, "not empty"),
        ("picture", TypeError, "str"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [random_resized_crop, random_horizontal_flip, random_affine, color_jitter, gaussian_blur, Augmentation()],
)
def test_what_is_no_batch_of_pictures_is_refused(function, images, error, says, refuses):
    with refuses(error, says):
        function(images)


@pytest.mark.parametrize(
    "bad",
    [
        {"crop": 0.0},
        {"crop": 1.5},
        {"flip": 2.0},
        {"jitter": -0.1},
        {"degrees": -1.0},
        {"strength": -1.0},
        {"gamma": -1.0},
    ],
)
def test_a_recipe_refuses_bad_numbers(bad, refuses):
    with refuses(ValueError, "expected"):
        Augmentation(**bad)


def test_ranges_are_refused_when_they_are_empty(refuses):
    with refuses(ValueError, "scale is"):
        random_resized_crop(pictures(), scale=(0.9, 0.5))
    with refuses(ValueError, "ratio is"):
        random_resized_crop(pictures(), ratio=(2.0, 0.5))
    with refuses(ValueError, "sigma is"):
        gaussian_blur(pictures(), sigma=(0.0, 1.0))
    with refuses(ValueError, "hue is 0.6"):
        color_jitter(pictures(), hue=0.6)
    with refuses(ValueError, "where batch is 4 as in images"):
        crop_and_resize(pictures(), torch.zeros(3, 4))
