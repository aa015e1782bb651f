"""A checkpoint's config.json can say anything: whatever it says, the loader loads or refuses with a sentence."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from fmlib.llm.family import bert_checkpoint, llama_checkpoint, t5_checkpoint
from fmlib.llm.family.bert import load_bert
from fmlib.llm.family.llama import load_llama
from fmlib.llm.family.t5 import load_t5
from fmlib.llm.gpt import checkpoint as gpt2
from fmlib.llm.gpt.model import load_gpt2
from fmlib.pretrained import CheckpointError

transformers = pytest.importorskip("transformers")
NONSENSE = [None, True, "linear", [1], {"a": {}}, -1, 1.5, 10**30, 10**400, math.nan]
LOADERS = {
    "gpt2": (
        load_gpt2,
        lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=2)
        ),
    ),
    "llama": (
        load_llama,
        lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=11,
                max_position_embeddings=8,
                hidden_size=8,
                intermediate_size=12,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=1,
            )
        ),
    ),
    "bert": (
        load_bert,
        lambda: transformers.BertForMaskedLM(
            transformers.BertConfig(
                vocab_size=11,
                max_position_embeddings=8,
                hidden_size=8,
                intermediate_size=12,
                num_hidden_layers=1,
                num_attention_heads=2,
            )
        ),
    ),
    "t5": (
        load_t5,
        lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(
                vocab_size=11, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_decoder_layers=1, num_heads=2
            )
        ),
    ),
}
READ = {  # what the loaders look at
    "gpt2": (*gpt2.SIZES.values(), *gpt2.SETTINGS, "resid_pdrop", "attn_pdrop"),
    "llama": (
        *llama_checkpoint.SIZES.values(),
        *llama_checkpoint.SETTINGS,
        *("num_key_value_heads", "head_dim", "tie_word_embeddings"),
        *("rope_theta", "rope_scaling", "rope_parameters"),
    ),
    "bert": (*bert_checkpoint.SIZES.values(), *bert_checkpoint.SETTINGS, "hidden_dropout_prob"),
    "t5": (
        *t5_checkpoint.SIZES.values(),
        *(
            "n_positions",
            "num_decoder_layers",
            "scale_decoder_outputs",
            "tie_word_embeddings",
            "dropout_rate",
        ),
        *("relative_attention_max_distance", "layer_norm_epsilon", "feed_forward_proj"),
    ),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A tiny checkpoint of each kind: its folder, in which the config is changed, and what that said."""
    found = {}
    for kind, (_, make) in LOADERS.items():
        folder = tmp_path_factory.mktemp(kind)
        make().save_pretrained(folder)
        found[kind] = folder, json.loads((folder / "config.json").read_text())
    return found


@pytest.mark.parametrize("kind", LOADERS)
def test_whatever_a_config_says_it_loads_or_is_refused_with_a_sentence(saved, kind):
    load, _ = LOADERS[kind]
    folder, config = saved[kind]
    (folder / "config.json").write_text(json.dumps(config))
    load(folder)
    for name in ("model_type", *READ[kind]):
        for nonsense in NONSENSE:
            (folder / "config.json").write_text(json.dumps(config | {name: nonsense}))
            try:
                load(folder)
            except CheckpointError:
                pass
            except BaseException as error:
                raise AssertionError(f"{name} = {nonsense!r}: {error!r}") from error


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"rope_parameters": {"rope_type": "default"}, "rope_scaling": {"rope_type": "llama3"}},
            "'llama3' in rope_scaling",
        ),
        (
            {"rope_parameters": {"rope_type": "llama3"}, "rope_scaling": {"rope_type": "default"}},
            "'llama3' in rope_parameters",
        ),
        (
            {"rope_parameters": {"full_attention": {"rope_theta": 5.0}}},
            "rope_parameters = .*expected one set",
        ),
        ({"rope_parameters": None, "rope_theta": None}, "rope_theta is None"),
        ({"num_hidden_layers": 10**30}, "layers and has 12 tensors"),
        ({"intermediate_size": True}, "hidden_dim is True"),
    ],
)
def test_a_llama_that_is_another_is_refused(saved, change, says, refuses):
    folder, config = saved["llama"]
    (folder / "config.json").write_text(json.dumps(config | change))
    with refuses(CheckpointError, says):
        load_llama(folder)


def test_a_t5_knows_the_length_that_its_config_says(saved):
    folder, config = saved["t5"]
    (folder / "config.json").write_text(json.dumps(config | {"n_positions": 1024}))
    assert load_t5(folder).config.max_length == 1024


def test_a_tensor_that_cannot_be_cut_is_named(saved, tmp_path, refuses):
    _, config = saved["gpt2"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"transformer.h.0.attn.c_attn.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with refuses(CheckpointError, r"h\.0\.attn\.c_attn\.weight \(2,\) cannot be cut"):
        load_gpt2(tmp_path)
