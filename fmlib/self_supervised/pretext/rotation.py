"""Rotation prediction: turn a picture, and ask by how much. To answer, one must know what stands upright.

Source: Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting Image Rotations".
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, LONG, check_range, check_tensors
from fmlib.self_supervised.encoder import find_feature_dim

QUARTERS = 4


def all_rotations(
    images: Float[Tensor, "batch channels size size"],
) -> tuple[Float[Tensor, "4*batch channels size size"], Int64[Tensor, "4*batch"]]:
    """Every picture in its four positions, and by how many quarter turns (counterclockwise) each was turned.

    Args:
        images: square pictures.

    Returns:
        First all pictures upright, then all turned once, and so on; 0 to 3 for each.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: pictures that are not square.

    Source: Gidaris et al. 2018, where all four of a picture in one batch work better than one drawn at random.
    """
    check_square(images)
    turned = torch.cat([images.rot90(turns, dims=(2, 3)) for turns in range(QUARTERS)])
    return turned, torch.arange(QUARTERS, device=images.device).repeat_interleave(len(images))


def turn_each(
    images: Float[Tensor, "batch channels size size"], turns: Int64[Tensor, "batch"]
) -> Float[Tensor, "batch channels size size"]:
    """Turn each picture by a number of quarter turns of its own: pixels change their places, none changes its value.

    Args:
        images: square pictures.
        turns: quarter turns counterclockwise, 0 to 3.

    Raises:
        TypeError: not a tensor of floats, or turns that are not torch.long.
        ValueError: pictures that are not square, or turns out of range.
    """
    check_square(images)
    check_tensors(("images", images, FLOAT, "batch channels height width"), ("turns", turns, LONG, "batch"))
    check_range("turns", turns, 0, QUARTERS - 1)
    positions = torch.stack([images.rot90(quarter, dims=(2, 3)) for quarter in range(QUARTERS)])
    return positions[turns.to(images.device), torch.arange(len(images), device=images.device)]


def check_square(images: Tensor) -> None:
    """Refuse what has no four positions of one shape."""
    check_tensors(("images", images, FLOAT, "batch channels size size"))


class RotationNet(nn.Module):
    """An encoder, and a linear layer that says how a picture is turned.

    Args:
        encoder: any module from pictures [batch, ...] to features [batch, feature_dim].
        feature_dim: how many features; read from `encoder.feature_dim` when not given.

    Raises:
        ValueError: the encoder does not say its feature_dim and none is given.
    """

    def __init__(self, encoder: nn.Module, feature_dim: int | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(find_feature_dim(encoder, feature_dim), QUARTERS)

    def forward(self, images: Float[Tensor, "batch *picture"]) -> Float[Tensor, "batch 4"]:
        """Logits of the four positions."""
        return self.head(self.encoder(images))
