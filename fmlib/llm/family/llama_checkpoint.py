"""Published LLaMAs: what transformers calls their tensors, and which of their settings our model has."""

import os
from typing import Any

import torch
from torch import Tensor

from fmlib.checks import check_number
from fmlib.pretrained import (
    CheckpointError,
    Rename,
    convert,
    find_checkpoint,
    read_config,
    read_tensors,
    yes_or_no,
)

LLAMA_TABLE = (
    Rename("model.embed_tokens.weight", "token_embedding.weight"),
    Rename("model.layers.{i}.input_layernorm.weight", "blocks.{i}.attention_norm.weight"),
    Rename("model.layers.{i}.self_attn.q_proj.weight", "blocks.{i}.attention.query.weight"),
    Rename("model.layers.{i}.self_attn.k_proj.weight", "blocks.{i}.attention.key.weight"),
    Rename("model.layers.{i}.self_attn.v_proj.weight", "blocks.{i}.attention.value.weight"),
    Rename("model.layers.{i}.self_attn.o_proj.weight", "blocks.{i}.attention.output.weight"),
    Rename("model.layers.{i}.post_attention_layernorm.weight", "blocks.{i}.mlp_norm.weight"),
    Rename("model.layers.{i}.mlp.gate_proj.weight", "blocks.{i}.mlp.gate.weight"),
    Rename("model.layers.{i}.mlp.up_proj.weight", "blocks.{i}.mlp.expand.weight"),
    Rename("model.layers.{i}.mlp.down_proj.weight", "blocks.{i}.mlp.contract.weight"),
    Rename("model.norm.weight", "norm.weight"),
    Rename("lm_head.weight", "head.weight"),
)
ANGLES = (
    r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq",
)  # old files carry them; they follow from theta
SIZES = {  # ours -> theirs
    "vocab_size": "vocab_size",
    "max_length": "max_position_embeddings",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "dim": "hidden_size",
    "hidden_dim": "intermediate_size",
    "eps": "rms_norm_eps",
}
SETTINGS = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "attention_dropout": 0.0}


def read_llama(source: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of a LLaMA under our names; `fmlib.llm.family.llama.load_llama` makes the model.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        Arguments for `LlamaConfig`; our names -> tensors.

    Raises:
        CheckpointError: not found, not whole, or with something that our model does not do, such as stretched positions.
    """
    folder = find_checkpoint(source)
    found = read_config(folder, "llama", needed=tuple(SIZES.values()), settings=SETTINGS)
    sizes = {ours: found[theirs] for ours, theirs in SIZES.items()}
    sizes |= {"key_heads": found.get("num_key_value_heads"), "theta": _theta(found, str(folder))}
    sizes |= {"tied": yes_or_no(folder, found, "tie_word_embeddings", False)}
    head_dim, heads = found.get("head_dim"), sizes["heads"]
    whole = isinstance(head_dim, int) and isinstance(heads, int)
    if head_dim is not None and not (whole and head_dim * heads == sizes["dim"]):
        raise CheckpointError(
            f"{folder} has {sizes['heads']} heads of {head_dim} features for {sizes['dim']}, which our model does not "
            "do: expected heads that share out all features"
        )
    tensors = read_tensors(folder)
    if sizes["tied"]:
        head = tensors.pop("lm_head.weight", None)
        if head is not None and not torch.equal(head, tensors.get("model.embed_tokens.weight", head)):
            raise CheckpointError(
                f"{folder} has an output matrix of its own: expected that of the embedding, as its config says"
            )
    return sizes, convert(tensors, LLAMA_TABLE, ignored=ANGLES)


def _theta(config: dict[str, Any], folder: str) -> float:
    """Of the rotary positions, wherever a version of transformers has written it; none may say that they are stretched."""
    theta = config.get("rope_theta", 10_000.0)
    for name in ("rope_scaling", "rope_parameters"):  # the newer one counts
        rope = config.get(name)
        if rope is None:
            continue
        if not isinstance(rope, dict) or any(isinstance(value, dict) for value in rope.values()):
            raise CheckpointError(
                f"{folder} has {name} = {rope!r}: expected one set of names and numbers, or null"
            )
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default":
            raise CheckpointError(
                f"{folder} has rotary positions of type {kind!r} in {name}, which our model does not do: expected 'default'"
            )
        theta = rope.get("rope_theta", theta)
    try:
        check_number("rope_theta", theta, above=0)
    except ValueError as error:
        raise CheckpointError(f"{folder}: {error}") from error
    return float(theta)
