import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmlib.nn.attention import (
    Attention,
    attention,
    attention_map,
    attention_maps,
    causal_mask,
    merge_heads,
    split_heads,
)
from fmlib.nn.kv_cache import KVCache
from fmlib.nn.transformer import MLP, Block, gelu_tanh, quick_gelu

DIM, HEADS = 12, 3
EXACT = {"rtol": 0, "atol": 1e-10}


def inputs(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def layer(seed=0, **more):
    torch.manual_seed(seed)
    return Attention(DIM, HEADS, **more).double()


def copy_attention(ours, theirs):
    """The weights of one of torch's layers into ours; it keeps query, key and value in one matrix."""
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        for part, weight, bias in zip(
            parts, theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True
        ):
            part.weight.copy_(weight)
            part.bias.copy_(bias)
        ours.output.load_state_dict(theirs.out_proj.state_dict())


# ---- attention against torch


@pytest.mark.parametrize("causal", [False, True])
def test_attention_and_its_gradients_equal_torchs_layer(causal):
    theirs = nn.MultiheadAttention(DIM, HEADS, batch_first=True).double()
    nn.init.normal_(theirs.in_proj_bias)
    ours = layer(causal=causal)
    copy_attention(ours, theirs)
    x, y = inputs(2, 7, DIM).requires_grad_(), inputs(2, 7, DIM).requires_grad_()
    mask = ~causal_mask(7, 7) if causal else None  # theirs is True where nobody may look
    expected = theirs(y, y, y, attn_mask=mask, need_weights=False)[0]
    got = ours(x)
    assert torch.allclose(got, expected, **EXACT)
    got.square().sum().backward()
    expected.square().sum().backward()
    assert torch.allclose(x.grad, y.grad, **EXACT)
    gradient = torch.cat([part.weight.grad for part in (ours.query, ours.key, ours.value)])
    assert torch.allclose(gradient, theirs.in_proj_weight.grad, **EXACT)


def test_cross_attention_equals_torchs_layer():
    theirs = nn.MultiheadAttention(DIM, HEADS, batch_first=True).double()
    ours = layer()
    copy_attention(ours, theirs)
    x, context = inputs(2, 5, DIM), inputs(2, 8, DIM, seed=1)
    expected = theirs(x, context, context, need_weights=False)[0]
    assert torch.allclose(ours(x, context), expected, **EXACT)


def test_cross_attention_takes_a_context_of_another_width():
    assert layer(context_dim=5)(inputs(2, 4, DIM), inputs(2, 9, 5)).shape == (2, 4, DIM)


@pytest.mark.parametrize("masked", [False, True])
def test_the_formula_equals_torchs_kernel(masked):
    query, key, value = (inputs(2, 3, n, 4, seed=n) for n in (5, 6, 6))
    value = inputs(2, 3, 6, 7)
    mask = inputs(2, 1, 5, 6) > -0.5 if masked else None
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert torch.allclose(attention(query, key, value, mask), expected, **EXACT)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_the_scale_of_the_logits_can_be_set(scale):
    ours, x = layer(scale=scale), inputs(1, 5, DIM)
    query, key, value = ours.project(x, x)
    expected = merge_heads((query @ key.transpose(-2, -1) * scale).softmax(-1) @ value)
    assert torch.allclose(ours(x), ours.output(expected), **EXACT)


def test_heads_of_their_own_size_need_not_fill_the_width():
    ours = layer(head_dim=5)
    assert ours.query.out_features == 15
    assert ours(inputs(2, 4, DIM)).shape == (2, 4, DIM)


def test_every_projection_is_a_plain_linear_layer():
    assert {name for name, part in layer().named_modules() if type(part) is nn.Linear} == {
        "query",
        "key",
        "value",
        "output",
    }
    assert all(part.bias is None for part in layer(bias=False).children())


def test_dropout_works_in_training_only():
    ours, x = layer(dropout=0.5), inputs(1, 6, DIM)
    assert not torch.equal(ours(x), ours(x))
    assert torch.equal(ours.eval()(x), ours(x))


# ---- masks


def test_the_causal_mask_lets_nobody_see_the_future():
    assert causal_mask(3, 3).int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert causal_mask(2, 4).int().tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize(("queries", "keys"), [(0, 3), (4, 3)])
def test_a_mask_without_a_past_is_refused(queries, keys, refuses):
    with refuses(ValueError, "expected 1 <= queries <= keys|queries is 0"):
        causal_mask(queries, keys)


@pytest.mark.parametrize("changed", range(6))
def test_changing_a_later_position_changes_nothing_before_it(changed):
    ours, x = layer(causal=True), inputs(2, 6, DIM)
    other = x.clone()
    other[:, changed] += 1
    before, after = ours(x), ours(other)
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.allclose(before[:, changed], after[:, changed])


def test_a_mask_of_floats_and_one_of_truths_say_the_same():
    truths = inputs(2, 1, 6, 6) > 0
    floats = torch.zeros(2, 1, 6, 6, dtype=torch.float64).masked_fill(~truths, float("-inf"))
    for causal in (False, True):
        ours, x = layer(causal=causal), inputs(2, 6, DIM)
        assert torch.allclose(ours(x, mask=truths), ours(x, mask=floats), **EXACT)


def test_a_causal_layer_stays_causal_under_a_mask():
    ours, x = layer(causal=True), inputs(1, 5, DIM)
    everything = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    assert torch.allclose(ours(x, mask=everything), ours(x), **EXACT)


def test_padding_on_the_left_changes_no_row():
    ours = layer(causal=True)
    short, long = inputs(1, 4, DIM), inputs(1, 7, DIM, seed=1)
    batch = torch.cat([torch.cat([inputs(1, 3, DIM, seed=2), short], dim=1), long])
    real = torch.tensor([[False] * 3 + [True] * 4, [True] * 7])
    got = ours(batch, mask=real[:, None, None, :])
    assert torch.allclose(got[0, 3:], ours(short)[0], **EXACT)
    assert torch.allclose(got[1], ours(long)[0], **EXACT)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_query_that_may_look_nowhere_gets_zeros_and_no_nan(dtype):
    query = torch.randn(1, 2, 3, 4).to(dtype).requires_grad_()
    mask = torch.tensor([[False] * 3, [True] * 3, [True] * 3])
    weights = attention_map(query, query, mask)
    assert torch.equal(weights[:, :, 0], torch.zeros(1, 2, 3, dtype=dtype))
    weights.sum().backward()
    assert torch.isfinite(query.grad).all()
    kernel = F.scaled_dot_product_attention(query, query, query, attn_mask=mask)
    assert torch.equal(kernel[:, :, 0], torch.zeros(1, 2, 4, dtype=dtype))


def test_float16_does_not_overflow_before_it_is_scaled():
    query = torch.full((1, 1, 2, 64), 40.0, dtype=torch.float16)  # 64 · 40² = 102,400 > 65,504
    assert torch.isfinite(attention_map(query, query)).all()


# ---- heads


def test_heads_are_cut_from_neighboring_features():
    x = torch.arange(2 * 3 * 4.0).view(2, 3, 4)
    assert torch.equal(split_heads(x, 2)[1, 1], x[1, :, 2:])


@settings(deadline=None)
@given(batch=st.integers(1, 3), length=st.integers(1, 5), heads=st.integers(1, 4), size=st.integers(1, 4))
def test_merging_undoes_splitting(batch, length, heads, size):
    x = torch.randn(batch, length, heads * size)
    assert split_heads(x, heads).shape == (batch, heads, length, size)
    assert torch.equal(merge_heads(split_heads(x, heads)), x)


@pytest.mark.parametrize("heads", [0, 5])
def test_heads_that_do_not_divide_are_refused(heads, refuses):
    with refuses(ValueError, "12 features and heads is|heads is 0"):
        split_heads(torch.zeros(1, 2, 12), heads)


# ---- the cache


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 5), min_size=1, max_size=6), room=st.integers(0, 3))
def test_in_pieces_of_any_size_the_cache_gives_the_same(cuts, room):
    length = sum(cuts)
    ours, x = layer(causal=True), inputs(2, length, DIM)
    cache = ours.make_cache(2, length + room)
    with torch.no_grad():
        pieces = [ours(piece, cache=cache) for piece in x.split(cuts, dim=1)]
        assert torch.allclose(torch.cat(pieces, dim=1), ours(x), **EXACT)
    assert cache.length == length


def test_with_a_cache_the_gradients_are_the_same_too():
    ours, x = layer(causal=True), inputs(2, 7, DIM)
    ours(x).square().sum().backward()
    expected = [p.grad.clone() for p in ours.parameters()]
    ours.zero_grad()
    cache = ours.make_cache(2, 7)
    torch.cat([ours(piece, cache=cache) for piece in x.split([3, 1, 2, 1], 1)], 1).square().sum().backward()
    for p, gradient in zip(ours.parameters(), expected, strict=True):
        assert torch.allclose(p.grad, gradient, **EXACT)


def test_prefix_keys_in_the_cache_are_seen_by_all_and_get_gradients():
    ours, x = layer(causal=True), inputs(2, 4, DIM)
    keys, values = (inputs(2, HEADS, 3, 4, seed=s).requires_grad_() for s in (1, 2))
    cache = ours.make_cache(2, 7)
    cache.append(keys, values)
    got = ours(x, cache=cache)
    query, key, value = ours.project(x, x)
    expected = attention(query, torch.cat([keys, key], 2), torch.cat([values, value], 2), causal_mask(4, 7))
    assert torch.allclose(got, ours.output(merge_heads(expected)), **EXACT)
    wanted = torch.autograd.grad(
        ours.output(merge_heads(expected)).square().sum(), (keys, values), retain_graph=True
    )
    for gradient, right in zip(torch.autograd.grad(got.square().sum(), (keys, values)), wanted, strict=True):
        assert gradient.abs().sum() > 0
        assert torch.allclose(gradient, right, **EXACT)


def test_without_gradients_nothing_is_copied():
    cache = KVCache(1, 2, 8, 4)
    before = cache.keys.data_ptr()
    with torch.no_grad():
        cache.append(torch.ones(1, 2, 1, 4, requires_grad=True), torch.ones(1, 2, 1, 4))
    cache.append(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4))
    assert cache.keys.data_ptr() == before


def test_selected_rows_of_the_cache_go_on_alone():
    ours, x, more = layer(causal=True), inputs(3, 4, DIM), inputs(2, 1, DIM, seed=1)
    with torch.no_grad():
        cache = ours.make_cache(3, 6)
        ours(x, cache=cache)
        cache.select(torch.tensor([2, 0]))
        expected = ours(torch.cat([x[[2, 0]], more], dim=1))[:, -1:]
        assert torch.allclose(ours(more, cache=cache), expected, **EXACT)


def test_a_cache_has_the_type_of_its_layer():
    cache = Attention(DIM, HEADS).to(torch.bfloat16).make_cache(2, 5)
    assert cache.keys.dtype == cache.values.dtype == torch.bfloat16
    assert cache.keys.shape == (2, HEADS, 5, DIM // HEADS)


@pytest.mark.parametrize("shape", [(2, 2, 1, 4), (1, 3, 1, 4), (1, 2, 1, 5)])
def test_a_cache_refuses_keys_of_another_shape(shape, refuses):
    with refuses(ValueError, r"expected \[1, 2, new, 4\]"):
        KVCache(1, 2, 8, 4).append(torch.zeros(shape), torch.zeros(shape))


def test_a_full_cache_says_so_and_stays_as_it_was(refuses):
    cache = KVCache(1, 1, 2, 4)
    cache.append(torch.ones(1, 1, 2, 4), torch.ones(1, 1, 2, 4))
    with refuses(ValueError, "room for 2 positions, 2 are taken and 1 come"):
        cache.append(torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 1, 4))
    assert cache.length == 2


def test_a_cache_without_room_is_refused(refuses):
    with refuses(ValueError, "max_length is 0"):
        KVCache(1, 2, 0, 4)


# ---- attention maps


@pytest.mark.parametrize("causal", [False, True])
def test_maps_sum_to_one_and_reproduce_the_output(causal):
    ours, x = layer(causal=causal), inputs(2, 5, DIM)
    expected = ours(x)
    with attention_maps(ours) as maps:
        got = ours(x)
    assert torch.allclose(got, expected, **EXACT)
    (weights,) = maps
    assert weights.shape == (2, HEADS, 5, 5)
    assert torch.allclose(weights.sum(-1), torch.ones(2, HEADS, 5, dtype=torch.float64))
    value = ours.project(x, x)[2]
    assert torch.allclose(ours.output(merge_heads(weights @ value)), expected, **EXACT)


def test_maps_come_in_the_order_of_the_layers_and_stop_afterwards():
    first, second = layer(0), layer(1, causal=True)
    stack, x = nn.Sequential(first, second), inputs(1, 4, DIM)
    with attention_maps(stack) as maps:
        stack(x)
    assert [bool((m.triu(1) == 0).all()) for m in maps] == [False, True]
    stack(x)
    assert len(maps) == 2
    assert first.maps is None


def test_maps_restore_after_an_error_and_inside_one_another():
    ours, x = layer(), inputs(1, 4, DIM)
    with attention_maps(ours) as outer:
        with attention_maps(ours) as inner:
            ours(x)
        ours(x)
    assert (len(outer), len(inner)) == (1, 1)
    with pytest.raises(KeyError), attention_maps(ours):
        raise KeyError
    assert ours.maps is None


def test_a_model_without_attention_has_no_maps(refuses):
    with refuses(ValueError, "Linear has no attention layer"), attention_maps(nn.Linear(2, 2)):
        pass


# ---- the block


@pytest.mark.parametrize("pre_norm", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_the_block_and_its_gradients_equal_torchs_encoder_layer(pre_norm, causal):
    theirs = nn.TransformerEncoderLayer(
        DIM, HEADS, 30, 0.0, "gelu", batch_first=True, norm_first=pre_norm
    ).double()
    ours = Block(
        layer(causal=causal), MLP(DIM, 30).double(), lambda: nn.LayerNorm(DIM).double(), pre_norm=pre_norm
    )
    randomize(theirs)
    copy_block(ours, theirs)
    x, y = inputs(2, 5, DIM).requires_grad_(), inputs(2, 5, DIM).requires_grad_()
    got, expected = ours(x), theirs(y, src_mask=~causal_mask(5, 5) if causal else None)
    assert torch.allclose(got, expected, **EXACT)
    got.pow(3).sum().backward()
    expected.pow(3).sum().backward()
    assert torch.allclose(x.grad, y.grad, rtol=1e-10, atol=1e-10)
    assert torch.allclose(ours.mlp.expand.weight.grad, theirs.linear1.weight.grad, rtol=1e-10, atol=1e-10)
    assert torch.allclose(ours.mlp_norm.weight.grad, theirs.norm2.weight.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("pre_norm", [True, False])
def test_the_block_with_cross_attention_equals_torchs_decoder_layer(pre_norm):
    theirs = nn.TransformerDecoderLayer(
        DIM, HEADS, 30, 0.0, "gelu", batch_first=True, norm_first=pre_norm
    ).double()
    ours = Block(
        layer(causal=True),
        MLP(DIM, 30).double(),
        lambda: nn.LayerNorm(DIM).double(),
        cross=layer(),
        pre_norm=pre_norm,
    )
    randomize(theirs)
    copy_block(ours, theirs)
    x, context = inputs(2, 5, DIM), inputs(2, 7, DIM, seed=1)
    real = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    got = ours(x, context, context_mask=real[:, None, None, :])
    expected = theirs(x, context, tgt_mask=~causal_mask(5, 5), memory_key_padding_mask=~real)
    assert torch.allclose(got, expected, **EXACT)


def randomize(module):
    generator = torch.Generator().manual_seed(3)
    for p in module.parameters():
        nn.init.normal_(p, std=0.3, generator=generator)


def copy_block(ours, theirs):
    cross = hasattr(theirs, "multihead_attn")
    copy_attention(ours.attention, theirs.self_attn)
    norms = [ours.attention_norm, *([ours.cross_norm] if cross else []), ours.mlp_norm]
    for i, norm in enumerate(norms, 1):
        norm.load_state_dict(getattr(theirs, f"norm{i}").state_dict())
    if cross:
        copy_attention(ours.cross, theirs.multihead_attn)
    ours.mlp.expand.load_state_dict(theirs.linear1.state_dict())
    ours.mlp.contract.load_state_dict(theirs.linear2.state_dict())


def block(**more):
    return Block(Attention(DIM, HEADS), MLP(DIM), lambda: nn.LayerNorm(DIM), **more)


def test_a_block_asks_for_the_context_that_it_needs(refuses):
    x = torch.zeros(1, 2, DIM)
    with refuses(ValueError, "context is given: this block expects no context"):
        block()(x, x)
    with refuses(ValueError, "context is missing: this block expects a context"):
        block(cross=Attention(DIM, HEADS))(x)


def test_dropout_drops_parts_and_never_the_stream():
    ours, x = block(dropout=0.999), torch.randn(1, 3, DIM)
    assert torch.allclose((ours.train()(x) == x).float().mean(), torch.tensor(1.0), atol=0.1)


def test_the_activations_are_those_of_the_papers():
    x = torch.linspace(-4, 4, 101, dtype=torch.float64)
    assert torch.allclose(gelu_tanh(x), nn.GELU("tanh")(x))
    assert 1e-4 < (gelu_tanh(x) - F.gelu(x)).abs().max() < 5e-4
    assert torch.allclose(quick_gelu(x), x / (1 + torch.exp(-1.702 * x)))


# ---- what is refused


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"dim": 0, "heads": 1}, "dim is 0"),
        ({"dim": 12, "heads": 5}, "dim is 12 and heads is 5"),
        ({"dim": 12, "heads": 3, "head_dim": 0}, "head_dim is 0"),
        ({"dim": 12, "heads": 3, "context_dim": 0}, "context_dim is 0"),
        ({"dim": 12.0, "heads": 3}, "dim is 12.0"),
        ({"dim": 12, "heads": 3, "dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_attention_refuses_sizes_that_cannot_be(bad, says, refuses):
    with refuses(ValueError, says):
        Attention(**bad)


def test_an_mlp_refuses_sizes_that_cannot_be(refuses):
    with refuses(ValueError, "hidden_dim is 0"):
        MLP(4, 0)
    with refuses(ValueError, "hidden_dim is 2.5"):
        MLP(4, 2.5)
