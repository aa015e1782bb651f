"""Contrastive predictive coding: hear the beginning, and tell what comes next from what does not.

Source: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding".
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_sizes, check_tensors, check_whole, check_whole_numbers


@dataclass(frozen=True)
class CPCConfig:
    """Sizes of a `CPC`.

    Args:
        kernels, strides: of the convolutions, in samples of what comes in.
        dim: features of a frame.
        context_dim: features of what was heard so far.
        ahead: how many frames ahead are predicted.

    Raises:
        ValueError: sizes that are no positive whole numbers, or kernels and strides of different number.
    """

    kernels: tuple[int, ...] = (10, 8, 8)
    strides: tuple[int, ...] = (5, 4, 4)
    dim: int = 64
    context_dim: int = 64
    ahead: int = 8

    def __post_init__(self) -> None:
        for name in ("kernels", "strides"):
            if not check_whole_numbers(name, getattr(self, name), 1):
                raise ValueError(f"{name} are empty: expected one for each convolution")
        if len(self.kernels) != len(self.strides):
            raise ValueError(
                f"there are {len(self.kernels)} kernels and {len(self.strides)} strides: expected equal"
            )
        check_sizes(self, "dim", "context_dim", "ahead")

    @property
    def frame(self) -> int:
        """Samples from one frame to the next."""
        total = 1
        for stride in self.strides:
            total *= stride
        return total

    @classmethod
    def tiny(cls) -> "CPCConfig":
        """For tests: seconds."""
        return cls(kernels=(4, 3), strides=(3, 2), dim=6, context_dim=5, ahead=2)

    @classmethod
    def paper(cls) -> "CPCConfig":
        """For speech of 16,000 samples a second, 10 ms a frame (van den Oord et al. 2018, section 3.1)."""
        return cls((10, 8, 4, 4, 4), (5, 4, 2, 2, 2), dim=512, context_dim=256, ahead=12)


class FrameNorm(nn.LayerNorm):
    """Layer norm over the features of each frame. A norm over time would let the future into the past."""

    def forward(self, x: Float[Tensor, "batch dim frames"]) -> Float[Tensor, "batch dim frames"]:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class CPC(nn.Module):
    """A strided encoder, a causal memory, and a linear prediction for each number of frames ahead.

    Differs from the paper: a layer norm in each frame after every convolution, in place of their biases, and no ReLU behind
    the last one. Sound is quiet beside a bias, and frames that are alike at first are slow to become different.

    Args:
        config: sizes.
    """

    def __init__(self, config: CPCConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CPCConfig()
        layers, width = [], 1
        for kernel, stride in zip(config.kernels, config.strides, strict=True):
            layers += [
                nn.Conv1d(width, config.dim, kernel, stride, bias=False),
                FrameNorm(config.dim),
                nn.ReLU(),
            ]
            width = config.dim
        self.encoder = nn.Sequential(*layers[:-1])  # frames have both signs
        self.memory = nn.GRU(config.dim, config.context_dim, batch_first=True)
        self.predictors = nn.ModuleList(
            nn.Linear(config.context_dim, config.dim, bias=False) for _ in range(config.ahead)
        )

    def forward(
        self, waves: Float[Tensor, "batch samples"]
    ) -> tuple[Float[Tensor, "batch frames dim"], Float[Tensor, "batch frames context"]]:
        """Frames z, and the context c: what was heard up to and with each frame.

        Raises:
            TypeError: not a tensor of floats.
            ValueError: not one row for each recording.
        """
        check_tensors(("waves", waves, FLOAT, "batch samples"))
        z = self.encoder(waves[:, None]).transpose(1, 2)  # [batch, frames, dim]
        return z, self.memory(z)[0]


Grouping = Callable[[Tensor], Tensor]


def other_recordings(x: Float[Tensor, "batch frames dim"]) -> Float[Tensor, "frames batch dim"]:
    """A group is one moment of all recordings: the false answers are other recordings at the same moment."""
    return x.transpose(0, 1)


def other_moments(x: Float[Tensor, "batch frames dim"]) -> Float[Tensor, "batch frames dim"]:
    """A group is one recording: the false answers are its other moments, in the same voice."""
    return x


def pick_own(
    predicted: Float[Tensor, "groups rows dim"], targets: Float[Tensor, "groups rows dim"]
) -> Float[Tensor, ""]:
    """InfoNCE: each prediction must pick its own target among all targets of its group, by their dot products.

    Args:
        predicted: row i of a group belongs to row i of its targets.
        targets: the candidates.

    Returns:
        Mean cross-entropy in nats; log(rows) when nothing is known.

    Raises:
        TypeError: not tensors of floats.
        ValueError: shapes that differ, or a single row, which has no false answers beside it.

    Source: van den Oord et al. 2018, eq. 4, with the log-bilinear score of eq. 3.
    """
    check_tensors(
        ("predicted", predicted, FLOAT, "groups rows dim"), ("targets", targets, FLOAT, "groups rows dim")
    )
    groups, rows = targets.shape[:2]
    if rows < 2:
        raise ValueError(
            "targets has 1 row in each group: expected at least two, else there is nothing to tell apart"
        )
    scores = predicted @ targets.mT  # [groups, rows, rows]
    right = torch.arange(rows, device=scores.device).expand(groups, rows)
    return F.cross_entropy(scores.flatten(0, 1), right.flatten())


def cpc_losses(
    model: CPC,
    z: Float[Tensor, "batch frames dim"],
    c: Float[Tensor, "batch frames context"],
    grouping: Grouping = other_recordings,
) -> Float[Tensor, "ahead"]:
    """The loss of each number of frames ahead: the context at t, through a matrix of its own, must pick z at t + k.

    Args:
        model: whose predictors are used.
        z, c: from the model.
        grouping: which candidates there are, `other_recordings` or `other_moments`.

    Returns:
        One loss in nats for k = 1, 2, ...; train on their mean.

    Raises:
        ValueError: fewer frames than are predicted ahead.

    Source: van den Oord et al. 2018, section 2.2 and figure 1.
    """
    check_tensors(("z", z, FLOAT, "batch frames dim"), ("c", c, FLOAT, "batch frames context"))
    check_whole("ahead", len(model.predictors), most=z.shape[1] - 2, hint="two frames fewer than there are")
    losses = []
    for k, predict in enumerate(model.predictors, start=1):
        past, future = c[:, :-k], z[:, k:]
        losses.append(pick_own(grouping(predict(past)), grouping(future)))
    return torch.stack(losses)
