"""The drawings of attention, of the block and of GPT say what the code does."""

from dataclasses import replace

import pytest
import torch
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly

from fmlib.llm.gpt import GPT, GPTConfig, diagrams
from fmlib.nn import transformer

DRAWINGS = [diagrams.attention, diagrams.block, diagrams.gpt]
CONFIG = replace(GPTConfig.tiny(23), max_length=11, heads=3, dim=12)
SIZES = {"batch": 2, "length": 7, "heads": 3, "head_dim": 4, "dim": 12, "hidden_dim": 48, "vocab_size": 23}


@pytest.fixture(scope="module")
def roots():
    model = GPT(CONFIG).eval()
    block = model.blocks[0]
    return vars(transformer) | {"GPT": model, "Block": block, "Attention": block.attention}


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_name_is_in_the_code(draw, roots):
    check_names(draw(), roots)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_shape_is_what_flows(draw, roots):
    tokens = torch.randint(23, (2, 7))
    with transformer.attention_maps(roots["GPT"]):  # else the map is never made, but fused away
        flow = run_quietly(roots["GPT"], tokens)
    check_shapes(draw(), roots, SIZES, flow)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_drawing_can_be_read(draw):
    check_drawing(draw())
    check_every_shape_is_said(draw())


def test_a_wrong_shape_and_a_wrong_name_would_be_found(roots):
    drawing = diagrams.gpt()
    flow = run_quietly(roots["GPT"], torch.randint(23, (2, 7)))
    with pytest.raises(AssertionError, match="but at"):
        check_shapes(drawing, roots, SIZES | {"vocab_size": 24}, flow)
    drawing.box("GPT.positional", 200, 300, width=150)
    with pytest.raises(AttributeError, match="positional"):
        check_names(drawing, roots)
