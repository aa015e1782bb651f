"""Published DINOv2 encoders: what their tensors are called, and which of their settings our vision transformer has."""

import os
from typing import Any

from torch import Tensor

from fmlib.nn.vit import ViT, ViTConfig
from fmlib.pretrained import (
    CheckpointError,
    Rename,
    convert,
    find_checkpoint,
    load_published,
    patches_as_rows,
    read_config,
    read_tensors,
    weight_and_bias,
)


def _first(tensor: Tensor) -> Tensor:
    return tensor[0]


_LAYER, _BLOCK = "encoder.layer.{i}", "blocks.{i}"
DINOV2_TABLE = (
    Rename("embeddings.cls_token", "class_token", Tensor.flatten),
    Rename("embeddings.position_embeddings", "position_embedding", _first),
    Rename("embeddings.patch_embeddings.projection.weight", "patch_embedding.weight", patches_as_rows),
    Rename("embeddings.patch_embeddings.projection.bias", "patch_embedding.bias"),
    *weight_and_bias(f"{_LAYER}.norm1", f"{_BLOCK}.attention_norm"),
    *weight_and_bias(f"{_LAYER}.attention.attention.query", f"{_BLOCK}.attention.query"),
    *weight_and_bias(f"{_LAYER}.attention.attention.key", f"{_BLOCK}.attention.key"),
    *weight_and_bias(f"{_LAYER}.attention.attention.value", f"{_BLOCK}.attention.value"),
    *weight_and_bias(f"{_LAYER}.attention.output.dense", f"{_BLOCK}.attention.output"),
    Rename(f"{_LAYER}.layer_scale1.lambda1", f"{_BLOCK}.attention.gain"),
    *weight_and_bias(f"{_LAYER}.norm2", f"{_BLOCK}.mlp_norm"),
    *weight_and_bias(f"{_LAYER}.mlp.fc1", f"{_BLOCK}.mlp.expand"),
    *weight_and_bias(f"{_LAYER}.mlp.fc2", f"{_BLOCK}.mlp.contract"),
    Rename(f"{_LAYER}.layer_scale2.lambda1", f"{_BLOCK}.mlp.gain"),
    *weight_and_bias("layernorm", "norm"),
)
UNUSED = (r"embeddings\.mask_token",)  # stands for hidden patches in training
SIZES = {  # ours -> theirs
    "image_size": "image_size",
    "patch_size": "patch_size",
    "channels": "num_channels",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "dim": "hidden_size",
    "layer_scale": "layerscale_value",
    "eps": "layer_norm_eps",
}
SETTINGS = {"hidden_act": "gelu", "qkv_bias": True, "use_swiglu_ffn": False}


def read_dinov2(source: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of a DINOv2 encoder under our names; `load_dinov2` makes the model.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        Arguments for `ViTConfig`; our names -> tensors.

    Raises:
        CheckpointError: not found, not whole, or not a DINOv2 as Meta's of sizes S, B and L (the largest has another MLP).
    """
    folder = find_checkpoint(source)
    found = read_config(folder, "dinov2", needed=(*SIZES.values(), "mlp_ratio"), settings=SETTINGS)
    sizes = {ours: found[theirs] for ours, theirs in SIZES.items()}
    ratio, dim = found["mlp_ratio"], sizes["dim"]
    if not isinstance(ratio, (int, float)) or not isinstance(dim, int):
        raise CheckpointError(f"{folder} has mlp_ratio {ratio!r} and hidden_size {dim!r}: expected numbers")
    return sizes | {"hidden_dim": int(ratio * dim)}, convert(
        read_tensors(folder), DINOV2_TABLE, ignored=UNUSED
    )


def load_dinov2(source: str | os.PathLike = "facebook/dinov2-small") -> ViT:
    """A published DINOv2 encoder as our vision transformer, in evaluation mode.

    Its pictures are normalized by the mean and standard deviation of ImageNet's channels first.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub; that is downloaded once.

    Raises:
        CheckpointError: see `read_dinov2`; the message says what to do.

    Source: Oquab et al. 2024, "DINOv2: Learning Robust Visual Features without Supervision".
    """
    return load_published(source, read_dinov2, ViTConfig, ViT)
