"""The parts of NT-Xent, and what it says about information."""

import math

import pytest
import torch
from torch import nn

from fmlib.data import load_fashion_mnist
from fmlib.nn.resnet import ResNetConfig, SmallResNet
from fmlib.self_supervised.contrastive import taken_apart, train_simclr
from fmlib.self_supervised.contrastive.information import (
    best_scores,
    bound_of_the_best,
    gaussian_pairs,
    information_bound,
)
from fmlib.self_supervised.contrastive.simclr import SimCLR, nt_xent
from fmlib.self_supervised.contrastive.taken_apart import (
    LOSSES,
    alignment,
    nt_xent_between_classes,
    on_the_sphere,
    taken_apart_row,
    train_pairs,
    uniformity,
)
from fmlib.self_supervised.contrastive.training import Recipe

EXACT = {"rtol": 0, "atol": 1e-12}


def embeddings(batch=6, dim=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, batch, dim, generator=generator, dtype=torch.float64).requires_grad_()


def gradient(loss, z):
    return torch.autograd.grad(loss, z, retain_graph=True)[0]


def test_alignment_and_uniformity_are_the_papers_two_lines():
    z = embeddings()
    x, y = nn.functional.normalize(z, dim=2)
    for ours, theirs in (
        (alignment(*z), (x - y).norm(p=2, dim=1).pow(2).mean()),
        (uniformity(z[0]), torch.pdist(x, p=2).pow(2).mul(-2).exp().mean().log()),
    ):
        assert torch.allclose(ours, theirs, **EXACT)
        assert torch.allclose(gradient(ours, z), gradient(theirs, z), **EXACT)


def test_both_have_the_extremes_that_they_promise():
    point = torch.ones(4, 3)
    assert alignment(point, 2 * point) == 0
    assert alignment(point, -point) == pytest.approx(4)
    assert uniformity(point) == pytest.approx(0, abs=1e-6)
    spread = torch.randn(400, 512, generator=torch.Generator().manual_seed(0))
    assert uniformity(spread) == pytest.approx(-4, abs=0.05)


def test_without_two_pictures_of_a_class_the_oracle_has_nothing_to_say():
    z1, z2 = embeddings()
    assert torch.allclose(
        nt_xent_between_classes(z1, z2, torch.arange(6), 0.3), nt_xent(z1, z2, 0.3), **EXACT
    )


def test_the_oracle_leaves_out_the_own_class_and_nothing_else():
    z1, z2 = embeddings()
    labels = torch.tensor([0, 1, 0, 1, 0, 0])
    loss = nt_xent_between_classes(z1[:1].repeat(6, 1), z2, labels, 0.3)
    both = torch.cat([z1[:1].repeat(6, 1), z2])
    names = labels.repeat(2)
    by_hand = []
    for i, row in enumerate(both):
        others = [both[k] for k in range(12) if names[k] != names[i]]
        scores = torch.stack(
            [nn.functional.cosine_similarity(row, o, dim=0) for o in [both[(i + 6) % 12], *others]]
        )
        by_hand.append((scores / 0.3).logsumexp(0) - scores[0] / 0.3)
    assert torch.allclose(loss, torch.stack(by_hand).mean(), **EXACT)


def test_training_on_pairs_is_simclrs_training():
    recipe = Recipe(steps=3, batch_size=32)
    ours = train_pairs(lambda z1, z2, labels: nt_xent(z1, z2, recipe.temperature), recipe, 1, progress=False)
    theirs, _ = train_simclr(load_fashion_mnist("train").images, recipe, 1, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_alignment_alone_lets_everything_fall_into_one_point():
    recipe = Recipe(steps=40, batch_size=64)
    models = {
        name: train_pairs(LOSSES[name], recipe, progress=False)
        for name in ("sphere_alignment", "sphere_both")
    }
    found = {name: on_the_sphere(model, 128) for name, model in models.items()}
    assert found["sphere_alignment"]["uniformity"] > -0.5
    assert found["sphere_both"]["uniformity"] < found["sphere_alignment"]["uniformity"] - 1


def test_a_row_is_the_probe_of_what_was_trained(monkeypatch):
    seen = []
    monkeypatch.setattr(taken_apart, "validation_draws", lambda encoder: seen.append(encoder) or [1.0, 2.0])
    assert taken_apart_row("sphere_both", 5) == {"sphere_both": 1.5}
    assert len(seen) == 1
    with pytest.raises(
        ValueError, match="there is no row 'negatives_none': expected one of negatives_other_classes"
    ):
        taken_apart_row("negatives_none", 0)


def test_the_bound_is_below_the_truth_and_below_its_ceiling():
    for candidates in (4, 64):
        for information in (0.5, 2.0, 8.0):
            bound = bound_of_the_best(information, candidates)
            assert bound < math.log(candidates)
            assert bound < information + 0.05
    assert bound_of_the_best(1.0, 512) == pytest.approx(1.0, abs=0.05)


def test_pairs_share_as_much_as_was_asked_for():
    x, y, correlation = gaussian_pairs(20_000, 3, 1.5, torch.Generator().manual_seed(0))
    measured = torch.stack([torch.corrcoef(torch.stack([x[:, i], y[:, i]]))[0, 1] for i in range(3)])
    assert torch.allclose(measured, torch.tensor(correlation, dtype=torch.float64), atol=0.02)
    assert -1.5 * math.log(1 - correlation**2) == pytest.approx(1.5)


def test_the_best_scores_are_the_ratio_of_densities():
    x, y, correlation = gaussian_pairs(4, 2, 1.0, torch.Generator().manual_seed(0))
    normal = torch.distributions.Normal
    given = normal(correlation * x[:, None], math.sqrt(1 - correlation**2)).log_prob(y).sum(2)
    ratio = given - normal(0.0, 1.0).log_prob(y).sum(1)
    scores = best_scores(x, y, correlation)
    difference = ratio - scores
    assert torch.allclose(difference, difference[0, 0].expand(4, 4), **EXACT)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: uniformity(torch.rand(1, 3)), "z has 1 row: expected at least two"),
        (lambda: alignment(torch.rand(2, 3), torch.rand(3, 3)), "row i of both"),
        (
            lambda: information_bound(torch.rand(3, 2)),
            "scores is 3 x 2: expected at least as many candidates",
        ),
        (lambda: gaussian_pairs(2, 2, -1.0, torch.Generator()), "information is -1.0"),
        (
            lambda: nt_xent_between_classes(torch.rand(2, 3), torch.rand(2, 3), torch.ones(2, dtype=int), 0),
            "temper",
        ),
        (
            lambda: nt_xent_between_classes(torch.rand(2, 3), torch.rand(2, 3), torch.ones(3, dtype=int)),
            "labels",
        ),
        (lambda: taken_apart.aligned_and_spread(-1.0, 1.0), "weight_alignment is -1.0"),
    ],
)
def test_what_does_not_fit_is_refused(call, said, refuses):
    with refuses(ValueError, said):
        call()


def test_the_sphere_is_measured_with_the_same_views_each_time():
    torch.manual_seed(0)
    model = SimCLR(SmallResNet(ResNetConfig(widths=(8, 16)))).eval()
    assert on_the_sphere(model, 32) == on_the_sphere(model, 32)
