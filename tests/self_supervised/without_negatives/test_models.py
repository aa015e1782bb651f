"""BYOL and DINO: who learns, who follows."""

import pytest
import torch
from torch import nn

from fmlib.nn.vit import ViT, ViTConfig
from fmlib.self_supervised.without_negatives.byol import BYOL, BYOLConfig, prediction_loss
from fmlib.self_supervised.without_negatives.dino import DINO, DINOConfig


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


def test_the_target_starts_as_the_online_network_and_takes_no_gradient():
    model = byol()
    view1, view2 = views()
    predictions, targets = model(view1, view2)
    assert not targets.requires_grad
    prediction_loss(predictions, targets).backward()
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert learning == {"encoder", "projector", "predictor"}
    online = model.eval().projector(model.encoder(torch.cat([view2, view1])))
    assert torch.allclose(online, model(view1, view2)[1])


def test_each_prediction_meets_the_other_view():
    model = byol().eval()
    view1, view2 = views()
    predictions, targets = model(view1, view2)
    changed = model(view1, view2 + 1)
    assert torch.equal(predictions[:5], changed[0][:5])
    assert not torch.allclose(targets[:5], changed[1][:5])


def test_the_target_follows_slower_and_slower():
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


def test_the_teacher_sees_large_views_only_and_takes_no_gradient():
    model = dino()
    student, teacher = model(views(2), views(3, seed=1))
    assert (len(student), len(teacher)) == (5, 2)
    model.loss(student, teacher).backward()
    learning = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert learning == {"encoder", "head"}


def test_after_a_step_the_teacher_and_the_center_have_moved():
    model = dino()
    student, teacher = model(views(2))
    with torch.no_grad():
        model.encoder.layer.weight.add_(1.0)
    before = model.teacher_encoder.layer.weight.clone()
    model.update(torch.cat(teacher))
    assert torch.allclose(model.teacher_encoder.layer.weight - before, torch.full_like(before, 0.01), atol=1e-4)
    assert torch.allclose(model.center, 0.1 * torch.cat(teacher).mean(dim=0))


def test_small_crops_go_through_a_vision_transformer_with_interpolated_positions():
    torch.manual_seed(0)
    model = DINO(ViT(ViTConfig(image_size=16, patch_size=4, layers=1, heads=2, dim=8)), config=DINOConfig.tiny())
    generator = torch.Generator().manual_seed(0)
    large = [torch.rand(2, 1, 16, 16, generator=generator) for _ in range(2)]
    small = [torch.rand(2, 1, 8, 8, generator=generator) for _ in range(2)]
    student, teacher = model(large, small)
    assert all(logits.shape == (2, 32) for logits in (*student, *teacher))


def test_logits_are_cosines():
    student, _ = dino()(views(2))
    assert all(bool((logits.abs() <= 1 + 1e-6).all()) for logits in student)
