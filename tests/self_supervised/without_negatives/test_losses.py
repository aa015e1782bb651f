"""The losses of BYOL, Barlow Twins, VICReg and DINO against lightly's, values and gradients."""

import math

import pytest
import torch

from fmlib.self_supervised.without_negatives.byol import momentum_at, prediction_loss
from fmlib.self_supervised.without_negatives.dino import dino_loss, moved_center
from fmlib.self_supervised.without_negatives.redundancy import (
    barlow_loss,
    cross_correlation,
    vicreg_loss,
    vicreg_parts,
)

EXACT = {"rtol": 0, "atol": 1e-10}


def rows(count=6, batch=5, dim=4, scale=1.0):
    generator = torch.Generator().manual_seed(count)
    return [
        (scale * torch.randn(batch, dim, generator=generator, dtype=torch.float64)).requires_grad_()
        for _ in range(count)
    ]


def same_loss_and_gradient(ours, theirs, inputs):
    mine, other = ours(*inputs), theirs(*inputs)
    assert torch.allclose(mine, other, **EXACT)
    for a, b in zip(torch.autograd.grad(mine, inputs), torch.autograd.grad(other, inputs), strict=True):
        assert torch.allclose(a, b, **EXACT)


def test_the_prediction_loss_is_lightlys_cosine_on_another_scale():
    from lightly.loss import NegativeCosineSimilarity

    prediction, target = rows(2)
    loss = prediction_loss(prediction, target)
    theirs = NegativeCosineSimilarity()(prediction, target.detach())
    assert torch.allclose(loss, 2 + 2 * theirs, **EXACT)
    (ours,), (other,) = (torch.autograd.grad(x, prediction) for x in (loss, 2 + 2 * theirs))
    assert torch.allclose(ours, other, **EXACT)


def test_no_gradient_reaches_the_target():
    prediction, target = rows(2)
    prediction_loss(prediction, target).backward()
    assert target.grad is None


def test_the_momentum_rises_from_its_base_to_one():
    found = [momentum_at(step, 100, 0.96) for step in range(101)]
    assert found[0] == pytest.approx(0.96)
    assert found[50] == pytest.approx(0.98)
    assert found[100] == 1
    assert found == sorted(found)


def test_barlow_twins_equals_lightlys():
    from lightly.loss import BarlowTwinsLoss

    same_loss_and_gradient(
        lambda a, b: barlow_loss(a, b, 0.02), BarlowTwinsLoss(lambda_param=0.02), rows(2, batch=7)
    )


def test_cross_correlation_of_a_view_with_itself_has_ones_on_the_diagonal():
    (z,) = rows(1, batch=50, scale=100.0)
    assert torch.allclose(cross_correlation(z, z).diagonal(), torch.ones(4, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])  # with little spread the hinge is open, with much it is shut
def test_vicreg_equals_lightlys(scale):
    from lightly.loss import VICRegLoss

    same_loss_and_gradient(vicreg_loss, VICRegLoss(), rows(2, batch=7, scale=scale))


def test_collapse_costs_variance_and_nothing_else():
    z = torch.ones(6, 3, dtype=torch.float64)
    parts = vicreg_parts(z, z)
    assert parts.invariance == 0
    assert parts.covariance == 0
    assert parts.variance == pytest.approx(0.99)


def test_dinos_loss_and_center_equal_lightlys():
    from lightly.loss import DINOLoss

    student, teacher = rows(4, dim=8), [t.detach() for t in rows(2, dim=8)]
    theirs = DINOLoss(output_dim=8, warmup_teacher_temp=0.04, teacher_temp=0.04, warmup_teacher_temp_epochs=1)
    theirs = theirs.double()
    start = torch.linspace(-0.5, 0.5, 8, dtype=torch.float64)
    theirs.center.copy_(start[None, None])
    expected = theirs(teacher, student, epoch=0)
    loss = dino_loss(student, teacher, start)
    assert torch.allclose(loss, expected, **EXACT)
    for a, b in zip(torch.autograd.grad(loss, student), torch.autograd.grad(expected, student), strict=True):
        assert torch.allclose(a, b, **EXACT)
    assert torch.allclose(moved_center(start, torch.cat(teacher)), theirs.center.flatten(), **EXACT)


def test_a_student_that_says_nothing_pays_the_logarithm_of_the_prototypes():
    student = [torch.zeros(3, 16)] * 2
    assert dino_loss(student, student, torch.zeros(16)) == pytest.approx(math.log(16))


@pytest.mark.parametrize("loss", [barlow_loss, vicreg_loss])
def test_a_single_picture_is_refused(loss):
    with pytest.raises(ValueError, match="at least two pictures"):
        loss(torch.zeros(1, 4), torch.zeros(1, 4))


def test_views_of_other_pictures_are_refused():
    with pytest.raises(ValueError, match="row i of both must come from the same picture"):
        barlow_loss(torch.zeros(3, 4), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="views of the student"):
        dino_loss([torch.zeros(3, 4)], [torch.zeros(3, 4)], torch.zeros(4))
