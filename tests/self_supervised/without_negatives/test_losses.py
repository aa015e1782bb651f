"""The losses of BYOL, Barlow Twins, VICReg and DINO against lightly's, values and gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmlib.self_supervised.without_negatives.byol import momentum_at, prediction_loss
from fmlib.self_supervised.without_negatives.dino import dino_loss, moved_center
from fmlib.self_supervised.without_negatives.redundancy import (
    barlow_loss,
    covariance_term,
    cross_correlation,
    variance_term,
    vicreg_loss,
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
    theirs = 2 + 2 * NegativeCosineSimilarity()(prediction, target.detach())
    assert torch.allclose(loss, theirs, **EXACT)
    (ours,), (other,) = (torch.autograd.grad(x, prediction) for x in (loss, theirs))
    assert torch.allclose(ours, other, **EXACT)


def test_no_gradient_reaches_the_target():
    prediction, target = rows(2)
    prediction_loss(prediction, target).backward()
    assert prediction.grad.abs().sum() > 0
    assert target.grad is None


def test_lengths_do_not_count():
    prediction, target = rows(2)
    assert torch.allclose(
        prediction_loss(prediction, target), prediction_loss(3 * prediction, 0.1 * target), **EXACT
    )


@given(st.integers(1, 300), st.floats(0, 1))
def test_the_momentum_rises_from_its_base_to_one(steps, base):
    found = [momentum_at(step, steps, base) for step in range(steps + 1)]
    assert found[0] == pytest.approx(base)
    assert found[-1] == 1
    assert found == sorted(found)


def test_half_way_the_momentum_has_half_of_the_way_to_go():
    assert momentum_at(50, 100, 0.96) == pytest.approx(0.98)


def test_barlow_twins_equals_lightlys():
    from lightly.loss import BarlowTwinsLoss

    same_loss_and_gradient(
        lambda a, b: barlow_loss(a, b, 0.02), BarlowTwinsLoss(lambda_param=0.02), rows(2, batch=7)
    )


def test_cross_correlation_of_a_view_with_itself_has_ones_on_the_diagonal():
    (z,) = rows(1, batch=50, scale=100.0)
    assert torch.allclose(cross_correlation(z, z).diagonal(), torch.ones(4, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize(
    "scale", [0.1, 1.0, 5.0]
)  # with little spread the hinge is open, with much it is shut
def test_vicreg_equals_lightlys(scale):
    from lightly.loss import VICRegLoss

    same_loss_and_gradient(vicreg_loss, VICRegLoss(), rows(2, batch=7, scale=scale))


def test_collapse_costs_variance_and_nothing_else():
    z = torch.ones(6, 3, dtype=torch.float64)
    assert variance_term(z).item() == pytest.approx(0.99)
    assert covariance_term(z) == 0
    assert vicreg_loss(z, z).item() == pytest.approx(25 * 0.99)


def test_a_repeated_feature_costs_covariance():
    (z,) = rows(1, batch=50)
    repeated = torch.cat([z[:, :2], z[:, :2]], dim=1)
    assert covariance_term(repeated) > 10 * covariance_term(torch.linalg.qr(z - z.mean(0))[0])


@pytest.mark.parametrize("small_views", [0, 3])
def test_dinos_loss_and_center_equal_lightlys(small_views):
    from lightly.loss import DINOLoss

    student = rows(2 + small_views, dim=8)
    teacher = [t.detach() for t in rows(2, dim=8)]
    # Temperatures that float32 holds exactly: lightly's are tensors of that type.
    theirs = DINOLoss(output_dim=8, teacher_temp=0.0625, student_temp=0.125).double()
    start = torch.linspace(-0.5, 0.5, 8, dtype=torch.float64)
    theirs.center.copy_(start[None, None])
    expected = theirs(teacher, student)
    loss = dino_loss(student, teacher, start, 0.125, 0.0625)
    assert torch.allclose(loss, expected, **EXACT)
    for a, b in zip(torch.autograd.grad(loss, student), torch.autograd.grad(expected, student), strict=True):
        assert torch.allclose(a, b, **EXACT)
    assert torch.allclose(moved_center(start, torch.cat(teacher)), theirs.center.flatten(), **EXACT)


def test_no_gradient_reaches_the_teacher():
    student, teacher = rows(3, dim=8), rows(2, dim=8)
    dino_loss(student, teacher, torch.zeros(8, dtype=torch.float64)).backward()
    assert all(s.grad.abs().sum() > 0 for s in student)
    assert all(t.grad is None for t in teacher)
    assert not moved_center(torch.zeros(8, dtype=torch.float64), teacher[0]).requires_grad


def test_a_student_that_says_nothing_pays_the_logarithm_of_the_prototypes():
    student = [torch.zeros(3, 16)] * 2
    assert dino_loss(student, student, torch.zeros(16)).item() == pytest.approx(math.log(16))


def test_centering_by_the_mean_leaves_no_favorite():
    (teacher,) = rows(1, dim=8)
    favorite = teacher + torch.tensor([9.0] + [0.0] * 7, dtype=torch.float64)
    center = moved_center(torch.zeros(8, dtype=torch.float64), favorite, momentum=0.0)
    assert favorite.argmax(dim=1).tolist() == [0] * 5
    assert len(set((favorite - center).argmax(dim=1).tolist())) > 1


@pytest.mark.parametrize("loss", [barlow_loss, vicreg_loss])
def test_a_single_picture_is_refused(loss, refuses):
    with refuses(ValueError, "at least two pictures"):
        loss(torch.zeros(1, 4), torch.zeros(1, 4))


@pytest.mark.parametrize("loss", [barlow_loss, vicreg_loss, prediction_loss])
def test_views_of_other_pictures_are_refused(loss, refuses):
    with refuses(ValueError, "row i of both must come from the same picture"):
        loss(torch.zeros(3, 4), torch.zeros(2, 4))


def test_views_that_make_no_pair_are_refused(refuses):
    with refuses(ValueError, "views of the student"):
        dino_loss([torch.zeros(3, 4)], [torch.zeros(3, 4)], torch.zeros(4))
    with refuses(ValueError, r"teacher\[0\] has shape"):
        dino_loss([torch.zeros(3, 4)] * 2, [torch.zeros(3, 5)], torch.zeros(4))
