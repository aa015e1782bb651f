"""BYOL, Twins and DINO: who learns, who follows."""

import pytest
import torch
from torch import nn

from fmlib.nn.vit import ViT, ViTConfig
from fmlib.self_supervised.without_negatives import collapse
from fmlib.self_supervised.without_negatives.byol import BYOL, BYOLConfig
from fmlib.self_supervised.without_negatives.dino import DINO, DINOConfig
from fmlib.self_supervised.without_negatives.multi_crop import MultiCrop
from fmlib.self_supervised.without_negatives.redundancy import Twins, TwinsConfig, barlow_loss
from fmlib.self_supervised.without_negatives.watch import spread


class Encoder(nn.Module):
    feature_dim = 6

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(12, 6)

    def forward(self, pictures):
        return self.layer(pictures.flatten(1)).tanh()


def views(count=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(5, 3, 2, 2, generator=generator) for _ in range(count)]


def byol():
    torch.manual_seed(0)
    return BYOL(Encoder(), config=BYOLConfig.tiny())


def dino():
    torch.manual_seed(0)
    return DINO(Encoder(), config=DINOConfig.tiny())


def learning(model):
    """The parts of a model that a gradient has reached."""
    return {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}


def test_the_target_starts_as_the_online_network_and_takes_no_gradient():
    model = byol()
    view1, view2 = views()
    model.loss(view1, view2).backward()
    assert learning(model) == {"encoder", "projector", "predictor"}
    targets = model(view1, view2)[1]
    assert not targets.requires_grad
    online = model.projector(model.encoder(torch.cat([view2, view1])))
    assert torch.allclose(online, targets)


def test_each_prediction_meets_the_other_view():
    model = byol().eval()
    view1, view2 = views()
    predictions, targets = model(view1, view2)
    changed_predictions, changed_targets = model(view1, view2 + 1)
    assert torch.allclose(predictions[:5], changed_predictions[:5])
    assert not torch.allclose(targets[:5], changed_targets[:5])
    assert torch.allclose(targets[5:], changed_targets[5:])


def test_both_directions_count_alike():
    model = byol().eval()
    view1, view2 = views()
    assert torch.allclose(model.loss(view1, view2), model.loss(view2, view1))


def test_the_target_follows_slower_and_slower_and_then_rests():
    model = byol()
    with torch.no_grad():
        for p in (*model.encoder.parameters(), *model.projector.parameters()):
            p.add_(1.0)
    moved = []
    for _ in range(model.config.steps + 1):
        before = model.target_encoder.layer.weight.clone()
        model.update()
        moved.append((model.target_encoder.layer.weight - before).abs().mean().item())
    assert moved[0] == pytest.approx(1 - model.config.momentum, rel=1e-3)
    assert moved == sorted(moved, reverse=True)
    assert moved[-1] == 0


def test_the_projector_is_followed_too():
    model = byol()
    with torch.no_grad():
        model.projector[-1].bias.add_(1.0)
    before = model.target_projector[-1].bias.clone()
    model.update()
    assert torch.allclose(model.target_projector[-1].bias - before, torch.full((8,), 0.01), atol=1e-5)


def test_both_twins_take_a_gradient():
    torch.manual_seed(0)
    model = Twins(Encoder(), config=TwinsConfig.tiny())
    barlow_loss(*model(*views())).backward()
    assert learning(model) == {"encoder", "projector"}


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ("BYOL", {"encoder", "projector", "predictor"}),
        ("no slow copy", {"encoder", "projector", "predictor"}),
        ("no slow copy, no stop-gradient", {"encoder", "projector", "predictor"}),
        ("no predictor", {"encoder", "projector"}),
    ],
)
def test_each_row_of_the_collapse_learns_what_it_has_left(row, parts):
    model = byol()
    collapse.BYOL_ROWS[row](model, *views()).backward()
    assert learning(model) == parts


def test_without_the_stop_gradient_the_target_comes_along():
    gradients = []
    for loss in (collapse.without_slow_copy, collapse.without_stop_gradient):
        model = byol()
        value = loss(model, *views())
        value.backward()
        gradients.append((value.item(), model.projector[-1].weight.grad.clone()))
    assert gradients[0][0] == pytest.approx(gradients[1][0], abs=1e-6)  # the same number
    assert not torch.allclose(gradients[0][1], gradients[1][1])  # by another way


def spread_after_training(loss, steps=150):
    """How far the embeddings of a tiny BYOL spread at the end, on pictures of noise."""
    model = byol()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.02)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(32, 3, 2, 2, generator=generator)
    for _ in range(steps):
        pair = [pictures + 0.3 * torch.randn(pictures.shape, generator=generator) for _ in range(2)]
        optimizer.zero_grad()
        loss(model, *pair).backward()
        optimizer.step()
        model.update()
    with torch.no_grad():
        return spread(model.projector(model.encoder(pictures))).item()


def test_a_gradient_into_the_target_is_what_kills_the_spread():
    assert spread_after_training(collapse.without_slow_copy) > 0.2
    assert spread_after_training(collapse.without_stop_gradient) < 0.05


def test_the_teacher_sees_large_views_only_and_takes_no_gradient():
    model = dino()
    seen = []
    model.teacher_encoder.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    student, teacher = model(views(2), views(3, seed=1))
    assert (len(student), len(teacher), seen) == (5, 2, [10])
    model.loss(student, teacher).backward()
    assert learning(model) == {"encoder", "head"}


def test_the_students_views_keep_their_order():
    model = dino().eval()
    large, small = views(2), views(2, seed=1)
    student, _ = model(large, small)
    for logits, view in zip(student, [*large, *small], strict=True):
        assert torch.allclose(logits, model.head(model.encoder(view)), atol=1e-6)


def test_after_a_step_the_teacher_and_the_center_have_moved():
    model = dino()
    _, teacher = model(views(2))
    with torch.no_grad():
        model.encoder.layer.weight.add_(1.0)
    before = model.teacher_encoder.layer.weight.clone()
    model.update(torch.cat(teacher))
    moved = model.teacher_encoder.layer.weight - before
    assert torch.allclose(moved, torch.full_like(before, 0.01), atol=1e-4)
    assert torch.allclose(model.center, 0.1 * torch.cat(teacher).mean(dim=0))


def test_logits_are_cosines():
    student, _ = dino()(views(2))
    assert all(bool((logits.abs() <= 1 + 1e-6).all()) for logits in student)


def test_small_crops_go_through_a_vision_transformer_with_interpolated_positions():
    torch.manual_seed(0)
    vit = ViT(ViTConfig(image_size=16, patch_size=4, layers=1, heads=2, dim=8))
    model = DINO(vit, config=DINOConfig.tiny())
    pictures = torch.rand(2, 1, 16, 16)
    large, small = MultiCrop(small=3, small_size=8)(pictures, torch.Generator().manual_seed(0))
    assert [view.shape[-1] for view in (*large, *small)] == [16, 16, 8, 8, 8]
    student, teacher = model(large, small)
    assert all(logits.shape == (2, 32) for logits in (*student, *teacher))


def test_crops_are_random_and_come_again_from_the_same_seed():
    pictures, crops = torch.rand(4, 1, 16, 16), MultiCrop(small_size=8)
    one, other, again = (crops(pictures, torch.Generator().manual_seed(seed)) for seed in (0, 1, 0))
    assert torch.equal(one[1][0], again[1][0])
    assert not torch.equal(one[1][0], other[1][0])
    assert not torch.equal(one[0][0], one[0][1])
    assert min(v.min().item() for v in one[1]) >= 0
    assert max(v.max().item() for v in one[1]) <= 1


def test_a_small_view_shows_less_than_a_large_one():
    ramp = torch.linspace(0, 1, 32).expand(200, 1, 32, 32)  # how much of it is seen is how much a view varies
    crops = MultiCrop(augment=collapse.Recipe(steps=1).augment.__class__(flip=0.0, jitter=0.0), small_size=16)
    large, small = crops(ramp, torch.Generator().manual_seed(0))

    def seen(view):
        return (view.amax(dim=(1, 2, 3)) - view.amin(dim=(1, 2, 3))).mean()

    assert seen(large[0]) > seen(small[0]) + 0.2


@pytest.mark.parametrize(
    ("make", "wrong", "said"),
    [
        (BYOLConfig, {"momentum": 1.5}, "momentum"),
        (BYOLConfig, {"steps": 0}, "steps"),
        (TwinsConfig, {"output_dim": 0}, "output_dim"),
        (DINOConfig, {"teacher_temperature": 0.0}, "teacher_temperature"),
        (DINOConfig, {"prototypes": 0}, "prototypes"),
        (MultiCrop, {"least": 0.5, "border": 0.4}, "least"),
        (MultiCrop, {"large": 0}, "large"),
    ],
)
def test_numbers_that_cannot_be_are_refused(make, wrong, said):
    with pytest.raises(ValueError, match=said):
        make(**wrong)


def test_views_that_do_not_fit_are_refused(refuses):
    (view,) = views(1)
    for model in (byol(), Twins(Encoder(), config=TwinsConfig.tiny())):
        with refuses(ValueError, "views have shapes"):
            model(view, view[:4])
    with refuses(ValueError, "large is empty"):
        dino()([])
    with refuses(ValueError, "feature_dim"):
        BYOL(nn.Flatten())
