"""The published GPT-2: what its tensors are called, and how they are stored."""

import os
from typing import Any

import torch
from torch import Tensor

from fmlib.pretrained import (
    CheckpointError,
    Rename,
    convert,
    find_checkpoint,
    read_config,
    read_tensors,
    same_dropout,
    transposed,
)


def _heads(kind: str) -> tuple[str, ...]:
    return tuple(f"blocks.{{i}}.attention.{name}.{kind}" for name in ("query", "key", "value"))


# GPT-2 stores [in, out], and query, key and value side by side in one matrix.
GPT2_TABLE = (
    Rename("wte.weight", "token_embedding.weight"),
    Rename("wpe.weight", "position_embedding.weight"),
    Rename("h.{i}.ln_1.weight", "blocks.{i}.attention_norm.weight"),
    Rename("h.{i}.ln_1.bias", "blocks.{i}.attention_norm.bias"),
    Rename("h.{i}.attn.c_attn.weight", _heads("weight"), lambda w: transposed(w).chunk(3)),
    Rename("h.{i}.attn.c_attn.bias", _heads("bias"), lambda b: b.chunk(3)),
    Rename("h.{i}.attn.c_proj.weight", "blocks.{i}.attention.output.weight", transposed),
    Rename("h.{i}.attn.c_proj.bias", "blocks.{i}.attention.output.bias"),
    Rename("h.{i}.ln_2.weight", "blocks.{i}.mlp_norm.weight"),
    Rename("h.{i}.ln_2.bias", "blocks.{i}.mlp_norm.bias"),
    Rename("h.{i}.mlp.c_fc.weight", "blocks.{i}.mlp.expand.weight", transposed),
    Rename("h.{i}.mlp.c_fc.bias", "blocks.{i}.mlp.expand.bias"),
    Rename("h.{i}.mlp.c_proj.weight", "blocks.{i}.mlp.contract.weight", transposed),
    Rename("h.{i}.mlp.c_proj.bias", "blocks.{i}.mlp.contract.bias"),
    Rename("ln_f.weight", "norm.weight"),
    Rename("ln_f.bias", "norm.bias"),
)
MASKS = (r"h\.\d+\.attn\.(masked_)?bias",)  # old files carry the causal mask
SIZES = {  # ours -> theirs
    "vocab_size": "vocab_size",
    "max_length": "n_positions",
    "layers": "n_layer",
    "heads": "n_head",
    "dim": "n_embd",
}
SETTINGS = {
    "activation_function": "gelu_new",
    "layer_norm_epsilon": 1e-5,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}


def read_gpt2(source: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of a GPT-2 under our names; `fmlib.llm.gpt.model.load_gpt2` makes the model.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        Arguments for `GPTConfig`; our names -> tensors.

    Raises:
        CheckpointError: not found, not whole, or not a GPT-2 as OpenAI's.
    """
    folder = find_checkpoint(source)
    found = read_config(folder, "gpt2", needed=tuple(SIZES.values()), settings=SETTINGS)
    dropout = same_dropout(folder, found, "resid_pdrop", "embd_pdrop", "attn_pdrop")
    sizes = {ours: found[theirs] for ours, theirs in SIZES.items()} | {"dropout": dropout}

    tensors = {name.removeprefix("transformer."): t for name, t in read_tensors(folder).items()}
    head = tensors.pop("lm_head.weight", None)
    if head is not None and not torch.equal(head, tensors.get("wte.weight", head)):
        raise CheckpointError(f"{folder} has an output matrix of its own: expected that of the embedding")
    return sizes, convert(tensors, GPT2_TABLE, ignored=MASKS)
