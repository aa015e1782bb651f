"""The chapter's methods by name, for the quick start: each with its own data and its lesson's recipe, but for the steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.checks import check_whole
from fmlib.data import load_fashion_mnist, load_spoken_words
from fmlib.self_supervised import contrastive, judging, without_negatives
from fmlib.self_supervised.masked.plays import load_plays
from fmlib.self_supervised.masked.training import (
    BertRecipe,
    MAERecipe,
    MeanOfPatches,
    masked_only,
    train_bert,
    train_mae,
)
from fmlib.self_supervised.pretext.experiments import emoji_drawings
from fmlib.self_supervised.pretext.jigsaw import JigsawConfig
from fmlib.self_supervised.pretext.training import (
    Paintings,
    Puzzle,
    Recipe,
    palette_of,
    picture_encoder,
    train_colorizer,
    train_cpc,
    train_jigsaw,
    train_rotation,
)
from fmlib.training.history import History

Trained = tuple[nn.Module, History]


@dataclass(frozen=True)
class Method:
    """A method, as the quick start runs it.

    Args:
        train: (steps, seed, **options of `fit`) -> what is kept of the network, and what happened in training.
        data: what it is trained on, in words.
        features: what is kept -> its features of held-out data, a row for each picture, recording or piece of text.
        judge: (what is kept, seed) -> how good it is.
        cpu, gpu: steps of a minute or two at these scales.
    """

    train: Callable[..., Trained]
    data: str = "Fashion-MNIST"
    features: Callable[[Any], Float[Tensor, "rows features"]] = judging.picture_features
    judge: Callable[[Any, int], judging.Report] = judging.judge_pictures
    cpu: int = 400
    gpu: int = 2000


def _pictures() -> Tensor:
    return load_fashion_mnist("train").images


def _views(train: Callable[..., tuple[Any, History]], keep: str = "encoder") -> Method:
    """A method that compares views: which of its networks is kept is said by `keep`."""

    def run(steps: int, seed: int, **options: Any) -> Trained:
        recipe = replace(contrastive.Recipe.main(), steps=steps)
        model, history = train(_pictures(), recipe, seed, **options)
        return getattr(model, keep), history

    return Method(run)


def _rotation(steps: int, seed: int, **options: Any) -> Trained:
    model, history = train_rotation(_pictures(), replace(Recipe.pictures(), steps=steps), seed, **options)
    return model.encoder, history


def _jigsaw(steps: int, seed: int, **options: Any) -> Trained:
    puzzle = Puzzle.make(JigsawConfig())  # of four tiles, since 28 pixels cannot be cut in three
    recipe = replace(Recipe.pictures(), steps=steps)
    model, history = train_jigsaw(_pictures(), puzzle, recipe, seed, **options)
    return picture_encoder(model, puzzle), history


def _colorization(steps: int, seed: int, **options: Any) -> Trained:
    paintings = Paintings.of(emoji_drawings("train").rgb())
    recipe = replace(Recipe.pictures(), steps=steps)
    model, history = train_colorizer(paintings, palette_of(paintings), recipe, seed=seed, **options)
    return model.encoder, history


def _cpc(steps: int, seed: int, **options: Any) -> Trained:
    recipe = replace(Recipe.sound(), steps=steps)
    return train_cpc(load_spoken_words("train").waves, recipe, seed=seed, **options)


def _mae(steps: int, seed: int, **options: Any) -> Trained:
    model, history = train_mae(_pictures(), replace(MAERecipe.main(), steps=steps), seed, **options)
    return MeanOfPatches(model.encoder), history


def _bert(steps: int, seed: int, **options: Any) -> Trained:
    plays, vocabulary = load_plays()
    recipe = replace(BertRecipe.main(), steps=steps)
    return train_bert(plays.train, recipe, masked_only(vocabulary), seed, **options)


METHODS: Mapping[str, Method] = {
    "rotation": Method(_rotation),
    "jigsaw": Method(_jigsaw),
    "colorization": Method(
        _colorization, "emoji", judging.emoji_features, judging.judge_emoji, cpu=100, gpu=2000
    ),
    "cpc": Method(_cpc, "spoken words", judging.sound_features, judging.judge_sound, cpu=120, gpu=1000),
    "simclr": _views(contrastive.train_simclr),
    "moco": _views(contrastive.train_moco),
    "byol": _views(without_negatives.train_byol),
    "barlow_twins": _views(without_negatives.train_barlow_twins),
    "vicreg": _views(without_negatives.train_vicreg),
    "dino": _views(without_negatives.train_dino, keep="teacher_encoder"),
    "mae": Method(_mae),
    "bert": Method(
        _bert, "plays of Shakespeare", judging.letter_features, judging.judge_letters, cpu=1200, gpu=4000
    ),
}


def find_method(name: str) -> Method:
    """One of `METHODS`.

    Raises:
        ValueError: an unknown name.
    """
    if name not in METHODS:
        raise ValueError(f"method is {name!r}: expected one of {', '.join(METHODS)}")
    return METHODS[name]


def train(method: str, steps: int | None = None, seed: int = 0, **options: Any) -> tuple[nn.Module, float]:
    """Train one of the methods on its data without labels.

    Args:
        method: one of `METHODS`.
        steps: of training; by default what takes a minute or two at the scale in force.
        seed: of weights, batches and views.
        **options: passed to `fit`, e.g. `progress`.

    Returns:
        What the method's `features` and `judge` take, for most an encoder; and the loss at the end, the mean of the last 20
        steps.

    Raises:
        ValueError: an unknown method, or steps below 1.
    """
    found = find_method(method)
    steps = scale.pick(smoke=2, cpu=found.cpu, gpu=found.gpu) if steps is None else steps
    check_whole("steps", steps)
    model, history = found.train(steps, seed, **options)
    last = history.loss[-20:]
    return model, sum(last) / len(last)
