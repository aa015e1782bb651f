import json
import math

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
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from fmlib.llm.gpt.config import GPTConfig, count_parameters, flops_per_token, parameter_count
from fmlib.llm.gpt.model import GPT, load_gpt2
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.nn.attention import attention_maps
from fmlib.pretrained import CheckpointError

SIZES = {"vocab_size": 61, "n_positions": 20, "n_embd": 24, "n_layer": 3, "n_head": 4}


def tiny(seed=0, **more):
    """A small GPT with weights large enough for every part to matter."""
    config = GPTConfig(**({"vocab_size": 61, "max_length": 20, "layers": 3, "heads": 4, "dim": 24} | more))
    return our_model(lambda: GPT(config), seed)


# ---- against transformers


def save_theirs(folder, max_shard_size="1GB", **more):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        **(SIZES | {"bos_token_id": 0, "eos_token_id": 0, "attn_implementation": "eager"} | more)
    )
    return their_model(lambda: GPT2LMHeadModel(config), folder, max_shard_size=max_shard_size)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A tiny GPT-2 with random weights, saved by transformers, and ours loaded from that."""
    folder = tmp_path_factory.mktemp("gpt2")
    theirs = save_theirs(folder)
    return theirs, load_gpt2(folder).double(), folder


def test_logits_equal_transformers(pair):
    theirs, ours, _ = pair
    assert torch.allclose(ours(text()), theirs(text()).logits, **EXACT)


def test_loss_and_the_gradient_of_every_parameter_equal_transformers(pair, tmp_path):
    theirs, ours, _ = pair
    ours.zero_grad()
    theirs.zero_grad()
    loss = next_token_loss(ours(text()), text())
    logits = theirs(text()).logits  # its own loss is rounded to float32
    expected = F.cross_entropy(logits[:, :-1].flatten(0, 1), text()[:, 1:].flatten())
    assert abs(loss - expected) < 1e-10
    assert abs(loss - theirs(text(), labels=text()).loss) < 1e-5
    loss.backward()
    expected.backward()
    # The same names and transposes that bring weights over bring gradients over.
    from fmlib.llm.gpt.checkpoint import GPT2_TABLE

    gradients = {
        name.removeprefix("transformer."): p.grad for name, p in theirs.named_parameters() if p.requires_grad
    }
    same_gradients(ours, gradients, GPT2_TABLE)


def test_attention_maps_equal_transformers(pair):
    theirs, ours, _ = pair
    with attention_maps(ours) as maps:
        ours(text())
    expected = theirs(text(), output_attentions=True).attentions
    assert len(maps) == len(expected) == 3
    for got, right in zip(maps, expected, strict=True):
        assert torch.allclose(got, right, rtol=0, atol=1e-6)  # its softmax is in float32


def test_cached_logits_equal_transformers(pair):
    theirs, ours, _ = pair
    same_with_a_cache(ours, theirs)


def test_left_padding_equals_transformers(pair):
    theirs, ours, _ = pair
    same_with_left_padding(ours, theirs)


def test_a_checkpoint_in_several_files_loads(tmp_path):
    theirs = save_theirs(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert torch.allclose(load_gpt2(tmp_path).double()(text()), theirs(text()).logits, **EXACT)
    next(tmp_path.glob("model-00002*.safetensors")).unlink()
    with pytest.raises(CheckpointError, match="lacks model-00002"):
        load_gpt2(tmp_path)


def test_old_files_with_stored_masks_and_a_prefix_load(pair, tmp_path):
    from safetensors.torch import load_file, save_file

    _, ours, folder = pair
    tensors = {
        name.removeprefix("transformer."): t for name, t in load_file(folder / "model.safetensors").items()
    }
    for i in range(3):
        tensors[f"h.{i}.attn.bias"] = torch.ones(1, 1, 20, 20).tril()
        tensors[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    tensors["lm_head.weight"] = tensors["wte.weight"].clone()
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    assert torch.equal(load_gpt2(tmp_path).double()(text()), ours(text()))
    tensors["lm_head.weight"] = tensors["lm_head.weight"] + 1
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="output matrix of its own"):
        load_gpt2(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"activation_function": "relu"}, "activation_function = 'relu'"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon = 1e-06"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx = True"),
        ({"model_type": "llama"}, "of a 'llama' model: expected 'gpt2'"),
        ({"n_head": None}, "heads is None"),
        ({"embd_pdrop": 0.3}, r"dropouts \[0\.1, 0\.3\]"),
        ({"n_layer": 4}, "missing blocks.3"),
        ({"n_layer": 2}, "unexpected blocks.2"),
        ({"n_positions": 21}, r"position_embedding\.weight is \(20, 24\), expected \(21, 24\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(pair, tmp_path, change, says, refuses):
    folder = pair[2]
    config = json.loads((folder / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with refuses(CheckpointError, says):
        load_gpt2(tmp_path)


# ---- the model by itself


@pytest.mark.parametrize("place", [3, 11, 19])
def test_a_later_token_changes_no_earlier_logit(place):
    model, tokens = tiny(), text()
    other = tokens.clone()
    other[:, place] = (other[:, place] + 1) % 61
    before, after = model(tokens), model(other)
    assert torch.equal(before[:, :place], after[:, :place])
    assert not torch.allclose(before[:, place:], after[:, place:])


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 6), min_size=1, max_size=4).filter(lambda cuts: sum(cuts) <= 20))
def test_with_the_cache_and_in_any_pieces_the_logits_are_the_same(cuts):
    model, tokens = tiny(), text(length=sum(cuts))
    with torch.no_grad():
        cache = model.make_cache(2, len(tokens[0]))
        pieces = [model(piece, cache=cache) for piece in tokens.split(cuts, dim=1)]
        assert torch.allclose(torch.cat(pieces, dim=1), model(tokens), **EXACT)


def test_each_row_of_a_padded_batch_gives_what_it_gives_alone():
    model = tiny()
    rows = [text(1, n, seed=n) for n in (4, 9, 6)]
    real = torch.zeros(3, 9, dtype=torch.bool)
    tokens = torch.full((3, 9), 7)
    for i, row in enumerate(rows):
        real[i, 9 - row.shape[1] :] = True
        tokens[i, 9 - row.shape[1] :] = row[0]
    positions = (real.cumsum(1) - 1).clamp(min=0)
    got = model(tokens, mask=real[:, None, None, :], positions=positions)
    for i, row in enumerate(rows):
        assert torch.allclose(got[i, 9 - row.shape[1] :], model(row)[0], **EXACT)


def test_prefix_keys_in_every_layer_get_gradients():
    model, tokens = tiny(), text(length=6)
    cache, prefixes = model.make_cache(2, 9), []
    for layer in cache:
        prefixes += [torch.randn(2, 4, 3, 6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        layer.append(*prefixes[-2:])
    next_token_loss(model(tokens, cache=cache), tokens).backward()
    assert all(prefix.grad.abs().sum() > 0 for prefix in prefixes)


def test_input_and_output_share_one_matrix_and_it_learns_from_both():
    model, tokens = tiny(), text(1, 5)
    next_token_loss(model(tokens), tokens).backward()
    whole = model.token_embedding.weight.grad
    unread = [token for token in range(61) if token not in tokens]
    assert (whole[unread].abs().sum(1) > 0).all()  # through the logits: never read, yet pushed away
    hidden = model.hidden(tokens)
    logits = F.linear(hidden, model.token_embedding.weight.detach())
    (read,) = torch.autograd.grad(next_token_loss(logits, tokens), model.token_embedding.weight)
    logits = F.linear(model.hidden(tokens).detach(), model.token_embedding.weight)
    (written,) = torch.autograd.grad(next_token_loss(logits, tokens), model.token_embedding.weight)
    assert torch.allclose(whole, read + written, **EXACT)


def test_an_untrained_model_knows_nothing_yet():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=61, dim=64, layers=2))
    loss = next_token_loss(model(text()), text())
    assert abs(loss.item() - math.log(61)) < 0.1


def test_what_writes_into_the_stream_starts_smaller_the_more_blocks_there_are():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=61, layers=8, dim=128))
    block = model.blocks[3]
    for part, expected in ((block.attention.output, 0.005), (block.mlp.contract, 0.005)):
        assert math.isclose(part.weight.std().item(), expected, rel_tol=0.05)
    assert math.isclose(block.attention.query.weight.std().item(), 0.02, rel_tol=0.05)
    assert block.mlp.expand.bias.abs().sum() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_half_precision_the_loss_is_summed_in_float32(dtype):
    torch.manual_seed(0)
    model = GPT(GPTConfig.tiny()).to(dtype)
    tokens = text(2, 16)
    loss = next_token_loss(model(tokens), tokens)
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_it_trains_in_bfloat16_by_autocast_with_a_cache_too():
    torch.manual_seed(0)
    model, tokens = GPT(GPTConfig.tiny()).eval(), text(2, 16)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        cache = model.make_cache(2)
        pieces = [model(piece, cache=cache) for piece in tokens.split([10, 6], dim=1)]
        assert torch.allclose(torch.cat(pieces, 1), model(tokens), rtol=0, atol=0.02)


def test_dropout_is_for_training_only():
    model = tiny(dropout=0.2)
    assert torch.equal(model(text()), model(text()))
    model.train()
    assert not torch.equal(model(text()), model(text()))


# ---- counting


def test_gpt2_small_has_124_439_808_parameters():
    with torch.device("meta"):
        model = GPT(GPTConfig.gpt2())
    assert parameter_count(model) == count_parameters(GPTConfig.gpt2()) == 124_439_808


@settings(max_examples=20, deadline=None)
@given(
    vocab=st.integers(1, 40),
    length=st.integers(1, 30),
    layers=st.integers(1, 3),
    heads=st.integers(1, 3),
    width=st.integers(1, 5),
    bias=st.booleans(),
)
def test_the_count_from_the_sizes_is_that_of_the_model(vocab, length, layers, heads, width, bias):
    config = GPTConfig(vocab, length, layers, heads, heads * width, bias=bias)
    assert count_parameters(config) == parameter_count(GPT(config))


def test_flops_per_token_is_what_a_counter_of_matrix_products_finds():
    config = GPTConfig(vocab_size=61, max_length=20, layers=3, heads=4, dim=24)
    model, tokens = GPT(config), text(2, 20)
    counter = FlopCounterMode(display=False)
    with counter, sdpa_kernel(SDPBackend.MATH):  # the fused kernels compute some products again
        next_token_loss(model(tokens), tokens).backward()
    assert counter.get_total_flops() == flops_per_token(config, length=20) * tokens.numel()
    assert flops_per_token(config) == flops_per_token(config, 20) > flops_per_token(config, 1)


# ---- the loss


def test_each_position_is_judged_by_the_token_that_follows():
    logits, tokens = torch.randn(2, 5, 7, dtype=torch.float64), torch.randint(0, 7, (2, 5))
    log_p = logits.log_softmax(-1)
    by_hand = -sum(log_p[b, t, tokens[b, t + 1]] for b in range(2) for t in range(4)) / 8
    assert torch.allclose(next_token_loss(logits, tokens), by_hand, **EXACT)
    assert torch.equal(next_token_loss(logits[:, :-1], tokens), next_token_loss(logits, tokens))


def test_ignored_targets_do_not_count():
    logits, tokens = torch.randn(2, 5, 7, dtype=torch.float64), torch.randint(0, 7, (2, 5))
    short = next_token_loss(logits[:1], tokens[:1])
    tokens[1] = -100
    assert torch.allclose(next_token_loss(logits, tokens), short, **EXACT)


@pytest.mark.parametrize(
    ("shape", "tokens", "says"),
    [
        ((2, 5, 7), torch.zeros(2, 3).long(), "tokens have shape|expected \\[batch, length, vocab\\]"),
        ((5, 7), torch.zeros(5).long(), "expected \\[batch, positions, vocab\\]"),
        ((2, 1, 7), torch.zeros(2, 1).long(), "two or more"),
        ((1, 3, 7), torch.full((1, 3), -100), "at least one token that counts"),
        ((1, 3, 7), torch.tensor([[1, 2, 7]]), "targets go from 2 to 7: expected 0 to 6"),
        ((1, 3, 7), torch.tensor([[1, 2, -1]]), "targets go from -1 to 2"),
    ],
)
def test_a_loss_that_makes_no_sense_is_refused(shape, tokens, says, refuses):
    with refuses(ValueError, says):
        next_token_loss(torch.zeros(shape), tokens)


# ---- what is refused


@pytest.mark.parametrize(
    ("tokens", "error", "says"),
    [
        ([[1, 2]], TypeError, "tokens are list"),
        (torch.zeros(1, 2), TypeError, "torch.float32: expected a tensor of torch.long"),
        (torch.zeros(2).long(), ValueError, r"shape \(2,\)"),
        (torch.zeros(2, 0).long(), ValueError, "not empty"),
        (torch.zeros(1, 21).long(), ValueError, "21 tokens after 0 make 21: this model knows 20"),
        (torch.tensor([[0, 61]]), ValueError, "tokens go from 0 to 61: expected 0 to 60"),
        (torch.tensor([[-1, 3]]), ValueError, "tokens go from -1 to 3"),
    ],
)
def test_what_cannot_be_read_is_refused(tokens, error, says, refuses):
    with refuses(error, says):
        tiny()(tokens)


def test_a_text_that_outgrows_the_positions_is_refused_in_the_cache_too(refuses):
    model = tiny()
    cache = model.make_cache(1, 40)
    model(text(1, 18), cache=cache)
    with refuses(ValueError, "3 tokens after 18 make 21"):
        model(text(1, 3), cache=cache)


@pytest.mark.parametrize(
    ("positions", "says"),
    [
        (
            torch.zeros(3, 4).long(),
            r"positions have shape \(3, 4\): expected \[batch or 1, length\], where batch is 2",
        ),
        (torch.full((1, 4), 20), "from 20 to 20"),
    ],
)
def test_positions_that_do_not_fit_are_refused(positions, says, refuses):
    with refuses(ValueError, says):
        tiny()(text(2, 4), positions=positions)


def test_a_cache_of_another_model_is_refused(refuses):
    with refuses(ValueError, "cache has 2 layers: expected 3"):
        tiny()(text(), cache=tiny(layers=2).make_cache(2))
    with refuses(ValueError, r"expected \[1, 4, new, 6\]"):
        tiny()(text(2, 3), cache=tiny().make_cache(1))
    with refuses(ValueError, "max_length is 0"):
        tiny().make_cache(1, 0)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"layers": 1.5}, "layers is 1.5"),
        ({"dim": 10, "heads": 4}, "dim is 10 and heads is 4"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_the_configuration_refuses_what_cannot_be(bad, says, refuses):
    with refuses(ValueError, says):
        GPTConfig(**({"vocab_size": 5} | bad))


def test_flops_of_no_token_are_refused(refuses):
    with refuses(ValueError, "length is 0"):
        flops_per_token(GPTConfig.tiny(), 0)
