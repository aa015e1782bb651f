"""The drawing of the cache says what the code does."""

import torch
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly

from fmlib.llm.generation import diagrams
from fmlib.nn import transformer
from fmlib.nn.transformer import Attention

SIZES = {"batch": 2, "new": 3, "length": 8, "heads": 3, "head_dim": 4, "dim": 12, "max_length": 10}


def make_roots():
    layer = Attention(12, 3, causal=True)
    return vars(transformer) | {"Attention": layer, "KVCache": layer.make_cache(2, 10)}


def test_every_name_is_in_the_code():
    check_names(diagrams.kv_cache(), make_roots())


def test_every_shape_is_what_flows_where_the_cache_has_seen_something():
    roots = make_roots()
    layer, cache = roots["Attention"], roots["KVCache"]
    with torch.no_grad():
        layer(torch.rand(2, 5, 12), cache=cache)
    flow = run_quietly(layer, torch.rand(2, 3, 12), cache=cache)
    drawing = diagrams.kv_cache()
    for box in drawing.boxes:
        if box.kind == "memory":
            assert getattr(cache, box.code.rpartition(".")[2]).shape == (2, 3, 10, 4)
    into_memory = [arrow for arrow in drawing.arrows if arrow.end.kind == "memory"]
    assert {arrow.shape for arrow in into_memory} == {"batch heads new head_dim"}
    drawing.arrows = [
        arrow for arrow in drawing.arrows if arrow not in into_memory
    ]  # a part of it is written
    check_shapes(drawing, roots, SIZES, flow)


def test_the_drawing_can_be_read():
    check_drawing(diagrams.kv_cache())
    check_every_shape_is_said(diagrams.kv_cache())
    assert "[batch, heads, max_length, head_dim]" in diagrams.kv_cache().description
