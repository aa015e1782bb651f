"""Rotation prediction: turn a picture, and ask by how much. To answer, one must know what stands upright.

Source: Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting Image Rotations".
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_tensors
from fmlib.self_supervised.contrastive.simclr import find_feature_dim

QUARTERS = 4


def all_rotations(
    images: Float[Tensor, "batch channels size size"],
) -> tuple[Float[Tensor, "4*batch channels size size"], Int64[Tensor, "4*batch"]]:
    """Every picture in its four positions, and by how many quarter turns (against the clock) each was turned.

    Args:
        images: square pictures.

    Returns:
        First all pictures upright, then all turned once, and so on; 0 to 3 for each.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: pictures that are not square.

    Source: Gidaris et al. 2018, section 2.1: all four at once work better than one drawn at random.
    """
    check_tensors(("images", images, FLOAT, "batch channels size size"))
    turned = torch.cat([images.rot90(turns, dims=(2, 3)) for turns in range(QUARTERS)])
    return turned, torch.arange(QUARTERS, device=images.device).repeat_interleave(len(images))


class RotationNet(nn.Module):
    """An encoder, and a linear layer that says how a picture is turned.

    Args:
        encoder: any module from pictures [batch, ...] to features [batch, feature_dim].
        feature_dim: how many features; read from `encoder.feature_dim` when not given.
    """

    def __init__(self, encoder: nn.Module, feature_dim: int | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(find_feature_dim(encoder, feature_dim), QUARTERS)

    def forward(self, images: Float[Tensor, "batch *picture"]) -> Float[Tensor, "batch 4"]:
        """Logits of the four positions."""
        return self.head(self.encoder(images))
