"""What a masked autoencoder is asked to paint, how wrong it is, and what was painted as a picture.

Source: He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners".
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fmlib.checks import BOOL, FLOAT, check_tensors
from fmlib.nn.vit import patchify, unpatchify


def patch_targets(
    images: Float[Tensor, "batch channels height width"], patch_size: int, normalize: bool = False
) -> Float[Tensor, "batch patches patch_dim"]:
    """What must be painted: the pixels of each patch.

    Args:
        images, patch_size: see `patchify`.
        normalize: bring each patch to mean 0 and variance 1 by itself, so that neither its brightness nor its contrast
            must be found, only its pattern.

    Raises:
        TypeError, ValueError: see `patchify`; patches of a single number cannot be normalized.

    Source: He et al. 2022, section 3, "Reconstruction target"; the 1e-6 and the unbiased variance are their released code's.
    """
    target = patchify(images, patch_size)
    if normalize:
        if target.shape[2] < 2:
            raise ValueError("images have one number in each patch: expected at least 2, to have a variance")
        variance, mean = torch.var_mean(target, dim=2, keepdim=True)
        target = (target - mean) / (variance + 1e-6).sqrt()
    return target


def mae_loss(
    painted: Float[Tensor, "batch patches patch_dim"],
    target: Float[Tensor, "batch patches patch_dim"],
    hidden: Bool[Tensor, "batch patches"],
) -> Float[Tensor, ""]:
    """The squared error, on hidden patches only: what was seen need not be painted.

    Args:
        painted: what the decoder says of every patch.
        target: see `patch_targets`.
        hidden: True where a patch was hidden.

    Returns:
        The mean over the pixels of all hidden patches.

    Raises:
        TypeError: not floating-point tensors, or a mask that is not torch.bool.
        ValueError: shapes that do not fit, or nothing is hidden.

    Source: He et al. 2022, section 3, "Reconstruction target".
    """
    check_tensors(
        ("painted", painted, FLOAT, "batch patches patch_dim"),
        ("target", target, FLOAT, "batch patches patch_dim"),
        ("hidden", hidden, BOOL, "batch patches"),
    )
    if hidden.device.type == "cpu" and not bool(hidden.any()):  # on a GPU the question would make it wait
        raise ValueError("hidden is False everywhere: expected at least one patch to paint")
    error = (painted - target).square().mean(dim=2)  # [batch, patches]
    return (error * hidden).sum() / hidden.sum()


def undo_normalization(
    painted: Float[Tensor, "batch patches patch_dim"], patches: Float[Tensor, "batch patches patch_dim"]
) -> Float[Tensor, "batch patches patch_dim"]:
    """Normalized patches in pixels, with the mean and the variance of the true ones.

    Args:
        painted: as `patch_targets` with `normalize` has them.
        patches: the true ones, of at least 2 numbers each.

    Raises:
        TypeError, ValueError: no tensors of floats, shapes that differ, or patches of a single number.
    """
    check_tensors(
        ("painted", painted, FLOAT, "batch patches patch_dim"),
        ("patches", patches, FLOAT, "batch patches patch_dim"),
    )
    if patches.shape[2] < 2:
        raise ValueError("patches have one number each: expected at least 2, to have a variance")
    variance, mean = torch.var_mean(patches, dim=2, keepdim=True)
    return painted * (variance + 1e-6).sqrt() + mean


def as_pixels(
    painted: Float[Tensor, "batch patches patch_dim"],
    images: Float[Tensor, "batch channels height width"],
    patch_size: int,
    normalized: bool = False,
) -> Float[Tensor, "batch channels height width"]:
    """What was painted, as a picture.

    Normalized patches say nothing of brightness and contrast: to show them, each borrows the mean and the deviation of the
    true patch, also where it was hidden. That is cheating, and only for the eye.

    Args:
        painted: of every patch.
        images: the true pictures, square.
        patch_size: pixels along a side of a patch.
        normalized: the patches were painted as `patch_targets` with `normalize` has them.

    Raises:
        TypeError, ValueError: shapes that do not fit, pictures that are not square.
    """
    true = patchify(images, patch_size)
    check_tensors(
        ("painted", painted, FLOAT, f"batch {true.shape[1]} {true.shape[2]}"),
        ("images", images, FLOAT, "batch c h w"),
    )
    if normalized:
        painted = undo_normalization(painted, true)
    return unpatchify(painted, patch_size, images.shape[1])
