"""Fine-tuning: the encoder goes on learning, from labels; and what must not move when it should not."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.checks import check_number, check_sizes, check_whole
from fmlib.data import Pictures
from fmlib.nn.resnet import SmallResNet
from fmlib.self_supervised.contrastive.training import GENTLE
from fmlib.self_supervised.encoder import find_feature_dim
from fmlib.training.batches import ShuffledBatches
from fmlib.training.fit import fit
from fmlib.training.history import History


class Frozen(nn.Module):
    """An encoder that cannot change: no gradient reaches its weights, and no batch its statistics.

    Without gradients the weights rest, but batch norm in training mode still moves its running mean and variance with every
    batch that comes through, and gives features that depend on the rest of the batch. So the mode is held, too.

    Args:
        encoder: copied; the original is left alone.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False).eval()
        self.feature_dim = find_feature_dim(encoder, None)

    def train(self, mode: bool = True) -> "Frozen":
        """Set the mode of this module; that of the encoder stays evaluation."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, images: Float[Tensor, "batch *picture"]) -> Float[Tensor, "batch features"]:
        """Features, without a gradient."""
        with torch.no_grad():
            return self.encoder(images)


class Classifier(nn.Module):
    """An encoder with a linear layer on top, both to be trained.

    Args:
        encoder: pictures -> features; used itself, not copied.
        classes: how many.
        head: the layer to begin with; by default one of zeros, which gives all classes the same chance.

    Raises:
        ValueError: a head for another number of features or classes.
    """

    def __init__(self, encoder: nn.Module, classes: int, head: nn.Linear | None = None) -> None:
        super().__init__()
        check_whole("classes", classes, least=2)
        features = find_feature_dim(encoder, None)
        self.encoder = encoder
        if head is None:
            head = nn.Linear(features, classes)
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        if (head.in_features, head.out_features) != (features, classes):
            raise ValueError(
                f"head takes {head.in_features} features to {head.out_features} classes: expected {features} to {classes}"
            )
        self.head = head

    def forward(self, images: Float[Tensor, "batch *picture"]) -> Float[Tensor, "batch classes"]:
        """Logits of each picture."""
        return self.head(self.encoder(images))


class StillNorms(nn.Module):
    """An encoder that learns by gradients while batch norm goes on using the statistics of its pretraining.

    Args:
        encoder: used itself, not copied.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.feature_dim = find_feature_dim(encoder, None)
        self.train()

    def train(self, mode: bool = True) -> "StillNorms":
        """Set the mode; batch norms stay in evaluation."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, images: Float[Tensor, "batch *picture"]) -> Float[Tensor, "batch features"]:
        """Features, with a gradient."""
        return self.encoder(images)


def parameter_groups(parts: Sequence[nn.Module], rate: float, decay: float = 1.0) -> list[dict[str, Any]]:
    """Groups for an optimizer: the last part learns at `rate`, each part before it at `decay` times the rate behind it.

    Args:
        parts: from the input to the output, e.g. stem, stages, head; no parameter in two of them.
        rate: of the last part, above 0.
        decay: in (0, 1]; 1 is one rate for all.

    Returns:
        For each part, in that order, {"params": those that take gradients, "lr": its rate}; parts that have none are left
        out, and count as steps of the decay all the same.

    Raises:
        ValueError: no part, a rate or decay outside its range.

    Source: Howard & Ruder 2018, "Universal Language Model Fine-tuning for Text Classification", section 3.2,
    who divide by 2.6.
    """
    if not parts:
        raise ValueError("parts are empty: expected at least one")
    check_number("rate", rate, above=0)
    check_number("decay", decay, above=0, most=1)
    groups = []
    for behind, part in enumerate(reversed(list(parts))):
        params = [p for p in part.parameters() if p.requires_grad]
        if params:
            groups.append({"params": params, "lr": rate * decay**behind})
    return groups[::-1]


def parts_of(model: Classifier) -> list[nn.Module]:
    """Stem, stages and head of a classifier, from the input to the output; an encoder of another kind is one part."""
    inner = model.encoder.encoder if isinstance(model.encoder, (Frozen, StillNorms)) else model.encoder
    inside = [inner.stem, *inner.stages] if isinstance(inner, SmallResNet) else [inner]
    return [*inside, model.head]


@dataclass(frozen=True)
class Tuning:
    """Numbers of a run on labels.

    Args:
        steps, batch_size: labeled pictures are seen steps · batch_size times in all.
        rate: highest learning rate of the head.
        decay: see `parameter_groups`.
        weight_decay: AdamW's.
        augment: how a view is made.

    Raises:
        ValueError: sizes below 1, or a rate or decay outside its range.
    """

    steps: int = 60
    batch_size: int = 32
    rate: float = 1e-3
    decay: float = 1.0
    weight_decay: float = 1e-2
    augment: Augmentation = GENTLE

    def __post_init__(self) -> None:
        check_sizes(self, "steps", "batch_size")
        check_number("rate", self.rate, above=0)
        check_number("decay", self.decay, above=0, most=1)
        check_number("weight_decay", self.weight_decay, least=0)

    @classmethod
    def main(cls, labels: int = 100) -> "Tuning":
        """The budget of this lesson for so many labels, at the scale in force."""
        check_whole("labels", labels)
        steps = scale.pick(smoke=2, cpu=50 + labels // 20, gpu=300 + labels // 4)
        return cls(steps=steps, batch_size=scale.pick(smoke=8, cpu=32, gpu=64))


def train_classifier(
    model: Classifier, pictures: Pictures, tuning: Tuning, seed: int = 0, **options: Any
) -> History:
    """Train what of a classifier takes gradients on labeled pictures, in place.

    Args:
        model: changed.
        pictures: with labels.
        tuning: the numbers.
        seed: of batches and views.
        **options: passed to `fit`.
    """

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        images, labels = batch
        return F.cross_entropy(model(tuning.augment(images.float() / 255, generator)), labels)

    groups = parameter_groups(parts_of(model), tuning.rate, tuning.decay)
    return fit(
        model,
        ShuffledBatches(
            pictures.images, pictures.labels, batch_size=min(tuning.batch_size, len(pictures)), seed=seed
        ),
        loss,
        steps=tuning.steps,
        rate=tuning.rate,
        optimizer=lambda _: torch.optim.AdamW(groups, lr=tuning.rate, weight_decay=tuning.weight_decay),
        seed=seed,
        **{"progress": False, **options},
    )


def fine_tune(
    encoder: nn.Module,
    pictures: Pictures,
    tuning: Tuning,
    seed: int = 0,
    head: nn.Linear | None = None,
    **options: Any,
) -> tuple[Classifier, History]:
    """Train a copy of an encoder, and a head on it, on labeled pictures.

    Args:
        encoder: left alone.
        pictures: with labels.
        tuning: the numbers.
        seed: of batches and views.
        head: copied, to begin with; by default zeros. With that of `probe_head` this is LP-FT.
        **options: passed to `fit`.

    Source: Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution", for the head.
    """
    model = Classifier(copy.deepcopy(encoder), len(pictures.class_names), copy.deepcopy(head))
    return model, train_classifier(model, pictures, tuning, seed, **options)
