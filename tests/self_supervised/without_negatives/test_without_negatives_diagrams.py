"""The drawings of BYOL and DINO say what the code does."""

import pytest
import torch
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly
from torch import nn

from fmlib.self_supervised.without_negatives import byol, diagrams, dino
from fmlib.self_supervised.without_negatives.multi_crop import MultiCrop

DRAWINGS = [diagrams.byol, diagrams.dino]
SIZES = {
    "batch": 5,
    "picture": (1, 8, 8),
    "crop": (1, 4, 4),
    "feature_dim": 12,
    "output_dim": 8,
    "prototypes": 32,
    "large": 2,
    "small": 3,
}


def make_encoder() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9, 12))


@pytest.fixture
def roots():
    return {
        **vars(byol),
        **vars(dino),
        "BYOL": byol.BYOL(make_encoder(), 12, byol.BYOLConfig.tiny()),
        "DINO": dino.DINO(make_encoder(), 12, dino.DINOConfig.tiny()),
        "MultiCrop": MultiCrop(small=3, small_size=4),
        "torch": torch,
        "Tensor": torch.Tensor,
    }


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_name_is_in_the_code(draw, roots):
    check_names(draw(), roots)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_shape_is_what_flows(draw, roots, generator):
    pictures = torch.rand(5, 1, 8, 8)

    def step():
        roots["BYOL"].loss(pictures, pictures.flip(-1))
        roots["BYOL"].update()
        student, teacher = roots["DINO"](*roots["MultiCrop"](pictures, generator))
        roots["DINO"].loss(student, teacher)
        roots["DINO"].update(torch.cat(teacher))

    check_shapes(draw(), roots, SIZES, run_quietly(step))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_drawing_can_be_read(draw):
    check_drawing(draw())
    check_every_shape_is_said(draw())


@pytest.mark.parametrize(("draw", "model"), [(diagrams.byol, "BYOL"), (diagrams.dino, "DINO")])
def test_what_follows_takes_no_gradient_and_what_learns_does(draw, model, roots):
    for box in draw().boxes:
        if box.kind in ("weights", "memory") and box.code.startswith(model) and box.label != "center":
            part = getattr(roots[model], box.label)
            assert {p.requires_grad for p in part.parameters()} == {box.kind == "weights"}
