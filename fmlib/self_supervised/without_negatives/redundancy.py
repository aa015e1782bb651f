"""Barlow Twins and VICReg: no negatives and no slow copy; features must agree, vary, and not repeat each other."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fmlib.checks import check_number
from fmlib.self_supervised.contrastive.simclr import check_pairs


def cross_correlation(
    z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"]
) -> Float[Tensor, "dim dim"]:
    """How feature i of one view goes with feature j of the other, over the batch: -1 to 1.

    Args:
        z1, z2: embeddings of the two views, row i of each from picture i; standardized here, feature by feature.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes that differ, or a single row.

    Source: Zbontar et al. 2021, eq. 2.
    """
    _check_views(z1, z2)
    return _standardized(z1).T @ _standardized(z2) / len(z1)


def barlow_loss(
    z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"], off_diagonal: float = 5e-3
) -> Float[Tensor, ""]:
    """Make the cross-correlation the identity: each feature agrees with itself, and tells nothing of another one.

    Args:
        z1, z2: see `cross_correlation`.
        off_diagonal: weight of the second wish.

    Returns:
        A sum over all pairs of features; 0 when both wishes are met.

    Raises:
        TypeError, ValueError: see `cross_correlation`; or a negative weight.

    Source: Zbontar et al. 2021, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", eq. 1.
    """
    check_number("off_diagonal", off_diagonal, least=0)
    c = cross_correlation(z1, z2)
    own = c.diagonal()
    return (1 - own).square().sum() + off_diagonal * (c.square().sum() - own.square().sum())


@dataclass(frozen=True)
class VICRegParts:
    """The three terms of `vicreg_loss`, before their weights."""

    invariance: Float[Tensor, ""]
    variance: Float[Tensor, ""]
    covariance: Float[Tensor, ""]


def vicreg_parts(z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"]) -> VICRegParts:
    """Agreement of the views, spread of each feature, redundancy between features.

    Args:
        z1, z2: embeddings of the two views, row i of each from picture i; their scale counts.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes that differ, or a single row.

    Source: Bardes et al. 2022, "VICReg: Variance-Invariance-Covariance Regularization", eq. 1 to 5.
    """
    _check_views(z1, z2)
    variance = covariance = z1.new_zeros(())
    for z in (z1, z2):
        centered = z - z.mean(dim=0)
        spread = (centered.square().sum(dim=0) / (len(z) - 1) + 1e-4).sqrt()
        variance = variance + F.relu(1 - spread).mean() / 2
        c = centered.T @ centered / (len(z) - 1)
        covariance = covariance + (c.square().sum() - c.diagonal().square().sum()) / z.shape[1]
    return VICRegParts(F.mse_loss(z1, z2), variance, covariance)


def vicreg_loss(
    z1: Float[Tensor, "batch dim"],
    z2: Float[Tensor, "batch dim"],
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Float[Tensor, ""]:
    """The weighted sum of `vicreg_parts`.

    Source: Bardes et al. 2022, eq. 6, and section 4.2 for the weights.
    """
    for name, weight in (("invariance", invariance), ("variance", variance), ("covariance", covariance)):
        check_number(name, weight, least=0)
    parts = vicreg_parts(z1, z2)
    return invariance * parts.invariance + variance * parts.variance + covariance * parts.covariance


def _standardized(z: Tensor) -> Tensor:
    centered = z - z.mean(dim=0)
    return centered / (centered.square().mean(dim=0) + 1e-5).sqrt()  # as batch norm does it


def _check_views(z1: Tensor, z2: Tensor) -> None:
    check_pairs(z1, z2, "z1", "z2")
    if len(z1) < 2:
        raise ValueError("z1 has 1 row: expected at least two pictures, else no feature varies")
