"""Emoji: which views help which task."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.data import Drawings, load_emoji
from fmlib.evaluate import embed, linear_probe, retrieval
from fmlib.self_supervised.contrastive.simclr import SimCLR
from fmlib.self_supervised.contrastive.training import Recipe, make_encoder, train_simclr
from fmlib.training.history import History

STRONG = {"jitter": 0.8, "strength": 1.0, "gray": 0.2}  # of the colors: SimCLR's usual changes
WEAK = {"jitter": 0.5, "strength": 0.3, "gray": 0.0}
CROPS = {"crop": 0.3}  # of the place: hard crops, as is usual
MOVES = {"crop": 0.6, "degrees": 25.0, "shift": 0.12, "fill": 1.0}  # gentle crops, turns and shifts

# Each pair of neighbors in this square differs in one thing: how the colors change, or how the thing is placed.
EMOJI_VIEWS = {
    "emoji_crops": Augmentation(**CROPS, **WEAK),
    "emoji_colors": Augmentation(**CROPS, **STRONG),  # the usual recipe
    "emoji_moves": Augmentation(**MOVES, **WEAK),
    "emoji_both": Augmentation(**MOVES, **STRONG),
}
TITLES = {
    "emoji_crops": "crops",
    "emoji_colors": "crops and colors",
    "emoji_moves": "moves",
    "emoji_both": "moves and colors",
}


def emoji_recipe(row: str) -> Recipe:
    """The emoji run that a row is named for."""
    return Recipe(
        steps=scale.pick(smoke=2, cpu=250, gpu=800),
        batch_size=scale.pick(smoke=32, cpu=128, gpu=512),
        temperature=0.2,
        augment=EMOJI_VIEWS[row],
    )


@dataclass(frozen=True)
class EmojiTask:
    """Find the same emoji by another artist: who draws it here has never been seen in training, nor has the emoji."""

    queries: Float[Tensor, "queries 3 32 32"]
    moved: Float[Tensor, "queries 3 32 32"]
    gallery: Float[Tensor, "gallery 3 32 32"]
    targets: Int64[Tensor, " queries"]


def emoji_task(artist: str = "noto") -> EmojiTask:
    """Held-out emoji drawn by the held-out artist, to be found among one other artist's drawings of them.

    `moved` are the same queries turned by up to 25 degrees and shifted by up to an eighth.
    """
    queries: Drawings = load_emoji("held_out_both")
    gallery: Drawings = load_emoji("held_out_emoji", artists=(artist,))
    place = {int(e): i for i, e in enumerate(gallery.emoji_index)}
    kept = torch.tensor([i for i, e in enumerate(queries.emoji_index) if int(e) in place])
    queries = queries.subset(kept)
    move = Augmentation(crop=1.0, flip=0.0, degrees=25, shift=0.12, fill=1.0, jitter=0.0, gray=0.0)
    images = queries.rgb()
    moved = move(images, torch.Generator().manual_seed(0))
    targets = torch.tensor([place[int(e)] for e in queries.emoji_index])
    return EmojiTask(images, moved, gallery.rgb(), targets)


def emoji_measures(row: str, encoder: nn.Module) -> dict[str, float]:
    """Retrieval of aligned and of moved queries, and a linear probe of the emoji's group, in per cent."""
    task = emoji_task()
    gallery = embed(encoder, task.gallery)
    aligned = retrieval(embed(encoder, task.queries), gallery, task.targets, ranks=(1,))[1]
    moved = retrieval(embed(encoder, task.moved), gallery, task.targets, ranks=(1,))[1]
    train, test = load_emoji("train", artists=("noto",)), load_emoji("held_out_both")
    group = linear_probe(
        embed(encoder, train.rgb()), train.group_index, embed(encoder, test.rgb()), test.group_index, (1e-2,)
    )
    return {f"{row}_aligned": aligned, f"{row}_moved": moved, f"{row}_group": group}


def train_emoji(row: str, seed: int = 0, **options: Any) -> tuple[SimCLR, History]:
    """SimCLR on the training artists' training emoji, with the views that a row is named for."""
    return train_simclr(load_emoji("train").rgb(), emoji_recipe(row), seed, **options)


def emoji_row(row: str, seed: int) -> dict[str, float]:
    if row == "emoji_pixels":
        return emoji_measures(row, nn.Flatten())
    if row == "emoji_random":
        return emoji_measures(row, make_encoder(3, seed))
    model, _ = train_emoji(row, seed, progress=False)
    return emoji_measures(row, model.encoder)
