"""The drawings of the puzzle and of CPC say what the code does."""

import pytest
import torch
import torch.nn.functional as F
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly
from torch import nn

from fmlib.self_supervised.pretext import CPC, CPCConfig, JigsawConfig, JigsawNet, cpc, diagrams, jigsaw

DRAWINGS = [diagrams.jigsaw, diagrams.cpc]
SIZES = {
    **{"batch": 5, "channels": 1, "size": 12, "tiles": 4, "tile": 5, "feature_dim": 7, "orders": 4},
    **{"samples": 62, "frames": 9, "past": 8, "dim": 6, "context_dim": 5},
}


@pytest.fixture
def roots():
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(25, 7))
    models = {
        "JigsawNet": JigsawNet(encoder, JigsawConfig.tiny(), 7),
        "CPC": CPC(CPCConfig.tiny()),
    }
    return {**vars(jigsaw), **vars(cpc), "torch": torch, "Tensor": torch.Tensor, "F": F, **models}


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_name_is_in_the_code(draw, roots):
    check_names(draw(), roots)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_shape_is_what_flows(draw, roots, generator):
    orders = jigsaw.distant_orders(4, 4, generator)
    which = torch.randint(4, (5,), generator=generator)

    def step():
        tiles = jigsaw.normalize_tiles(jigsaw.cut_tiles(torch.rand(5, 1, 12, 12), 2, 1, generator))
        F.cross_entropy(roots["JigsawNet"](jigsaw.shuffle_tiles(tiles, orders, which)), which)
        cpc.cpc_losses(roots["CPC"], *roots["CPC"](torch.randn(5, 62)))

    check_shapes(draw(), roots, SIZES, run_quietly(step))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_drawing_can_be_read(draw):
    check_drawing(draw())
    check_every_shape_is_said(draw())
