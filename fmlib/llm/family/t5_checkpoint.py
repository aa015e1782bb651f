"""Published T5s: what their tensors are called, and which of their settings our model has."""

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
    yes_or_no,
)


def _attention(theirs: str, ours: str) -> tuple[Rename, ...]:
    names = {"q": "query", "k": "key", "v": "value", "o": "output"}
    return tuple(Rename(f"{theirs}.{a}.weight", f"{ours}.{b}.weight") for a, b in names.items())


def _stack(side: str, mlp: int) -> tuple[Rename, ...]:
    """The rows of the encoder or the decoder; `mlp` is the place of the MLP among the parts of a block."""
    theirs, ours = f"{side}.block.{{i}}.layer", f"{side}.{{i}}"
    return (
        *_attention(f"{theirs}.0.SelfAttention", f"{ours}.attention"),
        Rename(f"{theirs}.0.layer_norm.weight", f"{ours}.attention_norm.weight"),
        Rename(f"{theirs}.{mlp}.DenseReluDense.wi.weight", f"{ours}.mlp.expand.weight"),
        Rename(f"{theirs}.{mlp}.DenseReluDense.wi_0.weight", f"{ours}.mlp.gate.weight"),
        Rename(f"{theirs}.{mlp}.DenseReluDense.wi_1.weight", f"{ours}.mlp.expand.weight"),
        Rename(f"{theirs}.{mlp}.DenseReluDense.wo.weight", f"{ours}.mlp.contract.weight"),
        Rename(f"{theirs}.{mlp}.layer_norm.weight", f"{ours}.mlp_norm.weight"),
        Rename(f"{side}.final_layer_norm.weight", f"{side}_norm.weight"),
        # The first layer's table serves all layers.
        Rename(
            f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
            f"{side}_bias.table.weight",
        ),
    )


T5_TABLE = (
    Rename("shared.weight", "token_embedding.weight"),
    *_stack("encoder", 1),
    *_stack("decoder", 2),
    *_attention("decoder.block.{i}.layer.1.EncDecAttention", "decoder.{i}.cross"),
    Rename("decoder.block.{i}.layer.1.layer_norm.weight", "decoder.{i}.cross_norm.weight"),
    Rename("lm_head.weight", "head.weight"),
)
# Second names of the shared embedding, and a table of the cross-attention that was never used.
UNUSED = (
    r"(encoder|decoder)\.embed_tokens\.weight",
    r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",
)
SIZES = {  # ours -> theirs
    "vocab_size": "vocab_size",
    "layers": "num_layers",
    "heads": "num_heads",
    "dim": "d_model",
    "head_dim": "d_kv",
    "hidden_dim": "d_ff",
    "buckets": "relative_attention_num_buckets",
}
KINDS = {"relu": False, "gated-gelu": True}  # feed_forward_proj -> gated


def read_t5(source: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of a T5 under our names; `fmlib.llm.family.t5.load_t5` makes the model.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        Arguments for `T5Config`; our names -> tensors.

    Raises:
        CheckpointError: not found, not whole, or not a T5 as Google's, of version 1.0 or 1.1.
    """
    folder = find_checkpoint(source)
    found = read_config(folder, "t5", needed=tuple(SIZES.values()))
    kind = found.get("feed_forward_proj", "relu")
    if not isinstance(kind, str) or kind not in KINDS:
        raise CheckpointError(
            f"{folder} has feed_forward_proj = {kind!r}, which our model does not do: expected one of {list(KINDS)}"
        )
    sizes = {ours: found[theirs] for ours, theirs in SIZES.items()} | {"gated": KINDS[kind]}
    sizes |= {
        "max_length": found.get("n_positions", 512),
        "decoder_layers": found.get("num_decoder_layers"),
        "max_distance": found.get("relative_attention_max_distance", 128),
        "eps": found.get("layer_norm_epsilon", 1e-6),
        "dropout": found.get("dropout_rate", 0.1),
        # What says that the output is scaled, and so belongs to the embedding, has changed its name over the years.
        "tied": yes_or_no(
            folder, found, "scale_decoder_outputs", found.get("tie_word_embeddings") is not False
        ),
    }
    tensors = read_tensors(folder)
    for name in ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"):  # the same under other names
        if name in tensors:
            tensors.setdefault("shared.weight", tensors[name])
    embedding = tensors.get("shared.weight")
    if embedding is not None:
        head = tensors.setdefault("lm_head.weight", embedding)
        if sizes["tied"] and not torch.equal(head, embedding):
            raise CheckpointError(
                f"{folder} has an output matrix of its own: expected that of the embedding, since outputs are scaled"
            )
    if sizes["tied"]:
        tensors.pop("lm_head.weight", None)
    return sizes, convert(tensors, T5_TABLE, ignored=UNUSED)
