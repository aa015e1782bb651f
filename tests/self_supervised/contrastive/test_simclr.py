import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmlib.self_supervised.contrastive.simclr import (
    ProjectionHead,
    SimCLR,
    SimCLRConfig,
    nt_xent,
    positive_indices,
)


def pair(batch=6, dim=5, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z1, z2 = torch.randn(2, batch, dim, generator=generator, dtype=dtype)
    return z1.requires_grad_(), z2.requires_grad_()


def by_the_book(z1, z2, temperature):
    """Equation 1, one sum at a time."""
    z = F.normalize(torch.cat((z1, z2)), dim=1)
    n, total = len(z1), 0.0
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        denominator = sum(torch.exp(z[i] @ z[k] / temperature) for k in range(2 * n) if k != i)
        total = total - torch.log(torch.exp(z[i] @ z[partner] / temperature) / denominator)
    return total / (2 * n)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
def test_nt_xent_equals_equation_1(temperature):
    z1, z2 = pair()
    assert torch.allclose(nt_xent(z1, z2, temperature), by_the_book(z1, z2, temperature), rtol=0, atol=1e-10)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_and_its_gradient_equal_lightly(temperature):
    from lightly.loss import NTXentLoss

    z1, z2 = pair(batch=16, dim=8)
    ours = nt_xent(z1, z2, temperature)
    theirs = NTXentLoss(temperature=temperature)(z1, z2)
    assert abs(ours - theirs) < 1e-10
    for mine, reference in zip(
        torch.autograd.grad(ours, (z1, z2)), torch.autograd.grad(theirs, (z1, z2)), strict=True
    ):
        assert torch.allclose(mine, reference, rtol=0, atol=1e-10)


def test_nt_xent_gradient_is_right():
    z1, z2 = pair(batch=3, dim=4)
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.5), (z1, z2))


def test_nt_xent_of_equal_embeddings_is_the_log_of_the_candidates():
    z = torch.ones(8, 4)
    assert math.isclose(nt_xent(z, z).item(), math.log(15), rel_tol=1e-6)


def test_nt_xent_does_not_care_about_scale_or_order():
    z1, z2 = pair()
    order = torch.randperm(len(z1), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(nt_xent(z1, z2), nt_xent(7 * z1[order], 0.1 * z2[order]), atol=1e-12)
    assert torch.allclose(nt_xent(z1, z2), nt_xent(z2, z1), atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(2, 9), dim=st.integers(1, 7), temperature=st.floats(0.05, 5))
def test_nt_xent_is_a_finite_scalar_for_any_shape(batch, dim, temperature):
    z1, z2 = pair(batch, dim, torch.float32)
    loss = nt_xent(z1, z2, temperature)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert loss >= 0
    gradient = torch.autograd.grad(loss, z1)[0]
    assert torch.isfinite(gradient).all()


def test_nt_xent_survives_a_zero_embedding():
    z1, z2 = torch.zeros(2, 4, 3, requires_grad=True)
    loss = nt_xent(z1, z2)
    assert torch.isfinite(loss)


@pytest.mark.parametrize(
    ("z1", "z2", "error", "says"),
    [
        (torch.ones(4, 3), torch.ones(2, 3), ValueError, "z1 has 4 rows and z2 has 2"),
        (torch.ones(4, 3), torch.ones(4, 2), ValueError, "3 columns and z2 has 2"),
        (torch.ones(1, 3), torch.ones(1, 3), ValueError, "no negatives"),
        (torch.ones(0, 3), torch.ones(0, 3), ValueError, r"\(0, 3\)"),
        (torch.ones(4), torch.ones(4), ValueError, r"\(4,\)"),
        (torch.ones(4, 3).long(), torch.ones(4, 3).long(), TypeError, "int64"),
        ([1.0], [1.0], TypeError, "list"),
    ],
)
def test_nt_xent_refuses_what_cannot_be_a_pair(z1, z2, error, says, refuses):
    with refuses(error, says):
        nt_xent(z1, z2)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_nt_xent_refuses_a_temperature_that_is_not_positive(temperature, refuses):
    with refuses(ValueError, "temperature is"):
        nt_xent(*pair(), temperature)


@given(batch=st.integers(1, 50))
def test_partners_come_in_pairs(batch):
    partner = positive_indices(batch)
    assert torch.equal(partner[partner], torch.arange(2 * batch))
    assert torch.equal((partner - torch.arange(2 * batch)).abs(), torch.full((2 * batch,), batch))


def test_positive_indices_refuses_an_empty_batch(refuses):
    with refuses(ValueError, "batch is 0"):
        positive_indices(0)


def test_simclr_takes_any_encoder_and_gives_one_embedding_a_view():
    model = SimCLR(nn.Sequential(nn.Flatten(), nn.Linear(12, 7)), feature_dim=7, config=SimCLRConfig.tiny())
    z1, z2 = model(torch.rand(5, 3, 2, 2), torch.rand(5, 3, 2, 2))
    assert z1.shape == z2.shape == (5, 8)


def test_simclr_runs_with_torchvisions_resnet():
    from torchvision.models import resnet18

    encoder = resnet18()
    encoder.fc = nn.Identity()
    model = SimCLR(encoder, feature_dim=512, config=SimCLRConfig.tiny())
    model.loss(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)).backward()
    assert encoder.conv1.weight.grad.abs().sum() > 0


def test_the_gradient_reaches_every_parameter():
    model = SimCLR(nn.Sequential(nn.Flatten(), nn.Linear(12, 7)), feature_dim=7, config=SimCLRConfig.tiny())
    model.loss(torch.rand(5, 3, 2, 2), torch.rand(5, 3, 2, 2)).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_simclr_asks_for_the_feature_dim_when_the_encoder_does_not_say(refuses):
    with refuses(ValueError, "feature_dim is None"):
        SimCLR(nn.Flatten())


def test_simclr_refuses_views_of_different_shapes(refuses):
    model = SimCLR(nn.Flatten(), feature_dim=12)
    with refuses(ValueError, "views have shapes"):
        model(torch.rand(5, 3, 2, 2), torch.rand(4, 3, 2, 2))


@pytest.mark.parametrize("bad", [{"temperature": 0}, {"hidden_dim": 0}, {"output_dim": -1}])
def test_the_configuration_refuses_bad_numbers(bad, refuses):
    with refuses(ValueError, "expected"):
        SimCLRConfig(**bad)


def test_the_papers_head_has_the_papers_sizes():
    config = SimCLRConfig.paper()
    head = ProjectionHead(2048, config.hidden_dim, config.output_dim)
    assert [tuple(m.weight.shape) for m in head if isinstance(m, nn.Linear)] == [(2048, 2048), (128, 2048)]


def test_the_head_refuses_empty_sizes(refuses):
    with refuses(ValueError, "expected a whole number of at least 1"):
        ProjectionHead(0, 4, 4)
