"""Barlow Twins and VICReg: no negatives and no slow copy; features must agree, vary, and not repeat each other."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_number, check_sizes, check_tensors
from fmlib.self_supervised.contrastive.simclr import ProjectionHead, check_pairs
from fmlib.self_supervised.encoder import find_feature_dim
from fmlib.self_supervised.without_negatives.byol import check_views
from fmlib.training.distributed import gather_rows


def cross_correlation(
    z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"]
) -> Float[Tensor, "dim dim"]:
    """How feature i of one view goes with feature j of the other, over the batch: -1 to 1.

    With several processes the batch is that of all of them.

    Args:
        z1, z2: embeddings of the two views, row i of each from picture i; standardized here, feature by feature.

    Returns:
        Row i for feature i of z1, column j for feature j of z2.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes that differ, or a single row.

    Source: Zbontar et al. 2021, eq. 2.
    """
    z1, z2 = _whole_batch(z1, z2)
    return _standardized(z1).T @ _standardized(z2) / len(z1)


def barlow_loss(
    z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"], off_diagonal: float = 5e-3
) -> Float[Tensor, ""]:
    """Make the cross-correlation the identity: each feature agrees with itself, and tells nothing of another one.

    Args:
        z1, z2: see `cross_correlation`.
        off_diagonal: weight of the second wish, at least 0.

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


def variance_term(z: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """How much the features' standard deviations fall short of 1, on average; more than 1 earns nothing.

    Args:
        z: embeddings of one view; their scale counts.

    Returns:
        0 (all vary enough) to 0.99 (none varies at all).

    Raises:
        TypeError: not floating-point tensors.
        ValueError: another shape, or a single row.

    Source: Bardes et al. 2022, eq. 1 and 2.
    """
    check_tensors(("z", z, FLOAT, "batch dim"))
    _check_several(z, "z")
    # The small number keeps the root's gradient finite where nothing varies.
    deviation = (z.var(dim=0) + 1e-4).sqrt()
    return F.relu(1 - deviation).mean()


def covariance_term(z: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """How much the features repeat each other: squared covariances of different features, summed, divided by dim.

    Args:
        z: embeddings of one view; their scale counts.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: another shape, or a single row.

    Source: Bardes et al. 2022, eq. 3 and 4.
    """
    check_tensors(("z", z, FLOAT, "batch dim"))
    _check_several(z, "z")
    centered = z - z.mean(dim=0)
    c = centered.T @ centered / (len(z) - 1)
    return (c.square().sum() - c.diagonal().square().sum()) / z.shape[1]


def vicreg_loss(
    z1: Float[Tensor, "batch dim"],
    z2: Float[Tensor, "batch dim"],
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Float[Tensor, ""]:
    """The views agree, each feature varies, and no feature repeats another one: three terms, weighted.

    With several processes the batch is that of all of them.

    Args:
        z1, z2: embeddings of the two views, row i of each from picture i; their scale counts.
        invariance, variance, covariance: weights of the three, at least 0.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes that differ, a single row, or a negative weight.

    Source: Bardes et al. 2022, "VICReg: Variance-Invariance-Covariance Regularization", eq. 5 and 6; section 4.2 for the
    weights. Differs from the paper, as the authors' code does: the first term is a mean over features, too, and the
    variance terms of the two views are averaged, not added.
    """
    for name, weight in (("invariance", invariance), ("variance", variance), ("covariance", covariance)):
        check_number(name, weight, least=0)
    z1, z2 = _whole_batch(z1, z2)
    vary = (variance_term(z1) + variance_term(z2)) / 2
    repeat = covariance_term(z1) + covariance_term(z2)
    return invariance * F.mse_loss(z1, z2) + variance * vary + covariance * repeat


@dataclass(frozen=True)
class TwinsConfig:
    """What Barlow Twins and VICReg add to an encoder.

    Args:
        hidden_dim, output_dim: sizes of the projector.

    Raises:
        ValueError: sizes that are no positive whole numbers.
    """

    hidden_dim: int = 256
    output_dim: int = 128

    def __post_init__(self) -> None:
        check_sizes(self, "hidden_dim", "output_dim")

    @classmethod
    def tiny(cls) -> "TwinsConfig":
        """For tests: seconds."""
        return cls(hidden_dim=16, output_dim=8)

    @classmethod
    def paper(cls) -> "TwinsConfig":
        """The width of both papers' projectors, which have one layer more than ours (Zbontar et al. 2021, section 2.2)."""
        return cls(hidden_dim=8192, output_dim=8192)


class Twins(nn.Module):
    """An encoder and a projector; both views go through them, and both get a gradient.

    Args:
        encoder: any module from pictures [batch, ...] to features [batch, feature_dim].
        feature_dim: how many features; read from `encoder.feature_dim` when not given.
        config: sizes of the projector.

    Raises:
        ValueError: the encoder does not say its feature_dim and none is given.
    """

    def __init__(
        self, encoder: nn.Module, feature_dim: int | None = None, config: TwinsConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or TwinsConfig()
        self.encoder = encoder
        self.projector = ProjectionHead(
            find_feature_dim(encoder, feature_dim), config.hidden_dim, config.output_dim
        )

    def forward(
        self, view1: Float[Tensor, "batch *picture"], view2: Float[Tensor, "batch *picture"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Embeddings of two views, row i of both from picture i.

        Raises:
            ValueError: the views differ in shape.
        """
        check_views(view1, view2)
        z1, z2 = self.projector(self.encoder(torch.cat((view1, view2)))).chunk(2)
        return z1, z2


def _standardized(z: Tensor) -> Tensor:
    centered = z - z.mean(dim=0)
    return centered / (centered.square().mean(dim=0) + 1e-5).sqrt()  # as batch norm does it


def _whole_batch(z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
    check_pairs(z1, z2, "z1", "z2")
    z1, z2 = gather_rows(z1), gather_rows(z2)  # the same tensors with one process
    _check_several(z1, "z1")
    return z1, z2


def _check_several(z: Tensor, name: str) -> None:
    if len(z) < 2:
        raise ValueError(f"{name} has 1 row: expected at least two pictures, else no feature varies")
