"""Published masked autoencoders: what their tensors are called, and which of their settings our model has."""

import os
from typing import Any

from torch import Tensor

from fmlib.pretrained import (
    CheckpointError,
    Rename,
    convert,
    find_checkpoint,
    patches_as_rows,
    read_config,
    read_tensors,
    weight_and_bias,
)


def _first(tensor: Tensor) -> Tensor:
    return tensor[0]


def _vector(tensor: Tensor) -> Tensor:
    return tensor.flatten()


def _block(theirs: str, ours: str) -> tuple[Rename, ...]:
    """A block of a published vision transformer."""
    return (
        *weight_and_bias(f"{theirs}.attention.attention.query", f"{ours}.attention.query"),
        *weight_and_bias(f"{theirs}.attention.attention.key", f"{ours}.attention.key"),
        *weight_and_bias(f"{theirs}.attention.attention.value", f"{ours}.attention.value"),
        *weight_and_bias(f"{theirs}.attention.output.dense", f"{ours}.attention.output"),
        *weight_and_bias(f"{theirs}.layernorm_before", f"{ours}.attention_norm"),
        *weight_and_bias(f"{theirs}.intermediate.dense", f"{ours}.mlp.expand"),
        *weight_and_bias(f"{theirs}.output.dense", f"{ours}.mlp.contract"),
        *weight_and_bias(f"{theirs}.layernorm_after", f"{ours}.mlp_norm"),
    )


MAE_TABLE = (
    Rename("vit.embeddings.cls_token", "encoder.class_token", _vector),
    Rename("vit.embeddings.position_embeddings", "encoder.position_embedding", _first),
    Rename(
        "vit.embeddings.patch_embeddings.projection.weight", "encoder.patch_embedding.weight", patches_as_rows
    ),
    Rename("vit.embeddings.patch_embeddings.projection.bias", "encoder.patch_embedding.bias"),
    *_block("vit.encoder.layer.{i}", "encoder.blocks.{i}"),
    *weight_and_bias("vit.layernorm", "encoder.norm"),
    Rename("decoder.mask_token", "mask_token", _vector),
    Rename("decoder.decoder_pos_embed", "decoder_positions", _first),
    *weight_and_bias("decoder.decoder_embed", "narrow"),
    *_block("decoder.decoder_layers.{i}", "decoder.{i}"),
    *_block("decoder.decoder_encoder.layer.{i}", "decoder.{i}"),  # as transformers 5 writes them
    *weight_and_bias("decoder.decoder_norm", "decoder_norm"),
    *weight_and_bias("decoder.decoder_pred", "paint"),
)
SIZES = {  # ours -> theirs
    "image_size": "image_size",
    "patch_size": "patch_size",
    "channels": "num_channels",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "dim": "hidden_size",
    "hidden_dim": "intermediate_size",
    "eps": "layer_norm_eps",
}
DECODER_SIZES = {
    "decoder_layers": "decoder_num_hidden_layers",
    "decoder_heads": "decoder_num_attention_heads",
    "decoder_dim": "decoder_hidden_size",
    "decoder_hidden_dim": "decoder_intermediate_size",
    "mask_ratio": "mask_ratio",
    "normalize": "norm_pix_loss",
}
SETTINGS = {"hidden_act": "gelu", "qkv_bias": True}


def read_mae(source: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of a masked autoencoder under our names; `load_mae` makes the model.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        Arguments for `MAEConfig`, the encoder's in a dictionary; our names -> tensors.

    Raises:
        CheckpointError: not found, not whole, or not a masked autoencoder as Meta's.
    """
    folder = find_checkpoint(source)
    needed = (*SIZES.values(), *DECODER_SIZES.values())
    found = read_config(folder, "vit_mae", needed=needed, settings=SETTINGS)
    sizes: dict[str, Any] = {ours: found[theirs] for ours, theirs in DECODER_SIZES.items()}
    sizes["encoder"] = {ours: found[theirs] for ours, theirs in SIZES.items()} | {"sines": True}
    tensors = read_tensors(folder)
    if not any(name.startswith("decoder.") for name in tensors):
        raise CheckpointError(f"{folder} has no decoder: expected an autoencoder with both of its halves")
    return sizes, convert(tensors, MAE_TABLE)
