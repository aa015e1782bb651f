"""Which patches stay, and the way back: the shuffling of the masked autoencoder.

Source: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners".
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from fmlib.checks import FLOAT, LONG, check_tensors, check_whole


def split_patches(
    noise: Float[Tensor, "batch patches"], keep: int
) -> tuple[Int64[Tensor, "batch keep"], Bool[Tensor, "batch patches"], Int64[Tensor, "batch patches"]]:
    """Shuffle the patches by their noise; the first `keep` stay visible, the rest is hidden.

    Args:
        noise: one random number for each patch; no two in a row are equal.
        keep: how many stay, 1 to patches.

    Returns:
        visible: the patches that stay, in shuffled order, lowest noise first.
        hidden: True where a patch is hidden, in the picture's order.
        restore: for each patch of the picture, its place in the shuffled order.

    Raises:
        TypeError: noise is no tensor of floats.
        ValueError: keep is out of range.

    Source: He et al. 2022, section 3, "Simple implementation".
    """
    check_tensors(("noise", noise, FLOAT, "batch patches"))
    check_whole("keep", keep, most=noise.shape[1])
    order = noise.argsort(dim=1)
    restore = order.argsort(dim=1)  # the inverse of a permutation is what sorts it
    return order[:, :keep], restore >= keep, restore


def pick(
    patches: Float[Tensor, "batch patches dim"], places: Int64[Tensor, "batch some"]
) -> Float[Tensor, "batch some dim"]:
    """The patches at these places, in this order.

    Raises:
        TypeError, ValueError: no tensors of floats and of torch.long, or other shapes.
    """
    check_tensors(("patches", patches, FLOAT, "batch patches dim"), ("places", places, LONG, "batch some"))
    return patches.gather(1, places[:, :, None].expand(-1, -1, patches.shape[2]))


def restore_order(
    seen: Float[Tensor, "batch keep dim"],
    mask_token: Float[Tensor, "dim"],
    restore: Int64[Tensor, "batch patches"],
) -> Float[Tensor, "batch patches dim"]:
    """Put what is known of the visible patches back where they stand, and the mask token everywhere else.

    Args:
        seen: of the visible patches, in shuffled order.
        mask_token: stands for every hidden patch.
        restore: see `split_patches`.

    Returns:
        A vector for each patch, in the picture's order.

    Raises:
        TypeError, ValueError: no tensors of floats and of torch.long, shapes that do not fit, or more patches seen than
            there are.

    Source: He et al. 2022, section 3, "Simple implementation".
    """
    check_tensors(
        ("seen", seen, FLOAT, "batch keep dim"),
        ("mask_token", mask_token, FLOAT, "dim"),
        ("restore", restore, LONG, "batch patches"),
    )
    missing = restore.shape[1] - seen.shape[1]
    if missing < 0:
        raise ValueError(
            f"seen has {seen.shape[1]} patches and restore {restore.shape[1]}: expected at most as many"
        )
    blanks = mask_token.to(seen.dtype).expand(len(seen), missing, -1)
    return pick(torch.cat([seen, blanks], dim=1), restore)
