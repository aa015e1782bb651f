"""The drawings of GPT, LLaMA, BERT and T5 say what the code does."""

from dataclasses import replace

import pytest
import torch
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly

from fmlib.llm.family import T5, Bert, BertConfig, Llama, LlamaConfig, T5Config, diagrams
from fmlib.llm.gpt import GPT, GPTConfig

DRAWINGS = [diagrams.gpt, diagrams.llama, diagrams.bert, diagrams.t5]
SIZES = {"batch": 2, "length": 7, "written_length": 5, "heads": 3, "dim": 12, "vocab_size": 23}


@pytest.fixture(scope="module")
def roots():
    kinds = ((GPT, GPTConfig), (Llama, LlamaConfig), (Bert, BertConfig), (T5, T5Config))
    made = {}
    for kind, config in kinds:
        heads = {"key_heads": 1} if kind is Llama else {}
        # Sizes that the tiny one has derived from its width are left to be derived anew.
        again = dict.fromkeys(
            {"head_dim", "hidden_dim", "key_heads", "decoder_layers"} & vars(config.tiny()).keys()
        )
        sizes = again | heads | {"vocab_size": 23, "max_length": 11, "heads": 3, "dim": 12}
        made[kind.__name__] = kind(replace(config.tiny(), **sizes)).eval()
    return made


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_name_is_in_the_code(draw, roots):
    check_names(draw(), roots)


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_shape_is_what_flows(draw, roots):
    drawing = draw()
    model = roots[next(box.code for box in drawing.boxes if box.code).split(".")[0]]
    inputs = [torch.randint(23, (2, 7))] + [torch.randint(23, (2, 5))] * isinstance(model, T5)
    check_shapes(drawing, roots, SIZES, run_quietly(model, *inputs))


@pytest.mark.parametrize("draw", DRAWINGS)
def test_the_drawing_can_be_read(draw):
    check_drawing(draw())
    check_every_shape_is_said(draw())


@pytest.mark.parametrize("draw", DRAWINGS)
def test_every_part_of_the_model_is_drawn(draw, roots):
    """Also those of a block; left out is only what does nothing here, the dropout."""
    drawing = draw()
    drawn = {box.code for box in drawing.boxes}
    root = next(box.code for box in drawing.boxes if box.code).split(".")[0]
    model = roots[root]
    stacks = {"blocks", "encoder", "decoder"}
    parts = {f"{root}.{name}" for name, _ in model.named_children() if name not in stacks}
    for stack in stacks & dict(model.named_children()).keys():
        parts |= {f"{root}.{stack}.0.{name}" for name, _ in getattr(model, stack)[0].named_children()}
    assert {part for part in parts if not part.endswith("dropout")} <= drawn


def test_marked_is_what_is_of_another_kind_than_in_gpt(roots):
    kinds = {box.label: box.below for box in diagrams.gpt().boxes if box.kind == "weights"}
    for draw in (diagrams.llama, diagrams.t5):
        for box in draw().boxes:
            if box.kind == "weights":
                assert bool(box.mark) == (kinds.get(box.label) != box.below) or box.label == ".attention"


def test_the_norms_of_bert_stand_behind_the_sums():
    drawing = diagrams.bert()
    norms = [box for box in drawing.boxes if box.label in (".attention_norm", ".mlp_norm")]
    assert [{a.start.label for a in drawing.arrows if a.end == norm} for norm in norms] == [{"+"}, {"+"}]
    for draw in (diagrams.gpt, diagrams.llama):
        fed = {a.end.label for a in draw().arrows if a.start.label == ".attention_norm"}
        assert fed == {".attention"}
