"""What moves when an encoder is adapted to 100 labels, and a frozen encoder that is none."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.data import Pictures
from fmlib.evaluate import embed
from fmlib.self_supervised.adaptation.fine_tuning import (
    Classifier,
    Frozen,
    StillNorms,
    Tuning,
    fine_tune,
    train_classifier,
)
from fmlib.self_supervised.adaptation.label_efficiency import judged
from fmlib.self_supervised.adaptation.probe import probe_head
from fmlib.self_supervised.probing import accuracy, labeled

MOVED = Augmentation(
    crop=1.0, flip=0.0, degrees=25, shift=0.12, jitter=0.0, gray=0.0
)  # never in a training view


LABELS = 100  # of most experiments


def _all_weights(encoder: nn.Module, known: Pictures, tuning: Tuning, seed: int) -> Classifier:
    return fine_tune(encoder, known, tuning, seed)[0]


def _layer_wise(encoder: nn.Module, known: Pictures, tuning: Tuning, seed: int) -> Classifier:
    return fine_tune(encoder, known, replace(tuning, decay=0.4), seed)[0]


def _still_norms(encoder: nn.Module, known: Pictures, tuning: Tuning, seed: int) -> Classifier:
    return fine_tune(StillNorms(copy.deepcopy(encoder)), known, tuning, seed)[0]


def _probe_first(encoder: nn.Module, known: Pictures, tuning: Tuning, seed: int) -> Classifier:
    return fine_tune(encoder, known, tuning, seed, head=probe_head(encoder, known))[0]


def _probe_first_still(encoder: nn.Module, known: Pictures, tuning: Tuning, seed: int) -> Classifier:
    head = probe_head(encoder, known)
    return fine_tune(StillNorms(copy.deepcopy(encoder)), known, tuning, seed, head=head)[0]


def _head_alone(encoder: nn.Module, known: Pictures, tuning: Tuning, seed: int) -> Classifier:
    return fine_tune(Frozen(encoder), known, tuning, seed)[0]


def _probe_alone(encoder: nn.Module, known: Pictures, tuning: Tuning, seed: int) -> Classifier:
    return Classifier(copy.deepcopy(encoder), len(known.class_names), probe_head(encoder, known))


WAYS: Mapping[str, Callable[[nn.Module, Pictures, Tuning, int], Classifier]] = {
    "all weights": _all_weights,
    "layer-wise rates": _layer_wise,
    "still batch norms": _still_norms,
    "LP-FT": _probe_first,
    "LP-FT, still batch norms": _probe_first_still,
    "head alone, by gradient": _head_alone,
    "linear probe": _probe_alone,
}


def moved_pictures(pictures: Pictures) -> Float[Tensor, "pictures 1 28 28"]:
    """The same pictures turned by up to 25 degrees and shifted by up to an eighth, always in the same way."""
    return MOVED(pictures.images.float() / 255, torch.Generator().manual_seed(0))


def feature_drift(before: nn.Module, after: nn.Module, pictures: Pictures) -> float:
    """How far features have moved: the mean length of the change over the mean length of the features, in per cent."""
    old, new = embed(before, pictures.images), embed(after, pictures.images)
    return 100 * ((new - old).norm(dim=1).mean() / old.norm(dim=1).mean()).item()


def adapted(way: str, encoder: nn.Module, tuning: Tuning, draws: int = 2) -> dict[str, list[float]]:
    """Adapt an encoder to 100 labels in one of `WAYS`, and measure on half of the validation pictures.

    Returns:
        For each draw of the labels: per cent "right", per cent right of the "moved" pictures, and the "drift" of features.

    Raises:
        ValueError: an unknown way.
    """
    if way not in WAYS:
        raise ValueError(f"there is no way {way!r}: expected one of {', '.join(WAYS)}")
    pictures = judged("validation")
    pictures = pictures.subset(torch.arange(len(pictures) // 2))
    moved = moved_pictures(pictures)
    found: dict[str, list[float]] = {"right": [], "moved": [], "drift": []}
    for draw in range(scale.pick(smoke=1, cpu=draws, gpu=5)):
        model = WAYS[way](encoder, labeled(LABELS, draw), tuning, draw)
        found["right"].append(accuracy(model, pictures))
        found["moved"].append(
            100 * (embed(model, moved).argmax(dim=1) == pictures.labels).double().mean().item()
        )
        found["drift"].append(feature_drift(encoder, model.encoder, pictures))
    return found


def rate_scan(
    encoder: nn.Module, rates: Sequence[float], tuning: Tuning, draws: int = 2
) -> dict[float, list[float]]:
    """Rate -> per cent of the validation pictures right after fine-tuning with 100 labels, of each draw of the labels."""
    every = range(scale.pick(smoke=1, cpu=draws, gpu=3))
    return {
        rate: [
            accuracy(
                fine_tune(encoder, labeled(LABELS, draw), replace(tuning, rate=rate), draw)[0],
                judged("validation"),
            )
            for draw in every
        ]
        for rate in rates
    }


def head_on(encoder: nn.Module, held: bool, tuning: Tuning) -> Classifier:
    """Train a head on an encoder without gradients, by gradient steps, with 100 labels.

    Args:
        encoder: left alone.
        held: whether the encoder is held in evaluation mode, too, as `Frozen` does.
        tuning: the numbers.
    """
    known = labeled(LABELS, 0)
    inside = Frozen(encoder) if held else copy.deepcopy(encoder).requires_grad_(False)
    model = Classifier(inside, len(known.class_names))
    train_classifier(model, known, tuning)
    return model


@torch.no_grad()
def accuracy_in_training_mode(
    model: nn.Module, pictures: Pictures, by_class: bool, batch_size: int = 50
) -> float:
    """Per cent right when batch norm takes the statistics of the very batch: of one class each, or mixed.

    Args:
        model: left as it was.
        pictures: to classify.
        by_class: whether they come sorted by class.
        batch_size: how many at once.
    """
    working = copy.deepcopy(model).train()
    device = next(working.parameters()).device
    order = pictures.labels.argsort(stable=True) if by_class else torch.arange(len(pictures))
    right = 0
    for rows in order.split(batch_size):
        logits = working(pictures.images[rows].to(device).float() / 255).cpu()
        right += int((logits.argmax(dim=1) == pictures.labels[rows]).sum())
    return 100 * right / len(pictures)
