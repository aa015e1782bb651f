"""The drawings of SimCLR and MoCo say what the code does."""

import pytest
import torch
import torch.nn.functional as F
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly
from torch import nn

from fmlib.augment import Augmentation
from fmlib.self_supervised import contrastive
from fmlib.self_supervised.contrastive import MoCo, MoCoConfig, SimCLR, SimCLRConfig, diagrams, moco

DRAWINGS = [diagrams.simclr, diagrams.moco]
PICTURE = (1, 6, 6)
SIZES = {"batch": 5, "picture": PICTURE, "feature_dim": 12, "output_dim": 8, "queue_size": 32}


def make_encoder() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 12))


@pytest.fixture
def roots():
    models = {
        "SimCLR": SimCLR(make_encoder(), 12, SimCLRConfig.tiny()),
        "MoCo": MoCo(make_encoder(), 12, MoCoConfig.tiny()),
    }
    return {**vars(contrastive), **vars(moco), "torch": torch, "Tensor": torch.Tensor, "F": F, **models}


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_name_is_in_the_code(draw, roots):
    check_names(draw(), roots)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_shape_is_what_flows(draw, roots, generator):
    def step():
        views = contrastive.two_views(torch.rand(5, *PICTURE), Augmentation(), generator)
        roots["SimCLR"].loss(*views)
        query, keys = roots["MoCo"](*views)
        roots["MoCo"].loss(query, keys)
        roots["MoCo"].update(keys)

    check_shapes(draw(), roots, SIZES, run_quietly(step))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_drawing_can_be_read(draw):
    check_drawing(draw())
    check_every_shape_is_said(draw())


def test_what_is_dashed_happens_in_the_update_and_nowhere_else(roots):
    views = torch.rand(2, 5, *PICTURE)
    flow = run_quietly(lambda: roots["MoCo"].loss(*roots["MoCo"](*views)))
    ran = {code for code, _ in flow.into}
    dashed = {
        box.code for arrow in diagrams.moco().arrows if arrow.dashed for box in (arrow.start, arrow.end)
    }
    functions = [roots[name] for name in dashed if name in ("enqueue", "momentum_update")]
    assert len(functions) == 2
    assert not ran & {getattr(f, "__wrapped__", f).__code__ for f in functions}
