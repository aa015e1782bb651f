"""DINO: a student learns to say of small crops what its slow teacher says of large ones.

Source: Caron et al. 2021, "Emerging Properties in Self-Supervised Vision Transformers".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_number, check_sizes, check_tensors
from fmlib.self_supervised.encoder import find_feature_dim
from fmlib.self_supervised.without_negatives.byol import momentum_at
from fmlib.training.distributed import gather_rows
from fmlib.training.ema import frozen_copy, momentum_update

__all__ = ["DINO", "DINOConfig", "DINOHead", "dino_loss", "momentum_update", "moved_center"]


def dino_loss(
    student: Sequence[Float[Tensor, "batch prototypes"]],
    teacher: Sequence[Float[Tensor, "batch prototypes"]],
    center: Float[Tensor, "prototypes"],
    student_temperature: float = 0.1,
    teacher_temperature: float = 0.04,
) -> Float[Tensor, ""]:
    """The student must sort each picture by one view as the teacher sorts it by another.

    Args:
        student: logits of every view, the large ones first, in the teacher's order.
        teacher: logits of the large views; they take no gradient.
        center: subtracted from the teacher's logits, so that no prototype always wins; it takes no gradient either.
        student_temperature, teacher_temperature: > 0; the teacher's is lower, so that it is surer (sharpening).

    Returns:
        Mean cross-entropy in nats, over all pairs of a teacher's view and another view of the student; in float32 at least.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes that differ, fewer views of the student than of the teacher, no pair, or temperatures <= 0.

    Source: Caron et al. 2021, eq. 3 and algorithm 1.
    """
    _check_logits(student, teacher, center)
    check_number("student_temperature", student_temperature, above=0)
    check_number("teacher_temperature", teacher_temperature, above=0)
    wide = torch.promote_types(center.dtype, torch.float32)
    targets = [((t - center).detach().to(wide) / teacher_temperature).softmax(dim=1) for t in teacher]
    answers = [(s.to(wide) / student_temperature).log_softmax(dim=1) for s in student]
    terms = [
        -(target * answer).sum(dim=1).mean()
        for i, target in enumerate(targets)
        for j, answer in enumerate(answers)
        if i != j  # to say the same of the very same view would be too easy
    ]
    return torch.stack(terms).mean()


def moved_center(
    center: Float[Tensor, "prototypes"], teacher: Float[Tensor, "rows prototypes"], momentum: float = 0.9
) -> Float[Tensor, "prototypes"]:
    """The center, moved toward the mean of the teacher's newest logits.

    Args:
        center: so far; left alone.
        teacher: logits of all views and pictures of the batch; no gradient flows into them.
        momentum: in [0, 1]; the share of the old center that stays.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: a momentum outside [0, 1], or widths that differ.

    Source: Caron et al. 2021, eq. 4.
    """
    check_tensors(("center", center, FLOAT, "prototypes"), ("teacher", teacher, FLOAT, "rows prototypes"))
    check_number("momentum", momentum, least=0, most=1)
    return momentum * center + (1 - momentum) * teacher.detach().mean(dim=0)


class DINOHead(nn.Module):
    """Features to the logits of prototypes: an MLP, a unit vector, and its cosine to each prototype.

    Args:
        feature_dim, hidden_dim, bottleneck_dim, prototypes: sizes.

    Source: Caron et al. 2021, section 3.2 and appendix C; the cosine is that of its weight-normalized last layer.
    """

    def __init__(self, feature_dim: int, hidden_dim: int, bottleneck_dim: int, prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(feature_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, bottleneck_dim),
        )
        self.prototypes = nn.Linear(bottleneck_dim, prototypes, bias=False)

    def forward(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch prototypes"]:
        """Cosines, -1 to 1."""
        return F.linear(F.normalize(self.mlp(features), dim=1), F.normalize(self.prototypes.weight, dim=1))


@dataclass(frozen=True)
class DINOConfig:
    """What DINO adds to an encoder.

    Args:
        hidden_dim, bottleneck_dim, prototypes: sizes of the head.
        momentum: of the teacher at the start; it rises to 1 as BYOL's does.
        steps: of the whole run; at its end the momentum is 1.
        center_momentum: of the center; 1 leaves it at zero, so that nothing is centered.
        student_temperature, teacher_temperature: of the loss; equal ones sharpen nothing.

    Raises:
        ValueError: sizes that are no positive whole numbers, momenta outside [0, 1], or temperatures that are not above 0.
    """

    hidden_dim: int = 256
    bottleneck_dim: int = 64
    prototypes: int = 512
    momentum: float = 0.99
    steps: int = 1000
    center_momentum: float = 0.9
    student_temperature: float = 0.1
    teacher_temperature: float = 0.04

    def __post_init__(self) -> None:
        check_sizes(self, "hidden_dim", "bottleneck_dim", "prototypes", "steps")
        for name in ("momentum", "center_momentum"):
            check_number(name, getattr(self, name), least=0, most=1)
        for name in ("student_temperature", "teacher_temperature"):
            check_number(name, getattr(self, name), above=0)

    @classmethod
    def tiny(cls) -> "DINOConfig":
        """For tests: seconds."""
        return cls(hidden_dim=16, bottleneck_dim=8, prototypes=32, steps=10)

    @classmethod
    def paper(cls) -> "DINOConfig":
        """For a ViT-S/16, 100 epochs in batches of 1,024 (Caron et al. 2021, section 3.2 and appendix C).

        Differs from the paper: there the teacher's temperature rises to 0.07 over the first epochs.
        """
        return cls(
            hidden_dim=2048,
            bottleneck_dim=256,
            prototypes=65_536,
            momentum=0.996,
            steps=100 * 1_281_167 // 1024,
        )


class DINO(nn.Module):
    """A student that learns by gradients, a teacher that follows it slowly, and a center.

    Args:
        encoder: any module from pictures [batch, ...] of any of the views' sizes to features [batch, feature_dim].
        feature_dim: how many features; read from `encoder.feature_dim` when not given.
        config: sizes, momenta, temperatures.

    Raises:
        ValueError: the encoder does not say its feature_dim and none is given.
    """

    center: Tensor
    done: Tensor

    def __init__(
        self, encoder: nn.Module, feature_dim: int | None = None, config: DINOConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or DINOConfig()
        sizes = config.hidden_dim, config.bottleneck_dim, config.prototypes
        self.encoder = encoder
        self.head = DINOHead(find_feature_dim(encoder, feature_dim), *sizes)
        self.teacher_encoder = frozen_copy(self.encoder)
        self.teacher_head = frozen_copy(self.head)
        self.register_buffer("center", torch.zeros(config.prototypes))
        self.register_buffer("done", torch.tensor(0))

    def forward(
        self,
        large: Sequence[Float[Tensor, "batch *picture"]],
        small: Sequence[Float[Tensor, "batch *crop"]] = (),
    ) -> tuple[list[Float[Tensor, "batch prototypes"]], list[Float[Tensor, "batch prototypes"]]]:
        """Logits of the student for all views, and of the teacher for the large ones.

        Args:
            large: two or more views of each picture, of one size.
            small: further views, of one size.

        Returns:
            A tensor [batch, prototypes] for each view, the large ones first; and one for each large view.

        Raises:
            ValueError: no large view.
        """
        if not large:
            raise ValueError("large is empty: expected the views that the teacher looks at")
        student = [
            logits
            for views in (large, small)
            if views
            for logits in self.head(self.encoder(torch.cat(list(views)))).chunk(len(views))
        ]
        with torch.no_grad():
            teacher = self.teacher_head(self.teacher_encoder(torch.cat(list(large)))).chunk(len(large))
        return student, list(teacher)

    def loss(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Float[Tensor, ""]:
        """`dino_loss` at the center as it is."""
        config = self.config
        return dino_loss(
            student, teacher, self.center, config.student_temperature, config.teacher_temperature
        )

    @torch.no_grad()
    def update(self, teacher: Float[Tensor, "rows prototypes"]) -> None:
        """After an optimizer step: the teacher follows, and the center moves, by the logits of all processes."""
        done = min(int(self.done), self.config.steps)
        momentum = momentum_at(done, self.config.steps, self.config.momentum)
        momentum_update(self.teacher_encoder, self.encoder, momentum)
        momentum_update(self.teacher_head, self.head, momentum)
        center = moved_center(self.center, gather_rows(teacher.to(self.center)), self.config.center_momentum)
        self.center.copy_(center)
        self.done += 1


def _check_logits(student: Sequence[Tensor], teacher: Sequence[Tensor], center: Tensor) -> None:
    if not teacher or len(student) < max(2, len(teacher)):
        raise ValueError(
            f"there are {len(student)} views of the student and {len(teacher)} of the teacher: expected at least one of "
            "the teacher, and of the student those and another one"
        )
    named = [(f"student[{j}]", s, FLOAT, "batch prototypes") for j, s in enumerate(student)]
    named += [(f"teacher[{i}]", t, FLOAT, "batch prototypes") for i, t in enumerate(teacher)]
    check_tensors(*named, ("center", center, FLOAT, "prototypes"))
