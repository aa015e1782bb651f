import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import EXACT, our_model, random_text, same_gradients, their_model

from fmlib.llm.family.relative_bias import RelativeBias, distance_buckets
from fmlib.llm.family.span_corruption import corrupt_spans, random_spans, span_corruption
from fmlib.llm.family.t5 import START, T5, Writer, load_t5, shift_right
from fmlib.llm.family.t5_checkpoint import T5_TABLE
from fmlib.llm.family.t5_config import T5Config
from fmlib.llm.family.targets import target_loss
from fmlib.llm.generation.decode import generate, pad_left
from fmlib.llm.gpt.config import parameter_count
from fmlib.nn.attention import attention_maps
from fmlib.pretrained import CheckpointError

SIZES = {
    "vocab_size": 61,
    "d_model": 24,
    "d_kv": 10,  # as in large T5s, not d_model / heads
    "d_ff": 40,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 12,
    "decoder_start_token_id": 0,
}
V1_1 = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
KINDS = {"version 1.0": {}, "version 1.1": V1_1}


def tiny(seed=0, **more):
    """A small T5 with weights large enough for every part to matter."""
    sizes = {"vocab_size": 61, "max_length": 40, "layers": 2, "heads": 4, "dim": 24}
    return our_model(lambda: T5(T5Config(**(sizes | {"buckets": 8, "max_distance": 12} | more))), seed)


def text(batch=2, length=20, seed=0):
    return random_text(batch, length, seed, first=1)


def padded():
    real = torch.ones(2, 20, dtype=torch.bool)
    real[1, 13:] = False
    return text().masked_fill(~real, 0), real


# ---- against transformers


def save_theirs(folder, **more):
    from transformers import T5Config as TheirConfig
    from transformers import T5ForConditionalGeneration

    def make():
        model = T5ForConditionalGeneration(TheirConfig(**(SIZES | more)))
        if not more.get("tie_word_embeddings", True):
            # a new one is tied in transformers 5, the published ones are not
            model.lm_head.weight = torch.nn.Parameter(torch.empty(61, 24))
        return model

    return their_model(make, folder)


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def pair(request, tmp_path_factory):
    """A tiny T5 with random weights, saved by transformers, and ours loaded from that."""
    folder = tmp_path_factory.mktemp("t5")
    theirs = save_theirs(folder, **request.param)
    return theirs, load_t5(folder).double(), folder


def test_logits_equal_transformers(pair):
    theirs, ours, _ = pair
    tokens, written = text(), text(2, 17, seed=1)
    assert torch.allclose(
        ours(tokens, written), theirs(input_ids=tokens, decoder_input_ids=written).logits, **EXACT
    )


def test_with_a_padded_text_the_logits_equal_transformers(pair):
    theirs, ours, _ = pair
    tokens, real = padded()
    written = text(2, 17, seed=1)
    expected = theirs(input_ids=tokens, attention_mask=real.long(), decoder_input_ids=written).logits
    assert torch.allclose(ours(tokens, written, mask=real), expected, **EXACT)


def test_the_encoder_equals_transformers(pair):
    theirs, ours, _ = pair
    tokens, real = padded()
    expected = theirs.encoder(input_ids=tokens, attention_mask=real.long()).last_hidden_state
    assert torch.allclose(ours.encode(tokens, real)[real], expected[real], **EXACT)


def test_the_gradient_of_every_parameter_equals_transformers(pair):
    theirs, ours, _ = pair
    ours.zero_grad()
    theirs.zero_grad()
    tokens, real = padded()
    targets = text(2, 9, seed=4)
    targets[0, 6:] = -100
    target_loss(ours(tokens, shift_right(targets), mask=real), targets).backward()
    their_input = theirs._shift_right(targets)
    assert torch.equal(shift_right(targets), their_input)
    logits = theirs(input_ids=tokens, attention_mask=real.long(), decoder_input_ids=their_input).logits
    F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    same_gradients(ours, {name: p.grad for name, p in theirs.named_parameters()}, T5_TABLE)


def test_what_it_writes_equals_transformers(pair):
    theirs, ours, _ = pair
    tokens, real = padded()
    # Without its cache, which counts the encoder's layers where it should count the decoder's.
    settings = {"max_new_tokens": 10, "do_sample": False, "eos_token_id": None, "use_cache": False}
    expected = theirs.generate(tokens, attention_mask=real.long(), **settings)
    got = generate(Writer(ours, tokens, real), torch.full((2, 1), START), 10)
    assert torch.equal(got, expected)


def test_as_it_comes_in_float32_the_logits_equal_too(tmp_path):
    from transformers import T5ForConditionalGeneration

    save_theirs(tmp_path)
    theirs = T5ForConditionalGeneration.from_pretrained(tmp_path).eval()
    expected = theirs(input_ids=text(), decoder_input_ids=text(seed=1)).logits
    assert torch.allclose(load_t5(tmp_path)(text(), text(seed=1)), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize(("buckets", "most"), [(32, 128), (8, 12), (64, 1000), (10, 50)])
def test_every_distance_falls_into_the_bucket_of_transformers(both_ways, buckets, most):
    from transformers.models.t5.modeling_t5 import T5Attention

    distances = torch.arange(-1500, 1501)[None]
    expected = T5Attention._relative_position_bucket(distances, both_ways, buckets, most)
    assert torch.equal(distance_buckets(distances, buckets, most, both_ways), expected)


def test_second_names_of_the_embedding_load(tmp_path):
    from safetensors.torch import load_file, save_file

    theirs = save_theirs(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    shared = tensors.pop("shared.weight")
    for name in ("encoder.embed_tokens", "decoder.embed_tokens", "lm_head"):
        tensors[f"{name}.weight"] = shared.clone()
    unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    tensors[unused] = torch.zeros(8, 4)
    save_file(tensors, tmp_path / "model.safetensors")
    expected = theirs(input_ids=text(), decoder_input_ids=text()).logits
    assert torch.allclose(load_t5(tmp_path).double()(text(), text()), expected, **EXACT)
    save_file(tensors | {"lm_head.weight": shared + 1}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="output matrix of its own"):
        load_t5(tmp_path)


def test_the_first_configs_say_less_and_load(tmp_path):
    theirs = save_theirs(tmp_path, **V1_1)
    config = json.loads((tmp_path / "config.json").read_text())
    for name in ("scale_decoder_outputs", "dense_act_fn", "is_gated_act"):
        del config[name]
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    expected = theirs(input_ids=text(), decoder_input_ids=text()).logits
    assert torch.allclose(load_t5(tmp_path).double()(text(), text()), expected, **EXACT)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"feed_forward_proj": "gated-silu"}, "feed_forward_proj = 'gated-silu'"),
        ({"feed_forward_proj": "gated-gelu"}, "missing decoder.0.mlp.gate.weight"),
        ({"model_type": "mt5"}, "of a 'mt5' model: expected 't5'"),
        ({"num_decoder_layers": 2}, "unexpected decoder.2"),
        ({"d_kv": 6}, r"is \(40, 24\), expected \(24, 24\)"),
        ({"relative_attention_num_buckets": 0}, "buckets is 0"),
        ({"d_ff": None}, r"is \(40, 24\), expected \(96, 24\)"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, change, says, refuses):
    save_theirs(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    with refuses(CheckpointError, says):
        load_t5(tmp_path)


@pytest.mark.parametrize(
    ("config", "count"),
    [(T5Config.t5_small(), 60_506_624), (T5Config.t5_small_v1_1(), 76_961_152)],
    ids=("T5 small", "version 1.1"),
)
def test_the_published_sizes_have_the_published_counts(config, count):
    with torch.device("meta"):
        assert parameter_count(T5(config)) == count


# ---- the model by itself


def test_what_is_written_sees_the_whole_text_and_only_its_own_past():
    model, tokens, written = tiny(), text(), text(seed=1)
    other = written.clone()
    other[:, 11] = other[:, 11] % 60 + 1
    before, after = model(tokens, written), model(tokens, other)
    assert torch.equal(before[:, :11], after[:, :11])
    assert not torch.allclose(before[:, 11:], after[:, 11:])
    other = tokens.clone()
    other[:, 19] = other[:, 19] % 60 + 1
    assert ((model(other, written) - before).abs().amax(-1) > 1e-8).all()


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 6), min_size=1, max_size=4).filter(lambda cuts: sum(cuts) <= 20))
def test_with_the_cache_and_in_any_pieces_the_logits_are_the_same(cuts):
    model, written = tiny(decoder_layers=3), text(length=sum(cuts))
    tokens, real = padded()
    with torch.no_grad():
        context, cache = model.encode(tokens, real), model.make_cache(2)
        pieces = [
            model.decode(piece, context, context_mask=real, cache=cache)
            for piece in written.split(cuts, dim=1)
        ]
        got = model.logits(torch.cat(pieces, dim=1))
        assert torch.allclose(got, model(tokens, written, mask=real), **EXACT)


@pytest.mark.parametrize("use_cache", [True, False])
def test_each_row_of_a_padded_batch_writes_what_it_writes_alone(use_cache):
    model, rows = tiny(), [[5, 3, 8, 1], [9], [4, 4, 60, 2, 7, 30, 11]]
    tokens, mask = pad_left(rows)
    begun, begun_mask = pad_left([[START], [START, 5, 6], [START, 9]])
    got = generate(Writer(model, tokens, mask), begun, 8, mask=begun_mask, use_cache=use_cache)
    for i, row in enumerate(rows):
        alone = begun[i : i + 1, begun_mask[i]]
        expected = generate(Writer(model, torch.tensor([row])), alone, 8, use_cache=not use_cache)
        assert torch.equal(got[i, -8:], expected[0, -8:])


def test_one_text_serves_several_writers():
    model = tiny()
    begun = torch.tensor([[START, 3], [START, 4], [START, 5]])
    got = generate(Writer(model, text(1)), begun, 6)
    alone = generate(Writer(model, text(1).repeat(3, 1)), begun, 6)
    assert torch.equal(got, alone)


def test_a_writer_leaves_the_mode_of_the_model_alone():
    model = tiny(dropout=0.5).train()
    model.encoder[0].eval()
    first, second = Writer(model, text()).context, Writer(model, text()).context
    assert torch.equal(first, second)
    assert model.training
    assert not model.encoder[0].training


def test_all_layers_share_one_bias_and_the_cross_attention_has_none():
    model = tiny()
    with torch.no_grad():
        for block in model.decoder:
            block.attention.query.weight.zero_()  # then only the bias speaks
            block.cross.query.weight.zero_()
    with attention_maps(model) as maps:
        model(text(), text(2, 5))
    own = [each for each in maps if each.shape[2:] == (5, 5)]
    cross = [each for each in maps if each.shape[2:] == (5, 20)]
    assert len(own) == len(cross) == 2
    assert torch.allclose(own[0], own[1], **EXACT)
    assert (own[0][:, :, 4] != own[0][:, :, 4, :1]).any()
    assert torch.allclose(cross[0], torch.full_like(cross[0], 1 / 20), **EXACT)


def test_the_bias_knows_only_the_distance():
    bias = RelativeBias(3, 8, 12)
    whole = bias(9, 9)[0]
    assert torch.equal(whole[:, 1:, 1:], whole[:, :-1, :-1])
    assert torch.equal(bias(2, 9)[0], whole[:, -2:])


@pytest.mark.parametrize(("more", "most"), [({}, 1.3), ({"gated": True, "tied": False}, 0.8)])
def test_an_untrained_model_is_nearly_undecided(more, most):
    model = T5(T5Config(61, dim=64, layers=2, **more))  # tied, it leans to the token that it has just read
    loss = target_loss(model(text(8), text(8, seed=1)), text(8, seed=2))
    assert abs(loss.item() - torch.tensor(61.0).log().item()) < most


def test_it_trains_in_bfloat16_by_autocast_with_a_cache_too():
    model, written = T5(T5Config.tiny()).eval(), text(2, 16)
    with torch.autocast("cpu", torch.bfloat16):
        target_loss(model(text(2, 16), shift_right(written)), written).backward()
        with torch.no_grad():
            context, cache = model.encode(text(2, 16)), model.make_cache(2)
            pieces = [model.decode(piece, context, cache=cache) for piece in written.split([10, 6], dim=1)]
            whole = model.decode(written, context)
    assert torch.allclose(torch.cat(pieces, 1), whole, rtol=0, atol=0.1)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_dropout_is_for_training_only():
    model = tiny(dropout=0.2)
    assert torch.equal(model(text(), text()), model(text(), text()))
    model.train()
    assert not torch.equal(model(text(), text()), model(text(), text()))


# ---- span corruption


def test_the_example_of_the_paper():
    words = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week"]
    missing = torch.tensor([word in ("for", "inviting", "last") for word in words])
    read, told = corrupt_spans(torch.arange(10), missing, 99)
    names = dict(enumerate(words)) | {99: "<X>", 98: "<Y>", 97: "<Z>"}
    assert " ".join(names[int(t)] for t in read) == "Thank you <X> me to your party <Y> week"
    assert " ".join(names[int(t)] for t in told) == "<X> for inviting <Y> last <Z>"


def filled_in(read, told, first):
    """The text again: each sentinel replaced by what the target says behind it."""
    spans, current = {}, None
    for token in told.tolist():
        if token > first - 100:
            current = spans.setdefault(token, [])
        else:
            current.append(token)
    return [t for token in read.tolist() for t in spans.get(token, [token])]


@settings(max_examples=60)
@given(missing=st.lists(st.booleans(), min_size=1, max_size=30))
def test_what_is_read_and_what_is_told_make_the_text_again(missing):
    tokens = torch.randint(0, 50, (len(missing),))
    read, told = corrupt_spans(tokens, torch.tensor(missing), 999)
    assert filled_in(read, told, 999) == tokens.tolist()
    assert len(read) + len(told) == len(tokens) + 2 * int((read > 899).sum()) + 1


@settings(max_examples=60)
@given(
    length=st.integers(2, 200),
    share=st.floats(0.01, 0.99),
    mean_span=st.floats(1, 10),
    seed=st.integers(0, 50),
)
def test_as_many_tokens_are_missing_in_as_many_spans_as_asked(length, share, mean_span, seed):
    missing = random_spans(length, share, mean_span, generator=torch.Generator().manual_seed(seed))
    count = min(max(round(length * share), 1), length - 1)
    assert len(missing) == length
    assert missing.sum() == count
    begins = missing & ~torch.cat([torch.tensor([False]), missing[:-1]])
    assert begins.sum() == min(max(round(count / mean_span), 1), count, length - count)


def test_a_batch_needs_no_padding_and_each_row_has_its_own_spans(generator):
    tokens = torch.randint(0, 50, (6, 100), generator=generator)
    read, told = span_corruption(tokens, 999, generator=generator)
    assert read.shape == (6, 90)  # 15 tokens in 5 spans
    assert told.shape == (6, 21)
    for row, r, t in zip(tokens, read, told, strict=True):
        assert filled_in(r, t, 999) == row.tolist()
    assert len({tuple((row > 899).tolist()) for row in read}) == 6
    assert (told[:, 0] == 999).all()
    assert (told[:, -1] == 994).all()


def test_every_way_to_cut_is_equally_likely():
    generator = torch.Generator().manual_seed(0)
    seen = {}
    for _ in range(900):  # 3 missing and 3 kept in 2 spans each: 2 x 2 ways
        key = tuple(random_spans(6, 0.5, 1.5, generator=generator).tolist())
        seen[key] = seen.get(key, 0) + 1
    assert len(seen) == 4
    assert all(abs(count - 225) < 60 for count in seen.values())


# ---- what is refused


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"decoder_layers": 0}, "decoder_layers is 0"),
        ({"dim": 10, "heads": 4}, "dim is 10 and heads is 4"),
        ({"buckets": 3}, "buckets is 3"),
        ({"max_distance": 16}, "max_distance is 16"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"eps": 0.0}, "eps is 0.0"),
    ],
)
def test_the_configuration_refuses_what_cannot_be(bad, says, refuses):
    with refuses(ValueError, says):
        T5Config(**({"vocab_size": 5} | bad))


def test_what_cannot_be_read_or_written_is_refused(refuses):
    model = tiny()
    with refuses(ValueError, "this model knows 40"):
        model(text(1, 41), text(1))
    with refuses(ValueError, "this model knows 40"):
        model(text(1), text(1, 41))
    with refuses(ValueError, r"mask has shape \(2, 3\): expected .* length is 20 as in tokens"):
        model(text(), text(), mask=torch.ones(2, 3, dtype=torch.bool))
    with refuses(ValueError, "cache has 1 layers: expected 2"):
        model.decode(text(), model.encode(text()), cache=model.make_cache(2)[:1])
    with refuses(TypeError, "expected a tensor of torch.long"):
        model(text().float(), text())


def test_what_cannot_be_corrupted_is_refused(refuses, generator):
    with refuses(ValueError, r"missing has shape \(2,\): expected .* length is 3 as in tokens"):
        corrupt_spans(torch.arange(3), torch.tensor([True, False]), 9)
    with refuses(ValueError, "first_sentinel is 1 and 2 spans are missing"):
        corrupt_spans(torch.arange(3), torch.tensor([True, False, True]), 1)
    with refuses(ValueError, "length is 1"):
        random_spans(1, generator=generator)
    with refuses(ValueError, "share is 1.0"):
        random_spans(9, 1.0, generator=generator)
    with refuses(ValueError, "mean_span is 0.5"):
        random_spans(9, mean_span=0.5, generator=generator)
    with refuses(ValueError, r"shape \(3,\): expected \[batch, length\]"):
        span_corruption(torch.arange(3), 9, generator=generator)
    with refuses(ValueError, "buckets is 2"):
        distance_buckets(torch.zeros(1, 1).long(), 2)
