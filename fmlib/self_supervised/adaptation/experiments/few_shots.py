"""Tasks of few shots: clothes, and emoji drawn by an artist who is never shown."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from fmlib import scale
from fmlib.checks import check_whole
from fmlib.data import load_emoji
from fmlib.evaluate import embed
from fmlib.self_supervised.adaptation.episodes import episode_accuracy, sample_episode
from fmlib.self_supervised.adaptation.label_efficiency import judged


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
