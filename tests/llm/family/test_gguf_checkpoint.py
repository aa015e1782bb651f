import sys

import pytest
import torch

from fmlib.llm.family.gguf_checkpoint import GGUF_TABLE, load_llama_gguf
from fmlib.llm.family.llama import Llama, LlamaConfig
from fmlib.llm.family.rotary import pairs_from_halves
from fmlib.pretrained import CheckpointError


def write(file, model, kind="llama", **more):
    """A model of ours as llama.cpp would have it."""
    gguf = pytest.importorskip("gguf")
    config, writer = model.config, gguf.GGUFWriter(file, kind)
    writer.add_context_length(config.max_length)
    writer.add_block_count(config.layers)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.key_heads)
    writer.add_embedding_length(config.dim)
    writer.add_feed_forward_length(config.hidden_dim)
    writer.add_layer_norm_rms_eps(config.eps)
    writer.add_rope_freq_base(config.theta)
    for name, value in more.items():
        getattr(writer, name)(value)
    tensors = model.state_dict()
    for row in GGUF_TABLE:
        for i in range(config.layers if "{i}" in row.theirs else 1):
            tensor = tensors.get(row.ours.replace("{i}", str(i)))
            if tensor is None:
                continue
            if row.theirs.endswith(("attn_q.weight", "attn_k.weight")):
                tensor = pairs_from_halves(
                    tensor, config.heads if "attn_q" in row.theirs else config.key_heads
                )
            writer.add_tensor(row.theirs.replace("{i}", str(i)), tensor.detach().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_comes_back_from_a_gguf_file(tmp_path, tied):
    config = LlamaConfig(61, 20, layers=2, heads=4, key_heads=2, dim=32, theta=500.0, eps=0.5, tied=tied)
    model, tokens = Llama(config), torch.randint(0, 61, (2, 9))
    write(tmp_path / "model.gguf", model)
    again = load_llama_gguf(tmp_path / "model.gguf")
    assert again.config == config
    assert torch.equal(again(tokens), model(tokens))


def test_what_is_no_plain_llama_is_refused(tmp_path, refuses):
    pytest.importorskip("gguf")
    file, model = tmp_path / "model.gguf", Llama(LlamaConfig.tiny())
    with refuses(CheckpointError, r"is no file: expected a \.gguf"):
        load_llama_gguf(file)
    file.write_bytes(b"GGUF, but not really")
    with refuses(CheckpointError, "is not a whole GGUF file"):
        load_llama_gguf(file)
    write(file, model, kind="qwen2")
    with refuses(CheckpointError, "of a 'qwen2' model: expected 'llama'"):
        load_llama_gguf(file)
    gguf = sys.modules["gguf"]
    write(file, model, add_rope_scaling_type=gguf.RopeScalingType.LINEAR)
    with refuses(CheckpointError, "stretched rotary positions"):
        load_llama_gguf(file)


def test_without_the_package_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ImportError, match="pip install gguf"):
        load_llama_gguf(tmp_path / "model.gguf")
