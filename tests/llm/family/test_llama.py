import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import (
    EXACT,
    our_model,
    same_gradients,
    same_with_a_cache,
    same_with_left_padding,
    their_model,
)
from oracle import random_text as text

from fmlib.llm.family.llama import Llama, LlamaConfig, load_llama
from fmlib.llm.family.llama_checkpoint import LLAMA_TABLE
from fmlib.llm.family.parts import GatedMLP, RMSNorm, rms_norm
from fmlib.llm.family.rotary import (
    RotaryAttention,
    halves_from_pairs,
    pairs_from_halves,
    repeat_heads,
    rotary,
    rotary_angles,
)
from fmlib.llm.generation.decode import generate, pad_left
from fmlib.llm.generation.sampling import Sampling
from fmlib.llm.gpt.config import parameter_count
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.nn.attention import attention_maps
from fmlib.pretrained import CheckpointError

SIZES = {
    "vocab_size": 61,
    "max_position_embeddings": 20,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
KINDS = {
    "every head its own keys": {},
    "two heads share keys": {"num_key_value_heads": 2},
    "all heads share keys, tied": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "slow rotation, another eps": {
        "rope_parameters": {"rope_theta": 500.0, "rope_type": "default"},
        "rms_norm_eps": 1e-3,
        "tie_word_embeddings": True,
    },
}


def tiny(seed=0, **more):
    """A small LLaMA with weights large enough for every part to matter."""
    sizes = {"vocab_size": 61, "max_length": 20, "layers": 3, "heads": 4, "key_heads": 2, "dim": 24}
    return our_model(lambda: Llama(LlamaConfig(**(sizes | more))), seed)


# ---- against transformers


def save_theirs(folder, **more):
    from transformers import LlamaConfig as TheirConfig
    from transformers import LlamaForCausalLM

    return their_model(lambda: LlamaForCausalLM(TheirConfig(**(SIZES | more))), folder)


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def pair(request, tmp_path_factory):
    """A tiny LLaMA with random weights, saved by transformers, and ours loaded from that."""
    folder = tmp_path_factory.mktemp("llama")
    theirs = save_theirs(folder, **request.param)
    return theirs, load_llama(folder).double(), folder


def test_logits_equal_transformers(pair):
    theirs, ours, _ = pair
    assert torch.allclose(ours(text()), theirs(text()).logits, **EXACT)


def test_the_gradient_of_every_parameter_equals_transformers(pair):
    theirs, ours, _ = pair
    ours.zero_grad()
    theirs.zero_grad()
    next_token_loss(ours(text()), text()).backward()
    logits = theirs(text()).logits
    F.cross_entropy(logits[:, :-1].flatten(0, 1), text()[:, 1:].flatten()).backward()
    same_gradients(ours, {name: p.grad for name, p in theirs.named_parameters()}, LLAMA_TABLE)


def test_as_they_come_in_float32_the_logits_equal_too(tmp_path):
    from transformers import LlamaForCausalLM

    save_theirs(tmp_path, num_key_value_heads=2)
    theirs, ours = LlamaForCausalLM.from_pretrained(tmp_path).eval(), load_llama(tmp_path)
    assert torch.allclose(ours(text()), theirs(text()).logits, rtol=1e-5, atol=1e-5)


def test_cached_logits_equal_transformers(pair):
    theirs, ours, _ = pair
    same_with_a_cache(ours, theirs)


def test_left_padding_equals_transformers(pair):
    theirs, ours, _ = pair
    same_with_left_padding(ours, theirs)


def test_greedy_generation_equals_transformers(pair):
    theirs, ours, _ = pair
    config = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    expected = theirs.generate(text(2, 5), attention_mask=torch.ones(2, 5).long(), **config)
    assert torch.equal(generate(ours, text(2, 5), 8), expected)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu'"),
        ({"attention_bias": True}, "attention_bias = True"),
        ({"model_type": "mistral"}, "of a 'mistral' model: expected 'llama'"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "type 'llama3'"),
        ({"rope_parameters": None, "rope_scaling": {"type": "linear", "factor": 2.0}}, "type 'linear'"),
        ({"head_dim": 8}, "4 heads of 8 features for 24"),
        ({"num_key_value_heads": 3}, "heads is 4 and key_heads is 3"),
        ({"num_key_value_heads": 4}, r"key\.weight is \(12, 24\), expected \(24, 24\)"),
        ({"num_hidden_layers": 4}, "missing blocks.3"),
        ({"intermediate_size": 41}, r"gate\.weight is \(40, 24\), expected \(41, 24\)"),
        ({"tie_word_embeddings": True}, "output matrix of its own"),
        ({"vocab_size": None}, "vocab_size is None"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, change, says, refuses):
    save_theirs(tmp_path, num_key_value_heads=2)
    config = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with refuses(CheckpointError, says):
        load_llama(tmp_path)


def test_an_older_config_loads(tmp_path):
    theirs = save_theirs(tmp_path, rope_parameters={"rope_theta": 700.0, "rope_type": "default"})
    config = json.loads((tmp_path / "config.json").read_text()) | {"rope_theta": 700.0, "rope_scaling": None}
    for name in ("rope_parameters", "head_dim", "num_key_value_heads", "tie_word_embeddings", "mlp_bias"):
        del config[name]  # as in the first files of 2023
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert torch.allclose(load_llama(tmp_path).double()(text()), theirs(text()).logits, **EXACT)


@pytest.mark.parametrize(
    ("config", "count"),
    [(LlamaConfig.llama_7b(), 6_738_415_616), (LlamaConfig.smollm2_135m(), 134_515_008)],
    ids=("LLaMA 7B", "SmolLM2 135M"),
)
def test_the_published_sizes_have_the_published_counts(config, count):
    with torch.device("meta"):
        assert parameter_count(Llama(config)) == count


# ---- the model by itself


@pytest.mark.parametrize("place", [3, 19])
def test_a_later_token_changes_no_earlier_logit(place):
    model, tokens = tiny(), text()
    other = tokens.clone()
    other[:, place] = (other[:, place] + 1) % 61
    before, after = model(tokens), model(other)
    assert torch.equal(before[:, :place], after[:, :place])
    assert not torch.allclose(before[:, place:], after[:, place:])


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 6), min_size=1, max_size=4).filter(lambda cuts: sum(cuts) <= 20))
def test_with_the_cache_and_in_any_pieces_the_logits_are_the_same(cuts):
    model, tokens = tiny(), text(length=sum(cuts))
    with torch.no_grad():
        cache = model.make_cache(2, len(tokens[0]))
        pieces = [model(piece, cache=cache) for piece in tokens.split(cuts, dim=1)]
        assert torch.allclose(torch.cat(pieces, dim=1), model(tokens), **EXACT)


def test_the_cache_holds_only_the_key_heads():
    cache = tiny().make_cache(5)
    assert [tuple(layer.keys.shape) for layer in cache] == [(5, 2, 20, 6)] * 3


@pytest.mark.parametrize("use_cache", [True, False])
def test_each_row_of_a_padded_batch_generates_what_it_generates_alone(use_cache):
    model, rows = tiny(), [[5, 3, 8, 1], [9], [4, 4, 60, 2, 7, 30, 11]]
    tokens, mask = pad_left(rows)
    got = generate(model, tokens, 9, mask=mask, use_cache=use_cache)
    for row, line in zip(rows, got, strict=True):
        alone = generate(model, torch.tensor([row]), 9, use_cache=not use_cache)
        assert torch.equal(line[-9:], alone[0, -9:])


def test_with_and_without_the_cache_the_same_tokens_are_drawn():
    model, sampling = tiny(tied=True), Sampling(temperature=1.3)
    texts = [
        generate(
            model, text(2, 4), 12, sampling, generator=torch.Generator().manual_seed(3), use_cache=cached
        )
        for cached in (True, False)
    ]
    assert torch.equal(*texts)


def test_what_counts_is_how_far_apart_tokens_stand_not_where():
    model, tokens = tiny(), text(length=8)
    places = torch.arange(8)[None]
    assert torch.allclose(model(tokens, positions=places + 11), model(tokens, positions=places), **EXACT)
    assert not torch.allclose(model(tokens, positions=places * 2), model(tokens), atol=1e-3)


def test_tied_the_model_has_one_matrix_less():
    tied, untied = (Llama(LlamaConfig(61, dim=24, heads=4, tied=tied)) for tied in (True, False))
    assert parameter_count(untied) - parameter_count(tied) == 61 * 24
    assert "head.weight" not in tied.state_dict()


def test_attention_maps_can_be_watched():
    model = tiny()
    with attention_maps(model) as maps:
        model(text())
    assert [tuple(each.shape) for each in maps] == [(2, 4, 20, 20)] * 3
    assert torch.allclose(maps[0].sum(-1), torch.ones(2, 4, 20).double())


def test_an_untrained_model_knows_nothing_yet():
    for tied in (True, False):
        model = Llama(LlamaConfig(vocab_size=61, dim=64, layers=2, tied=tied))
        assert abs(next_token_loss(model(text()), text()).item() - torch.tensor(61.0).log().item()) < 0.1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_trains_in_half_precision(dtype):
    model = Llama(LlamaConfig.tiny()).to(dtype)
    next_token_loss(model(text(2, 16)), text(2, 16)).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_it_trains_in_bfloat16_by_autocast_with_a_cache_too():
    model, tokens = Llama(LlamaConfig.tiny()).eval(), text(2, 16)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        cache = model.make_cache(2)
        pieces = [model(piece, cache=cache) for piece in tokens.split([10, 6], dim=1)]
        assert torch.allclose(torch.cat(pieces, 1), model(tokens), rtol=0, atol=0.02)


# ---- its parts


def test_rms_norm_equals_torch_with_gradients():
    x, weight = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True), torch.randn(8).double()
    weight.requires_grad_()
    got, expected = rms_norm(x, weight, 1e-3), F.rms_norm(x, (8,), weight, 1e-3)
    assert torch.allclose(got, expected, **EXACT)
    for mine, right in zip(
        torch.autograd.grad(got.square().sum(), (x, weight)),
        torch.autograd.grad(expected.square().sum(), (x, weight)),
        strict=True,
    ):
        assert torch.allclose(mine, right, **EXACT)


def test_rms_norm_of_large_half_precision_numbers_is_finite():
    x = torch.full((1, 4), 1000.0, dtype=torch.float16)
    assert torch.allclose(rms_norm(x, torch.ones(4).half()).float(), torch.ones(1, 4))


@settings(max_examples=20)
@given(m=st.integers(0, 5000), n=st.integers(0, 5000), theta=st.sampled_from([10.0, 10_000.0, 500_000.0]))
def test_a_turned_product_is_that_of_complex_numbers_and_knows_only_the_distance(m, n, theta):
    query, key = torch.randn(2, 1, 1, 1, 10, dtype=torch.float64)
    turned = rotary(query, torch.tensor([[m]]), theta) * rotary(key, torch.tensor([[n]]), theta)
    q, k = (torch.complex(*x.flatten().chunk(2)) for x in (query, key))
    speed = theta ** (-torch.arange(5, dtype=torch.float64) / 5)
    expected = (q * k.conj() * torch.exp(1j * (m - n) * speed)).real.sum()
    assert torch.allclose(turned.sum(), expected, rtol=0, atol=1e-9)


def test_angles_of_distant_positions_keep_their_precision_in_half_precision():
    x = torch.randn(1, 1, 2, 8)
    places = torch.tensor([[4000, 4001]])
    assert torch.allclose(rotary(x.bfloat16(), places).float(), rotary(x, places), rtol=0, atol=0.03)


def test_turning_keeps_lengths_and_position_0_stays():
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    turned = rotary(x, torch.arange(4)[None])
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), **EXACT)
    assert torch.equal(turned[:, :, 0], x[:, :, 0])


def test_weights_for_pairs_become_weights_for_halves():
    heads, head_dim, dim, length = 3, 8, 10, 7
    x = torch.randn(length, dim, dtype=torch.float64)
    weights = torch.randn(2, heads * head_dim, dim, dtype=torch.float64)
    angles = rotary_angles(torch.arange(length)[None], head_dim, dtype=torch.float64)[0]

    def as_pairs(weight):  # RoFormer's layout: neighbors are one complex number
        numbers = torch.view_as_complex((x @ weight.T).view(length, heads, head_dim // 2, 2))
        return numbers * torch.polar(torch.ones_like(angles), angles)[:, None]

    def as_halves(weight):
        y = (x @ halves_from_pairs(weight, heads).T).view(1, length, heads, head_dim).transpose(1, 2)
        return rotary(y, torch.arange(length)[None])[0]

    query, key = map(as_pairs, weights)
    expected = torch.einsum("qhd,khd->hqk", query, key.conj()).real
    query, key = map(as_halves, weights)
    assert torch.allclose(query @ key.mT, expected, **EXACT)


@given(heads=st.integers(1, 4), half=st.integers(1, 5))
def test_changing_the_layout_and_back_gives_the_same(heads, half):
    weight = torch.randn(heads * 2 * half, 3)
    assert torch.equal(pairs_from_halves(halves_from_pairs(weight, heads), heads), weight)
    assert torch.equal(halves_from_pairs(pairs_from_halves(weight[:, 0], heads), heads), weight[:, 0])


def test_neighboring_heads_share_a_key_head():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(repeat_heads(x, 2), x[:, [0, 0, 1, 1, 2, 2]])
    assert repeat_heads(x, 1) is x


def test_a_gated_mlp_has_as_many_weights_as_a_plain_one_four_times_as_wide():
    assert parameter_count(GatedMLP(12, 32)) == 2 * 12 * 48
    assert LlamaConfig(5, dim=12, heads=2).hidden_dim == 32
    assert LlamaConfig(5, dim=128).hidden_dim == 344


# ---- what is refused


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"layers": 1.5}, "layers is 1.5"),
        ({"heads": 0}, "heads is 0"),
        ({"dim": 12, "heads": 4}, "dim is 12 and heads is 4"),
        ({"heads": 4, "key_heads": 3}, "heads is 4 and key_heads is 3"),
        ({"theta": 0.0}, "theta is 0.0"),
        ({"eps": -1.0}, "eps is -1.0"),
    ],
)
def test_the_configuration_refuses_what_cannot_be(bad, says, refuses):
    with refuses(ValueError, says):
        LlamaConfig(**({"vocab_size": 5} | bad))


def test_what_cannot_be_read_is_refused(refuses):
    with refuses(TypeError, "torch.float32: expected a tensor of torch.long"):
        tiny()(torch.zeros(1, 2))
    with refuses(ValueError, "21 tokens after 0 make 21: this model knows 20"):
        tiny()(text(1, 21))
    with refuses(ValueError, "cache has 2 layers: expected 3"):
        tiny()(text(), cache=tiny(layers=2).make_cache(2))


def test_parts_refuse_what_cannot_be(refuses):
    with refuses(ValueError, "positions is None"):
        RotaryAttention(8, 2)(torch.zeros(1, 3, 8))
    with refuses(ValueError, "key_heads is 3"):
        RotaryAttention(8, 4, 3)
    with refuses(ValueError, "heads have 3 features"):
        RotaryAttention(6, 2)
    with refuses(ValueError, "head_dim is 5"):
        rotary(torch.zeros(1, 1, 1, 5), torch.zeros(1, 1).long())
    with refuses(ValueError, "theta is 0"):
        rotary(torch.zeros(1, 1, 1, 4), torch.zeros(1, 1).long(), theta=0)
    with refuses(ValueError, "times is 0"):
        repeat_heads(torch.zeros(1, 1, 1, 1), 0)
    with refuses(ValueError, "10 rows and heads is 2"):
        halves_from_pairs(torch.zeros(10, 3), 2)
    with refuses(ValueError, "dim is 0"):
        RMSNorm(0)
    with refuses(ValueError, "hidden_dim is 0"):
        GatedMLP(4, 0)
