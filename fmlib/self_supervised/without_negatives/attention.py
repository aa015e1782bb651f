"""Where the class token of a vision transformer looks, head by head."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from fmlib.checks import BOOL, FLOAT, check_tensors
from fmlib.evaluate import evaluating
from fmlib.nn.attention import attention_maps
from fmlib.nn.vit import ViT


@torch.no_grad()
def class_attention(
    vit: ViT, images: Float[Tensor, "batch channels height width"]
) -> Float[Tensor, "batch heads rows columns"]:
    """How much the class token takes from each patch in the last block.

    Args:
        vit: the model; it is put into evaluation mode for the call.
        images: of any size that patches cover, float in [0, 1].

    Returns:
        For each head a map over the patches that sums to 1: what the class token takes from itself is left out.

    Raises:
        TypeError, ValueError: what the model refuses.
    """
    check_tensors(("images", images, FLOAT, "batch channels height width"))
    device = next(vit.parameters()).device
    with evaluating(vit), attention_maps(vit) as maps:
        vit(images.to(device))
    looks = maps[-1][:, :, 0, 1:].cpu()  # from the class token to the patches
    rows = images.shape[2] // vit.config.patch_size
    return (looks / looks.sum(dim=-1, keepdim=True)).unflatten(-1, (rows, -1))


def share_on_objects(
    maps: Float[Tensor, "batch heads rows columns"], objects: Bool[Tensor, "batch height width"]
) -> tuple[Float[Tensor, "batch heads"], Float[Tensor, " batch"]]:
    """How much of the attention lies on the object, and how much would if all patches were alike.

    Args:
        maps: from `class_attention`.
        objects: True where a pixel belongs to the object; height and width are multiples of rows and columns.

    Returns:
        Shares in [0, 1]: of each head's attention, and the object's share of the area.

    Raises:
        TypeError: other types.
        ValueError: another shape, or patches that do not cover the pixels.
    """
    check_tensors(
        ("maps", maps, FLOAT, "batch heads rows columns"), ("objects", objects, BOOL, "batch height width")
    )
    rows, columns = maps.shape[2:]
    if objects.shape[1] % rows or objects.shape[2] % columns:
        raise ValueError(
            f"objects has shape {tuple(objects.shape)}: expected pixels that {rows} x {columns} patches cover evenly"
        )
    covered = F.adaptive_avg_pool2d(objects[:, None].to(maps), (rows, columns))  # share of each patch
    return (maps * covered).sum(dim=(2, 3)), covered.mean(dim=(1, 2, 3))
