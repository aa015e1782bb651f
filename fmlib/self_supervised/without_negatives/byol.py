"""BYOL: predict what a slow copy of yourself says about another view. No negatives, and yet no collapse.

Source: Grill et al. 2020, "Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning".
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import check_number, check_sizes, check_whole
from fmlib.self_supervised.contrastive.simclr import ProjectionHead, check_pairs, unit_rows
from fmlib.self_supervised.encoder import find_feature_dim
from fmlib.training.ema import frozen_copy, momentum_update

__all__ = ["BYOL", "BYOLConfig", "momentum_at", "momentum_update", "prediction_loss"]


def prediction_loss(
    prediction: Float[Tensor, "batch dim"], target: Float[Tensor, "batch dim"]
) -> Float[Tensor, ""]:
    """How far predictions are from their targets on the unit sphere: 2 - 2 · cosine, the squared distance.

    Args:
        prediction: any scale (normalized here); the only input that takes a gradient.
        target: any scale; row i is what prediction i should be.

    Returns:
        The mean over the rows, in float32 at least: 0 (equal) to 4 (opposite).

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes that differ.

    Source: Grill et al. 2020, eq. 2. Differs from the paper: there the losses of both directions are added up; here all
    predictions are rows of one batch, so both directions are averaged.
    """
    check_pairs(prediction, target, "prediction", "target")
    cosine = (unit_rows(prediction) * unit_rows(target.detach())).sum(dim=1)  # no gradient into the target
    return (2 - 2 * cosine).mean()


def momentum_at(step: int, steps: int, base: float = 0.99) -> float:
    """The target's momentum: it rises from `base` to 1 along half a cosine, so that the target comes to rest.

    Args:
        step: how many are done, 0 to steps.
        steps: of the whole run, at least 1.
        base: where it starts, in [0, 1].

    Raises:
        ValueError: a step outside the run, or a base outside [0, 1].

    Source: Grill et al. 2020, section 3.3.
    """
    check_whole("steps", steps)
    check_whole("step", step, least=0, most=steps)
    check_number("base", base, least=0, most=1)
    return 1 - (1 - base) * (math.cos(math.pi * step / steps) + 1) / 2


@dataclass(frozen=True)
class BYOLConfig:
    """What BYOL adds to an encoder.

    Args:
        hidden_dim, output_dim: sizes of projector and predictor.
        momentum: of the target at the start.
        steps: of the whole run; at its end the momentum is 1.

    Raises:
        ValueError: sizes that are no positive whole numbers, or a momentum outside [0, 1].
    """

    hidden_dim: int = 256
    output_dim: int = 64
    momentum: float = 0.99
    steps: int = 1000

    def __post_init__(self) -> None:
        check_sizes(self, "hidden_dim", "output_dim", "steps")
        check_number("momentum", self.momentum, least=0, most=1)

    @classmethod
    def tiny(cls) -> "BYOLConfig":
        """For tests: seconds."""
        return cls(hidden_dim=16, output_dim=8, steps=10)

    @classmethod
    def paper(cls) -> "BYOLConfig":
        """For a ResNet-50, 1,000 epochs of ImageNet in batches of 4,096 (Grill et al. 2020, section 3.3)."""
        return cls(hidden_dim=4096, output_dim=256, momentum=0.996, steps=1000 * 1_281_167 // 4096)


class BYOL(nn.Module):
    """An online network that predicts, and a target network that follows it slowly.

    Args:
        encoder: any module from pictures [batch, ...] to features [batch, feature_dim].
        feature_dim: how many features; read from `encoder.feature_dim` when not given.
        config: sizes, momentum, steps.

    Raises:
        ValueError: the encoder does not say its feature_dim and none is given.
    """

    done: Tensor

    def __init__(
        self, encoder: nn.Module, feature_dim: int | None = None, config: BYOLConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or BYOLConfig()
        sizes = config.hidden_dim, config.output_dim
        self.encoder = encoder
        self.projector = ProjectionHead(find_feature_dim(encoder, feature_dim), *sizes)
        self.predictor = ProjectionHead(config.output_dim, *sizes)
        # Encoder *and* projector have a slow copy; the predictor has none, since only the online side predicts.
        self.target_encoder = frozen_copy(self.encoder)
        self.target_projector = frozen_copy(self.projector)
        self.register_buffer("done", torch.tensor(0))

    def forward(
        self, view1: Float[Tensor, "batch *picture"], view2: Float[Tensor, "batch *picture"]
    ) -> tuple[Float[Tensor, "2*batch dim"], Float[Tensor, "2*batch dim"]]:
        """Predictions from both views, and for each the target, made of the other view and without a gradient.

        Returns:
            Two tensors [2·batch, output_dim]; row i of one belongs to row i of the other.

        Raises:
            ValueError: the views differ in shape.
        """
        check_views(view1, view2)
        predictions = self.predictor(self.projector(self.encoder(torch.cat((view1, view2)))))
        with torch.no_grad():
            swapped = torch.cat((view2, view1))
            targets = self.target_projector(self.target_encoder(swapped))
        return predictions, targets

    def loss(self, view1: Tensor, view2: Tensor) -> Float[Tensor, ""]:
        """`prediction_loss` of both directions."""
        return prediction_loss(*self(view1, view2))

    @torch.no_grad()
    def update(self) -> None:
        """After an optimizer step: the target follows."""
        done = min(int(self.done), self.config.steps)
        momentum = momentum_at(done, self.config.steps, self.config.momentum)
        momentum_update(self.target_encoder, self.encoder, momentum)
        momentum_update(self.target_projector, self.projector, momentum)
        self.done += 1


def check_views(view1: Tensor, view2: Tensor) -> None:
    """Refuse two views that cannot be of the same pictures."""
    if view1.shape != view2.shape:
        raise ValueError(f"views have shapes {tuple(view1.shape)} and {tuple(view2.shape)}: expected equal")
