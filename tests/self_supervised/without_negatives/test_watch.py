"""What is watched without labels tells a healthy run from a collapsed one."""

import math

import pytest
import torch

from fmlib.nn.vit import ViT, ViTConfig
from fmlib.self_supervised.without_negatives.attention import class_attention, share_on_objects
from fmlib.self_supervised.without_negatives.dino import dino_loss
from fmlib.self_supervised.without_negatives.watch import effective_rank, entropy_and_divergence, spread


def noise(rows, dim, seed=0):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("dim", [4, 64, 256])
def test_embeddings_that_point_everywhere_spread_by_one_over_the_root_of_their_size(dim):
    assert spread(noise(4000, dim)).item() == pytest.approx(1 / math.sqrt(dim), rel=0.02)


def test_the_spread_knows_directions_and_not_lengths():
    z = noise(1, 8).expand(20, 8) * torch.linspace(0.1, 9, 20, dtype=torch.float64)[:, None]
    assert spread(z) < 1e-12
    assert spread(z + noise(20, 8)) > 0.05


@pytest.mark.parametrize("directions", [1, 3, 7])
def test_the_effective_rank_counts_directions(directions):
    basis = torch.linalg.qr(noise(30, 30))[0]
    flat = torch.linalg.qr(basis[:, :directions] - basis[:, :directions].mean(0))[0]
    z = flat @ torch.linalg.qr(noise(8, 8, 1))[0][:directions]
    assert effective_rank(5 * z + 3).item() == pytest.approx(directions, abs=1e-6)


def test_no_direction_is_left_where_all_rows_are_equal():
    assert effective_rank(torch.ones(5, 4)) == 0


def test_spread_alone_does_not_see_that_only_one_direction_is_left():
    line = noise(100, 1) * torch.ones(1, 16, dtype=torch.float64)  # both ways along one direction
    assert spread(line).item() == pytest.approx(1 / 4, rel=0.05)
    assert effective_rank(line).item() == pytest.approx(1)


def test_entropy_and_divergence_add_up_to_the_loss():
    student = [noise(5, 12, seed) for seed in range(4)]
    teacher = [noise(5, 12, seed) for seed in (7, 8)]
    center = noise(1, 12, 9)[0]
    entropy, divergence = entropy_and_divergence(student[:2], teacher, center, 0.3, 0.2)
    assert torch.allclose(entropy + divergence, dino_loss(student[:2], teacher, center, 0.3, 0.2))
    assert 0 < entropy < math.log(12)
    assert divergence > 0
    same, nothing = entropy_and_divergence(
        [teacher[0]] * 2, [teacher[0]] * 2, torch.zeros(12).double(), 0.2, 0.2
    )
    assert nothing.item() == pytest.approx(0, abs=1e-12)
    assert same > 0


def test_each_head_has_a_map_over_the_patches_that_sums_to_one():
    torch.manual_seed(0)
    vit = ViT(ViTConfig.tiny())
    maps = class_attention(vit, torch.rand(3, 3, 8, 16))
    assert maps.shape == (3, 2, 2, 4)
    assert torch.allclose(maps.sum(dim=(2, 3)), torch.ones(3, 2))
    assert vit.training  # as it was


def test_attention_on_an_object_is_weighed_by_the_part_of_each_patch_that_it_covers():
    objects = torch.zeros(1, 4, 4, dtype=torch.bool)
    objects[0, :2, :1] = True  # half of the first of four patches
    maps = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.25, 0.25], [0.25, 0.25]]]])
    shares, area = share_on_objects(maps, objects)
    assert shares.tolist() == [[0.5, 0.125]]
    assert area.tolist() == [0.125]


def test_what_cannot_be_watched_is_refused(refuses):
    for measure in (spread, effective_rank):
        with refuses(ValueError, "at least two pictures"):
            measure(torch.ones(1, 4))
    with refuses(ValueError, "cover evenly"):
        share_on_objects(torch.ones(1, 1, 3, 3), torch.ones(1, 4, 4, dtype=torch.bool))
