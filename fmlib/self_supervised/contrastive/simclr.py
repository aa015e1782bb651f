"""SimCLR: two views of a picture should agree, views of different pictures should not.

Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations".
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_number, check_sizes, check_tensors, check_whole
from fmlib.self_supervised.encoder import find_feature_dim
from fmlib.training.distributed import gather_rows, process_index


def positive_indices(batch: int, device: torch.device | str | None = None) -> Int64[Tensor, "{2*batch}"]:
    """Which row is each row's partner when two views of a batch are stacked: i with i + batch, and back.

    Args:
        batch: number of pictures, at least 1.
        device: where to make the tensor.

    Returns:
        ``[batch, ..., 2*batch - 1, 0, ..., batch - 1]``.

    Raises:
        ValueError: batch < 1.
    """
    check_whole("batch", batch)
    return torch.arange(2 * batch, device=device).roll(-batch)


def nt_xent(
    z1: Float[Tensor, "batch dim"],
    z2: Float[Tensor, "batch dim"],
    temperature: float = 0.5,
) -> Float[Tensor, ""]:
    """Pull two views of a picture together, push all other pictures apart.

    Each of the 2·batch embeddings must pick its partner among the other 2·batch - 1. With several processes the
    candidates come from all of them, and the average over processes is the loss of the whole batch.

    Args:
        z1, z2: embeddings of the two views, any scale (normalized here), row i of each from picture i.
        temperature: > 0; lower looks harder at the nearest negatives.

    Returns:
        Mean cross-entropy in nats, in float32 at least; log(2·batch - 1) when nothing is learnt yet.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes differ, fewer than two pictures (no negatives), or temperature <= 0.

    Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning", eq. 1.
    """
    check_pairs(z1, z2, "z1", "z2")
    check_temperature(temperature)
    z1, z2 = unit_rows(z1), unit_rows(z2)
    all_z1, all_z2 = gather_rows(z1), gather_rows(z2)  # the same tensors with one process
    batch, total = len(z1), len(all_z1)
    if total < 2:
        raise ValueError("z1 has 1 row: expected at least two pictures, else there are no negatives")
    itself = torch.arange(batch, device=z1.device) + process_index() * batch
    itself = torch.cat((itself, itself + total))  # [2·batch], where each row stands among the candidates
    rows = torch.arange(2 * batch, device=z1.device)

    logits = (torch.cat((z1, z2)) / temperature) @ torch.cat((all_z1, all_z2)).T  # [2·batch, 2·total]
    logits = logits.index_put((rows, itself), logits.new_tensor(float("-inf")))  # nobody picks itself
    return F.cross_entropy(logits, positive_indices(total, z1.device)[itself])


class ProjectionHead(nn.Sequential):
    """Features to the space where the loss is taken; thrown away after training.

    Source: Chen et al. 2020, section 4.2: a hidden layer, and features from *before* the head, are what works.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, output_dim: int, norm: bool = True) -> None:
        for name, size in {
            "feature_dim": feature_dim,
            "hidden_dim": hidden_dim,
            "output_dim": output_dim,
        }.items():
            check_whole(name, size)
        super().__init__(
            nn.Linear(feature_dim, hidden_dim, bias=not norm),
            *([nn.BatchNorm1d(hidden_dim)] if norm else []),
            nn.ReLU(),
            nn.Linear(hidden_dim, output_dim),
        )


@dataclass(frozen=True)
class SimCLRConfig:
    """What SimCLR adds to an encoder.

    Args:
        hidden_dim, output_dim: sizes of the projection head.
        temperature: of the loss.
        norm: batch norm in the head.

    Raises:
        ValueError: sizes that are no positive whole numbers, or a temperature that is not above 0.
    """

    hidden_dim: int = 256
    output_dim: int = 64
    temperature: float = 0.2
    norm: bool = True

    def __post_init__(self) -> None:
        check_sizes(self, "hidden_dim", "output_dim")
        check_temperature(self.temperature)

    @classmethod
    def tiny(cls) -> "SimCLRConfig":
        """For tests: seconds."""
        return cls(hidden_dim=16, output_dim=8)

    @classmethod
    def paper(cls) -> "SimCLRConfig":
        """For a ResNet-50 (Chen et al. 2020, section 2.1 and appendix B.9)."""
        return cls(hidden_dim=2048, output_dim=128, temperature=0.1)


class SimCLR(nn.Module):
    """An encoder with a projection head.

    Args:
        encoder: any module from pictures [batch, ...] to features [batch, feature_dim].
        feature_dim: how many features; read from `encoder.feature_dim` when not given.
        config: sizes of the head and the temperature.

    Raises:
        ValueError: the encoder does not say its feature_dim and none is given.
    """

    def __init__(
        self, encoder: nn.Module, feature_dim: int | None = None, config: SimCLRConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or SimCLRConfig()
        self.encoder = encoder
        self.head = ProjectionHead(
            find_feature_dim(encoder, feature_dim), config.hidden_dim, config.output_dim, config.norm
        )

    def forward(
        self, view1: Float[Tensor, "batch *picture"], view2: Float[Tensor, "batch *picture"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Embeddings of two views, row i of both from picture i.

        Returns:
            Two tensors [batch, output_dim]. Both views go through in one pass, so batch norm sees them together.

        Raises:
            ValueError: the views differ in shape.
        """
        if view1.shape != view2.shape:
            raise ValueError(
                f"views have shapes {tuple(view1.shape)} and {tuple(view2.shape)}: expected equal"
            )
        z1, z2 = self.head(self.encoder(torch.cat((view1, view2)))).chunk(2)
        return z1, z2

    def loss(self, view1: Tensor, view2: Tensor) -> Float[Tensor, ""]:
        """`nt_xent` of the two views' embeddings, at the model's temperature."""
        return nt_xent(*self(view1, view2), self.config.temperature)


def check_pairs(first: Tensor, second: Tensor, first_name: str, second_name: str) -> None:
    """Refuse two tensors whose rows cannot belong together."""
    for name, rows in ((first_name, first), (second_name, second)):
        check_tensors((name, rows, FLOAT, "batch dim"))
    if len(first) != len(second):
        raise ValueError(
            f"{first_name} has {len(first)} rows and {second_name} has {len(second)}: "
            "row i of both must come from the same picture"
        )
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{first_name} has {first.shape[1]} columns and {second_name} has {second.shape[1]}: expected equal"
        )


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not a positive number."""
    check_number("temperature", temperature, above=0, hint="common: 0.05 to 0.5")


def unit_rows(z: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    """Rows of length 1, in float32 at least: in float16 a row of zeros would give nan, one longer than 65,504 zeros."""
    shortest = max(
        1e-12, torch.finfo(z.dtype).tiny
    )  # the gradient is divided by it, and must fit into z's type, too
    return F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1, eps=shortest)
