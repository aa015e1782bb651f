"""What the lesson measures besides its curves: what moves, what breaks, how sure a number is, and how peeking flatters."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.checks import check_number, check_whole
from fmlib.data import Pictures, load_emoji, load_fashion_mnist
from fmlib.evaluate import embed
from fmlib.self_supervised.adaptation.episodes import episode_accuracy, mean_interval, sample_episode
from fmlib.self_supervised.adaptation.fine_tuning import (
    Classifier,
    Frozen,
    StillNorms,
    Tuning,
    fine_tune,
    train_classifier,
)
from fmlib.self_supervised.adaptation.label_efficiency import FROZEN, accuracy, judged
from fmlib.self_supervised.adaptation.probe import logistic_regression, probe_head, standardize
from fmlib.self_supervised.probing import labeled

MOVED = Augmentation(
    crop=1.0, flip=0.0, degrees=25, shift=0.12, jitter=0.0, gray=0.0
)  # never in a training view
LABELS = 100  # of most experiments


# ---- few shots


@lru_cache(maxsize=1)
def gray_emoji() -> tuple[Tensor, Tensor]:
    """Emoji that all six artists have drawn, as gray on black, like the clothes.

    Returns:
        [artists, emoji, 1, 32, 32], the held-out artist last, and the numbers of the emoji.
    """
    drawings = load_emoji("all")
    artists = len(drawings.artists)
    numbers = torch.bincount(drawings.emoji_index)
    common = (numbers == artists).nonzero()[:, 0]
    kept = min(scale.pick(smoke=40, cpu=600, gpu=10_000), len(common))
    common = common[torch.linspace(0, len(common) - 1, kept).long()]  # evenly, of all groups
    gray = drawings.rgb(0.0).mean(dim=1, keepdim=True)
    rows = []
    for artist in range(artists):
        own = (drawings.artist_index == artist).nonzero()[:, 0]
        place = torch.full((len(drawings.emoji),), -1)
        place[drawings.emoji_index[own]] = own
        rows.append(gray[place[common]])
    return torch.stack(rows), common


def artist_episode(
    artists: int, emoji: int, ways: int, shots: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """An episode whose classes are emoji and whose pictures are drawings: the last artist's are asked for, others shown.

    Args:
        artists, emoji: how many there are; artist a's drawing of emoji e has the number a · emoji + e.
        ways: classes.
        shots: artists that are shown, at most all but the last; the same for all classes.
        generator: source of randomness.

    Returns:
        Numbers of drawings, [ways, shots] and [ways, 1].

    Raises:
        ValueError: numbers out of range.
    """
    check_whole("artists", artists, least=2)
    check_whole("emoji", emoji, least=2)
    check_whole("ways", ways, least=2, most=emoji)
    check_whole("shots", shots, most=artists - 1, hint="the last artist's drawings are the queries")
    chosen = torch.randperm(emoji, generator=generator)[:ways]
    shown = torch.randperm(artists - 1, generator=generator)[:shots]
    return shown * emoji + chosen[:, None], (artists - 1) * emoji + chosen[:, None]


def episodes() -> int:
    """How many episodes a few-shot number is the mean of, at the scale in force."""
    return scale.pick(smoke=20, cpu=400, gpu=1000)


def few_shot_clothes(encoder: nn.Module, ways: int, shots: int, seed: int = 0) -> list[float]:
    """Per cent right in each episode with classes of clothes, on validation pictures; one seed, one list of episodes."""
    pictures = judged("validation")
    features = embed(encoder, pictures.images)
    generator = torch.Generator().manual_seed(seed)
    return [
        episode_accuracy(features, *sample_episode(pictures.labels, ways, shots, 5, generator))
        for _ in range(episodes())
    ]


def few_shot_emoji(encoder: nn.Module, ways: int, shots: int, seed: int = 0) -> list[float]:
    """Per cent right in each episode with emoji, drawn by an artist who is never shown."""
    pictures, _ = gray_emoji()
    features = embed(encoder, pictures.flatten(0, 1))
    generator = torch.Generator().manual_seed(seed)
    artists, emoji = pictures.shape[:2]
    return [
        episode_accuracy(features, *artist_episode(artists, emoji, ways, shots, generator))
        for _ in range(episodes())
    ]


# ---- what moves


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


# ---- a frozen encoder that is none


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


# ---- how sure a number is


def many_draws(encoder: nn.Module, method: str, count: int = LABELS, draws: int = 20) -> list[float]:
    """Per cent of the validation pictures right, for each of many draws of the labels; draw i has the same for all methods.

    Args:
        encoder: frozen.
        method: of `FROZEN`.
        count: labels.
        draws: how many.
    """
    pictures = load_fashion_mnist("validation")
    features = embed(encoder, pictures.images)
    found = []
    for draw in range(scale.pick(smoke=3, cpu=draws, gpu=draws)):
        known = labeled(count, draw)
        found.append(FROZEN[method](embed(encoder, known.images), known.labels, features, pictures.labels))
    return found


def draws_needed(deviation: float, difference: float, confidence: float = 0.95, most: int = 10_000) -> int:
    """How many draws until a difference is larger than the confidence interval's half-width.

    Args:
        deviation: the standard deviation of what is averaged, 0 or more.
        difference: to be seen, above 0.
        confidence: of Student's interval, in (0, 1).
        most: where to give up.

    Returns:
        The smallest n of at least 2 with t · deviation / sqrt(n) <= difference, t for n - 1 degrees of freedom.

    Raises:
        ValueError: numbers out of range, or more draws than `most`.
    """
    check_number("deviation", deviation, least=0)
    check_number("difference", difference, above=0)
    check_number("confidence", confidence, above=0, below=1)
    check_whole("most", most, least=2)
    for n in range(2, most + 1):
        if _half_width(deviation, n, confidence) <= difference:
            return n
    raise ValueError(
        f"a difference of {difference} needs more than {most} draws at a deviation of {deviation}: expected fewer"
    )


def _half_width(deviation: float, n: int, confidence: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, n - 1)) * deviation / n**0.5


# ---- peeking

PEEKED = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)


def right_by_strength(encoder: nn.Module, draw: int) -> Float[Tensor, "strengths pictures"]:
    """Whether a probe with 100 labels has each validation picture right, for each of `PEEKED`: 1 or 0."""
    pictures, known = load_fashion_mnist("validation"), labeled(LABELS, draw)
    x, features = standardize(embed(encoder, known.images), embed(encoder, pictures.images))
    rows = []
    for strength in PEEKED:
        weight, bias = logistic_regression(x, known.labels, strength, len(known.class_names))
        rows.append(((features @ weight.T + bias).argmax(dim=1) == pictures.labels).float())
    return torch.stack(rows)


def flattery(
    right: Float[Tensor, "draws strengths pictures"], size: int, repeats: int = 200, seed: int = 0
) -> float:
    """How many points a probe gains on paper when its strength is chosen on the pictures that it is judged on.

    The best strength on a small set of `size` pictures, its accuracy there, less what the same strength has on all others.

    Args:
        right: whether each picture is right, for each draw of the labels and each strength.
        size: pictures in the set that is peeked at, fewer than there are.
        repeats: how many such sets are drawn; each takes one of the draws of the labels.
        seed: of the sets.

    Returns:
        The mean over the sets, in points.

    Raises:
        ValueError: no room for other pictures.
    """
    check_whole("size", size, most=right.shape[2] - 1, hint="the rest tells what the choice is worth")
    check_whole("repeats", repeats)
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for repeat in range(repeats):
        order = torch.randperm(right.shape[2], generator=generator)
        one = right[repeat % len(right)]
        peeked, other = one[:, order[:size]].mean(dim=1), one[:, order[size:]].mean(dim=1)
        best = int(peeked.argmax())
        total += 100 * (peeked[best] - other[best]).item()
    return total / repeats


def best_of_draws(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and how far above it the best draw is: what reporting one lucky draw would add."""
    mean, _ = mean_interval(values)
    return mean, max(values) - mean
