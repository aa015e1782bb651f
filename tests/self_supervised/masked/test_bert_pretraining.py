"""BERT's pretraining against transformers: both heads, loss, gradients, published layout; and its pairs by themselves."""

import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import EXACT, our_model, random_text, same_gradients, their_model

from fmlib.llm.family.bert import BertConfig
from fmlib.llm.family.bert_checkpoint import BERT_TABLE
from fmlib.llm.gpt.config import parameter_count
from fmlib.pretrained import CheckpointError, Rename
from fmlib.self_supervised.masked.bert import (
    BertPretraining,
    load_bert_pretraining,
    pretraining_loss,
    pseudo_surprise,
)
from fmlib.self_supervised.masked.bert_checkpoint import PRETRAINING_TABLE
from fmlib.self_supervised.masked.pairs import join_pairs, sentence_pairs

SIZES = {
    "vocab_size": 61,
    "max_position_embeddings": 20,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
TABLE = (*(Rename(row.theirs, f"bert.{row.ours}", row.transform) for row in BERT_TABLE), *PRETRAINING_TABLE)


def tiny(seed=0):
    """A small model with weights large enough for every part to matter."""
    return our_model(lambda: BertPretraining(BertConfig(61, max_length=20, layers=2, heads=4, dim=24)), seed)


def batch():
    """Two padded pairs: tokens, which are real, segments, targets, labels."""
    tokens, types = join_pairs(random_text(2, 8, 0, first=5), random_text(2, 9, 1, first=5), 1, 2)
    real = torch.ones(2, 20, dtype=torch.bool)
    real[1, 16:] = False
    tokens = tokens.masked_fill(~real, 0)
    targets = random_text(2, 20, 3).masked_fill(~real, -100)
    targets[:, ::3] = -100
    return tokens, real, types, targets, torch.tensor([1, 0])


# ---- against transformers


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A tiny BERT with random weights, saved by transformers, and ours loaded from that."""
    from transformers import BertConfig as TheirConfig
    from transformers import BertForPreTraining

    folder = tmp_path_factory.mktemp("bert")
    theirs = their_model(lambda: BertForPreTraining(TheirConfig(**SIZES)), folder)
    return theirs, load_bert_pretraining(folder).double(), folder


def test_both_heads_equal_transformers(pair):
    theirs, ours, _ = pair
    tokens, real, types, _, _ = batch()
    expected = theirs(tokens, attention_mask=real.long(), token_type_ids=types)
    logits, relation = ours(tokens, mask=real, types=types)
    assert torch.allclose(logits[real], expected.prediction_logits[real], **EXACT)
    assert torch.allclose(relation, expected.seq_relationship_logits, **EXACT)


def test_loss_and_every_gradient_equal_transformers(pair):
    theirs, ours, _ = pair
    ours.zero_grad()
    theirs.zero_grad()
    tokens, real, types, targets, labels = batch()
    asked = targets != -100
    logits, relation = ours(tokens, mask=real, types=types, asked=asked)
    loss = pretraining_loss(logits, targets[asked], relation, labels)
    options = {"attention_mask": real.long(), "token_type_ids": types}
    expected = theirs(tokens, **options, labels=targets, next_sentence_label=labels).loss
    assert torch.allclose(loss, expected, **EXACT)
    loss.backward()
    expected.backward()
    gradients = {name.removeprefix("bert."): p.grad for name, p in theirs.named_parameters()}
    gradients.pop("cls.predictions.decoder.bias", None)
    same_gradients(ours, gradients, TABLE)


def test_a_checkpoint_without_the_second_head_is_refused(pair, tmp_path, refuses):
    from safetensors.torch import load_file, save_file

    folder = pair[2]
    tensors = load_file(folder / "model.safetensors")
    left = {name: t for name, t in tensors.items() if not name.startswith("cls.seq")}
    save_file(left, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with refuses(CheckpointError, "missing next_sentence"):
        load_bert_pretraining(tmp_path)


def test_the_activation_and_eps_of_another_model_are_refused(pair, tmp_path, refuses):
    folder = pair[2]
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    config = json.loads((folder / "config.json").read_text()) | {"layer_norm_eps": 1e-5}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with refuses(CheckpointError, "layer_norm_eps = 1e-05"):
        load_bert_pretraining(tmp_path)


def test_bert_base_has_as_many_parameters_as_transformers():
    from transformers import BertConfig as TheirConfig
    from transformers import BertForPreTraining

    with torch.device("meta"):
        ours, theirs = BertPretraining(BertConfig.bert_base()), BertForPreTraining(TheirConfig())
    assert parameter_count(ours) == parameter_count(theirs)


# ---- the model by itself


def test_logits_of_the_asked_tokens_are_those_of_all_tokens():
    model = tiny()
    tokens, _, types, targets, _ = batch()
    asked = targets != -100
    every, relation = model(tokens, types=types)
    some, again = model(tokens, types=types, asked=asked)
    assert torch.allclose(some, every[asked], **EXACT)
    assert torch.equal(relation, again)


def test_the_answer_about_the_pair_depends_on_both_segments():
    model = tiny()
    tokens, _, types, _, _ = batch()
    for place in (3, 14):
        other = tokens.clone()
        other[0, place] = 5 if tokens[0, place] != 5 else 6
        change = (model(other, types=types)[1] - model(tokens, types=types)[1]).abs().amax(dim=1)
        assert change[0] > 1e-8
        assert change[1] == 0


def test_each_loss_is_a_mean_of_its_own():
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(7, 5, generator=generator), torch.tensor([0, 1, 2, 3, 4, 0, 1])
    relation, labels = torch.randn(3, 2, generator=generator), torch.tensor([0, 1, 1])
    expected = F.cross_entropy(logits, targets) + F.cross_entropy(relation, labels)
    assert torch.allclose(pretraining_loss(logits, targets, relation, labels), expected)
    twice = pretraining_loss(logits.repeat(2, 1), targets.repeat(2), relation, labels)
    assert torch.allclose(twice, expected)


def test_it_learns_to_tell_second_halves_that_come_from_elsewhere():
    torch.manual_seed(0)
    model = BertPretraining(BertConfig(vocab_size=16, max_length=11, layers=1, heads=2, dim=32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    right = []
    for _ in range(40):
        pieces, others = torch.randint(5, 10, (32, 8)), torch.randint(10, 16, (32, 8))  # two worlds of words
        tokens, types, labels = sentence_pairs(pieces, others, torch.rand(32) < 0.5, 2, 3)
        relation = model(tokens, types=types)[1]
        loss = F.cross_entropy(relation, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right.append((relation.argmax(1) == labels).float().mean().item())
    assert sum(right[-10:]) / 10 > 0.9
    assert sum(right[:5]) / 5 < 0.75


def test_pseudo_surprise_hides_one_token_at_a_time():
    model, tokens = tiny(), random_text(1, 6, first=5)[0]
    got = pseudo_surprise(model.bert, tokens, mask_token=4)
    for place in range(6):
        read = tokens.clone()
        read[place] = 4
        expected = -model.bert(read[None])[0, place].log_softmax(-1)[tokens[place]]
        assert torch.allclose(got[place].double(), expected.double(), atol=1e-5)


# ---- pairs


@settings(max_examples=30)
@given(rows=st.integers(1, 4), half=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_pair_is_its_two_halves_between_marks(rows, half, seed):
    generator = torch.Generator().manual_seed(seed)
    pieces, others = (torch.randint(5, 50, (rows, 2 * half), generator=generator) for _ in range(2))
    follows = torch.rand(rows, generator=generator) < 0.5
    tokens, types, labels = sentence_pairs(pieces, others, follows, 2, 3)
    assert tokens.shape == types.shape == (rows, 2 * half + 3)
    assert (tokens[:, 0] == 2).all()
    assert (tokens[:, [half + 1, -1]] == 3).all()
    assert torch.equal(tokens[:, 1 : half + 1], pieces[:, :half])
    for row in range(rows):
        source = pieces if follows[row] else others
        assert torch.equal(tokens[row, half + 2 : -1], source[row, half:])
    assert types[0].tolist() == [0] * (half + 2) + [1] * (half + 1)
    assert torch.equal(labels, (~follows).long())


def test_what_cannot_be_paired_or_judged_is_refused(refuses):
    pieces = torch.zeros(2, 5, dtype=torch.long)
    with refuses(ValueError, "pieces have 5 tokens: expected an even number"):
        sentence_pairs(pieces, pieces, torch.ones(2, dtype=torch.bool), 2, 3)
    with refuses(ValueError, r"second has shape \(1, 4\): expected .*, where batch is 2 as in first"):
        join_pairs(pieces, pieces[:1, :4], 2, 3)
    with refuses(ValueError, "labels go from 0 to 2: expected 0 to 1"):
        pretraining_loss(torch.zeros(2, 5), torch.tensor([0, 1]), torch.zeros(3, 2), torch.tensor([0, 2, 1]))
    with refuses(ValueError, "targets go from -100 to 1: expected 0 to 4"):
        pretraining_loss(torch.zeros(2, 5), torch.tensor([-100, 1]), torch.zeros(2, 2), torch.tensor([0, 1]))
    with refuses(ValueError, "asked has shape"):
        tiny()(random_text(2, 6), asked=torch.ones(2, 5, dtype=torch.bool))
