import json

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import EXACT, our_model, random_text, same_gradients, their_model

from fmlib.llm.family.bert import Bert, BertConfig, load_bert
from fmlib.llm.family.bert_checkpoint import BERT_TABLE
from fmlib.llm.family.masking import choose_tokens, hide_tokens, mask_tokens
from fmlib.llm.family.targets import target_loss
from fmlib.llm.gpt.config import parameter_count
from fmlib.nn.attention import attention_maps
from fmlib.pretrained import CheckpointError

SIZES = {
    "vocab_size": 61,
    "max_position_embeddings": 20,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "type_vocab_size": 3,
}


def text(batch=2, length=20, seed=0):
    return random_text(batch, length, seed, first=1)


def tiny(seed=0, **more):
    """A small BERT with weights large enough for every part to matter."""
    sizes = {"vocab_size": 61, "max_length": 20, "layers": 3, "heads": 4, "dim": 24}
    return our_model(lambda: Bert(BertConfig(**(sizes | more))), seed)


def padded():
    """Two rows of which the second is shorter, in two segments."""
    real = torch.ones(2, 20, dtype=torch.bool)
    real[1, 13:] = False
    tokens = text().masked_fill(~real, 0)
    types = (torch.arange(20) > 8).long().expand(2, 20).clone()
    types[0, 15:] = 2
    return tokens, real, types


# ---- against transformers


def save_theirs(folder, **more):
    from transformers import BertConfig as TheirConfig
    from transformers import BertForMaskedLM

    return their_model(lambda: BertForMaskedLM(TheirConfig(**(SIZES | more))), folder)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A tiny BERT with random weights, saved by transformers, and ours loaded from that."""
    folder = tmp_path_factory.mktemp("bert")
    theirs = save_theirs(folder)
    return theirs, load_bert(folder).double(), folder


def test_logits_equal_transformers(pair):
    theirs, ours, _ = pair
    assert torch.allclose(ours(text()), theirs(text()).logits, **EXACT)


def test_with_padding_and_segments_the_logits_equal_transformers(pair):
    theirs, ours, _ = pair
    tokens, real, types = padded()
    expected = theirs(tokens, attention_mask=real.long(), token_type_ids=types).logits
    assert torch.allclose(ours(tokens, mask=real, types=types)[real], expected[real], **EXACT)


def test_the_gradient_of_every_parameter_equals_transformers(pair):
    theirs, ours, _ = pair
    ours.zero_grad()
    theirs.zero_grad()
    tokens, real, types = padded()
    targets = text(seed=5).masked_fill(~real, -100)
    targets[:, ::3] = -100
    target_loss(ours(tokens, mask=real, types=types), targets).backward()
    logits = theirs(tokens, attention_mask=real.long(), token_type_ids=types).logits
    F.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    gradients = {name.removeprefix("bert."): p.grad for name, p in theirs.named_parameters()}
    gradients.pop("cls.predictions.decoder.bias", None)
    same_gradients(ours, gradients, BERT_TABLE)


def test_old_names_and_parts_for_other_tasks_load(pair, tmp_path):
    from safetensors.torch import load_file, save_file

    _, ours, folder = pair
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
        for name, t in load_file(folder / "model.safetensors").items()
    }
    tensors["bert.pooler.dense.weight"] = torch.zeros(24, 24)
    tensors["cls.seq_relationship.bias"] = torch.zeros(2)
    tensors["bert.embeddings.position_ids"] = torch.arange(20)[None]
    embedding = tensors["bert.embeddings.word_embeddings.weight"]
    tensors["cls.predictions.decoder.weight"] = embedding.clone()
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    assert torch.equal(load_bert(tmp_path).double()(text()), ours(text()))
    tensors["cls.predictions.decoder.weight"] = embedding + 1
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="output matrix of its own"):
        load_bert(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden_act": "gelu_new"}, "hidden_act = 'gelu_new'"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps = 1e-05"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type = 'relative_key'"),
        ({"model_type": "roberta"}, "of a 'roberta' model: expected 'bert'"),
        ({"attention_probs_dropout_prob": 0.3}, r"dropouts \[0\.1, 0\.3\]"),
        ({"num_hidden_layers": 4}, "missing blocks.3"),
        ({"vocab_size": 60}, r"head\.bias is \(61,\), expected \(60,\)"),
        ({"num_attention_heads": 5}, "dim is 24 and heads is 5"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(pair, tmp_path, change, says, refuses):
    folder = pair[2]
    config = json.loads((folder / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    with refuses(CheckpointError, says):
        load_bert(tmp_path)


def test_bert_base_has_as_many_parameters_as_transformers():
    from transformers import BertConfig as TheirConfig
    from transformers import BertForMaskedLM

    with torch.device("meta"):
        ours, theirs = Bert(BertConfig.bert_base()), BertForMaskedLM(TheirConfig())
    assert parameter_count(ours) == parameter_count(theirs) == 109_514_298


# ---- the model by itself


def test_every_token_sees_those_before_and_behind_it():
    model, tokens = tiny(), text(1)
    other = tokens.clone()
    other[0, 9] = 1 if tokens[0, 9] != 1 else 2
    assert ((model(other) - model(tokens)).abs().amax(-1) > 1e-6).all()


def test_a_padded_row_gives_what_it_gives_alone_and_ignores_what_stands_there():
    model, (tokens, real, _) = tiny(), padded()
    got = model(tokens, mask=real)
    assert torch.allclose(got[1, :13], model(tokens[1:, :13])[0], **EXACT)
    assert torch.equal(model(tokens.masked_fill(~real, 7), mask=real)[real], got[real])


def test_logits_of_only_the_asked_positions_are_the_same():
    model = tiny()
    asked = torch.rand(2, 20) < 0.2
    assert torch.allclose(model.logits(model.hidden(text())[asked]), model(text())[asked], **EXACT)


def test_an_untrained_model_knows_nothing_yet():
    model = Bert(BertConfig(vocab_size=61, dim=64, layers=2))
    assert abs(target_loss(model(text()), text()).item() - torch.tensor(61.0).log().item()) < 0.15


def test_attention_maps_can_be_watched_and_dropout_is_for_training_only():
    model = tiny(dropout=0.2)
    with attention_maps(model) as maps:
        assert torch.equal(model(text()), model(text()))
    assert [tuple(each.shape) for each in maps] == [(2, 4, 20, 20)] * 6
    model.train()
    assert not torch.equal(model(text()), model(text()))


# ---- hiding tokens


@settings(max_examples=30)
@given(
    batch=st.integers(1, 4), length=st.integers(1, 40), share=st.floats(0.01, 1.0), seed=st.integers(0, 99)
)
def test_each_row_has_its_share_of_targets_and_nothing_else_changes(batch, length, share, seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(5, 30, (batch, length), generator=generator)
    read, targets = mask_tokens(tokens, 4, 30, generator=generator, share=share)
    asked = targets != -100
    assert (asked.sum(1) == max(1, (torch.tensor(length) * share).round())).all()
    assert torch.equal(targets[asked], tokens[asked])
    assert torch.equal(read[~asked], tokens[~asked])


def test_of_the_chosen_tokens_8_in_10_are_masked_1_is_another_and_1_stays():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.full((200, 500), 7)
    read, targets = mask_tokens(tokens, 4, 1000, generator=generator)
    asked = targets != -100
    assert asked.float().mean() == 0.15
    masked, kept = (read[asked] == 4).float().mean(), (read[asked] == 7).float().mean()
    assert abs(masked - 0.8) < 0.01
    assert abs(kept - 0.1) < 0.01
    others = read[asked & (read != 4) & (read != 7)]
    assert abs(len(others) / asked.sum() - 0.1) < 0.01
    assert others.min() < 20  # from the whole vocabulary, evenly
    assert others.max() > 980
    assert abs(others.float().mean() - 500) < 25


def test_special_tokens_are_never_chosen():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.tensor([[1, 9, 2, 0, 0, 0], [1, 9, 8, 7, 6, 2]])
    for _ in range(20):
        _, targets = mask_tokens(tokens, 4, 10, generator=generator, share=0.6, special=(0, 1, 2))
        assert not torch.isin(targets, torch.tensor([0, 1, 2])).any()
        assert (targets != -100).sum(1).tolist() == [1, 2]


def test_the_same_seed_hides_the_same_tokens():
    first, second = (mask_tokens(text(), 3, 61, generator=torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_what_is_drawn_decides_what_a_chosen_token_becomes():
    tokens, others = torch.tensor([[10, 11, 12, 13, 14]]), torch.tensor([[20, 21, 22, 23, 24]])
    draws = torch.tensor([[0.79, 0.81, 0.91, 0.1, 0.85]])
    chosen = torch.tensor([[True, True, True, False, False]])
    read, targets = hide_tokens(tokens, chosen, draws, others, 4)
    assert read.tolist() == [[4, 21, 12, 13, 14]]
    assert targets.tolist() == [[10, 11, 12, -100, -100]]


def test_a_model_learns_to_fill_in_blanks():
    torch.manual_seed(0)
    model = Bert(BertConfig(vocab_size=12, max_length=12, layers=1, heads=2, dim=32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(60):  # a row says one thing all the time: any neighbor gives a hidden token away
        tokens = torch.randint(10, (16, 1), generator=generator).expand(16, 12)
        read, targets = mask_tokens(tokens, 11, 12, generator=generator)
        loss = target_loss(model(read), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.3 * sum(losses[:10])


# ---- what is refused


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"types": 0}, "types is 0"),
        ({"hidden_dim": 2.5}, "hidden_dim is 2.5"),
        ({"dim": 10, "heads": 4}, "dim is 10 and heads is 4"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_the_configuration_refuses_what_cannot_be(bad, says, refuses):
    with refuses(ValueError, says):
        BertConfig(**({"vocab_size": 5} | bad))


def test_what_cannot_be_read_is_refused(refuses):
    model = tiny()
    with refuses(TypeError, "torch.float32: expected a tensor of torch.long"):
        model(torch.zeros(1, 2))
    with refuses(ValueError, "this model knows 20"):
        model(text(1, 21))
    with refuses(ValueError, r"mask has shape \(2, 3\): expected .* length is 20 as in tokens"):
        model(text(), mask=torch.ones(2, 3, dtype=torch.bool))
    with refuses(ValueError, "types go from 2 to 2: expected 0 to 1"):
        model(text(), types=torch.full((2, 20), 2))


def test_what_cannot_be_hidden_is_refused(refuses, generator):
    with refuses(ValueError, "mask_token is 61"):
        mask_tokens(text(), 61, 61, generator=generator)
    with refuses(ValueError, "share is 0"):
        mask_tokens(text(), 3, 61, generator=generator, share=0.0)
    with refuses(ValueError, "row 1 has no token"):
        choose_tokens(torch.tensor([[True], [False]]), generator=generator)
    with refuses(TypeError, "expected a tensor of torch.long"):
        mask_tokens(text().float(), 3, 61, generator=generator)
    with refuses(ValueError, r"targets have shape \(2, 4\): expected .* length is 3 as in logits"):
        target_loss(torch.zeros(2, 3, 5), torch.zeros(2, 4).long())
    with refuses(ValueError, "all targets are -100"):
        target_loss(torch.zeros(2, 3, 5), torch.full((2, 3), -100))
