"""The vision transformer computes what the reference library's does."""

import pytest
import torch

from fmlib.nn.vit import ViT, ViTConfig, patchify, sine_positions, unpatchify

EXACT = {"rtol": 0, "atol": 1e-10}


def pictures(batch=2, channels=3, height=8, width=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, channels, height, width, generator=generator, dtype=torch.float64)


def test_patches_are_cut_row_by_row_with_the_channels_of_a_pixel_together():
    image = torch.arange(2 * 4 * 4, dtype=torch.float64).view(1, 2, 4, 4)
    patches = patchify(image, 2)
    assert patches.shape == (1, 4, 8)
    assert patches[0, 1].tolist() == [2, 18, 3, 19, 6, 22, 7, 23]  # the upper right corner


@pytest.mark.parametrize(("channels", "size"), [(1, 4), (3, 2), (2, 8)])
def test_what_was_cut_can_be_put_together(channels, size):
    images = pictures(channels=channels)
    assert torch.equal(unpatchify(patchify(images, size), size, channels), images)


def test_a_patch_embedding_is_a_convolution_with_strides():
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, 5, 4, stride=4).double()
    linear = torch.nn.Linear(48, 5).double()
    with torch.no_grad():
        linear.weight.copy_(conv.weight.permute(0, 2, 3, 1).flatten(1))
        linear.bias.copy_(conv.bias)
    images = pictures()
    assert torch.allclose(linear(patchify(images, 4)), conv(images).flatten(2).mT, **EXACT)


def test_sine_positions_tell_all_places_apart():
    table = sine_positions(5, 16)
    assert table.shape == (25, 16)
    assert torch.cdist(table, table).fill_diagonal_(1).min() > 1e-3


def test_the_same_features_whatever_else_is_in_the_batch():
    model = ViT(ViTConfig.tiny()).double().eval()
    images = pictures(3)
    assert torch.allclose(model(images)[1:], model(images[1:]), **EXACT)


def test_positions_of_another_grid_are_interpolated_and_the_own_grid_is_left_alone():
    model = ViT(ViTConfig.tiny()).double()
    grid = model.config.grid
    assert torch.equal(model.positions(grid, grid), model.position_embedding[1:])
    assert model.positions(3, 5).shape == (15, model.config.dim)
    assert model(pictures(height=12, width=20)).shape == (2, model.config.dim)


def test_order_counts_only_through_positions():
    model = ViT(ViTConfig.tiny()).double().eval()
    patches = model.embed(pictures())
    shuffled = patches[:, torch.randperm(patches.shape[1], generator=torch.Generator().manual_seed(0))]
    assert torch.allclose(model.read(patches)[:, 0], model.read(shuffled)[:, 0], **EXACT)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"image_size": 10, "patch_size": 4}, "divides"),
        ({"dim": 10, "heads": 4}, "heads"),
        ({"layers": 0}, "layers"),
    ],
)
def test_sizes_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        ViTConfig(**wrong)


def test_pictures_that_patches_do_not_cover_are_refused():
    with pytest.raises(ValueError, match="9 x 8 pixels: expected multiples of the patch size, 4"):
        ViT(ViTConfig.tiny())(torch.zeros(1, 3, 9, 8))
    with pytest.raises(ValueError, match=r"expected \[batch, 3, height, width\]"):
        ViT(ViTConfig.tiny())(torch.zeros(1, 1, 8, 8))
