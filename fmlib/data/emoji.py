"""The emoji world: about 1,900 emoji as six artists drew them, with transparency, names and keywords.

One small world of color pictures in which much is known exactly: what each picture shows, what it is
called, where it is opaque, and how somebody else would draw the same. Two things are held out: a tenth of
the emoji, by whole families (woman, man and person running go together), and one artist, Fluent.
"""

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from fmlib.data import _store

SPLITS = ("train", "held_out_emoji", "held_out_artist", "held_out_both", "all")
SIZES = (32, 64)
ARTISTS = ("noto", "twemoji", "openmoji", "emojione", "fxemoji", "fluent")
HELD_OUT_ARTIST = "fluent"
FLAGS = "flags"


@dataclasses.dataclass(frozen=True)
class EmojiRecord:
    """What is known about one emoji, from Unicode's CLDR by way of emojibase.

    Args:
        name: CLDR short name, e.g. "red heart".
        character: the emoji as text.
        keywords: words that CLDR gives for searching, e.g. ("emotion", "heart", "love", "red").
        group: one of nine groups, e.g. "smileys-emotion".
        subgroup: one of about a hundred, e.g. "heart".
        order: its place in the standard order, ascending but with gaps.
        code_points: hexadecimal, e.g. "2764".
        held_out: whether it is one of the emoji that the training split never shows.
    """

    name: str
    character: str
    keywords: tuple[str, ...]
    group: str
    subgroup: str
    order: int
    code_points: str
    held_out: bool


@dataclasses.dataclass(frozen=True)
class Drawings:
    """Emoji as drawn: one row for each drawing.

    Args:
        images: [n, 4, s, s], RGBA from 0 to 255 with straight alpha; color is 0 where alpha is 0.
        emoji_index: [n], which emoji, index into `emoji`.
        artist_index: [n], who drew it, index into `artists`.
        group_index: [n], index into `groups`.
        artists: names of all six artists, whichever of them are here.
        groups: names of the groups, in the standard order; flags, the ninth, only when they were asked for.
        emoji: records of all emoji, drawn here or not, in the standard order.
    """

    images: UInt8[Tensor, "n 4 s s"]
    emoji_index: Int64[Tensor, " n"]
    artist_index: Int64[Tensor, " n"]
    group_index: Int64[Tensor, " n"]
    artists: tuple[str, ...]
    groups: tuple[str, ...]
    emoji: tuple[EmojiRecord, ...]

    def __len__(self) -> int:
        return len(self.emoji_index)

    def __repr__(self) -> str:
        size = self.images.shape[-1]
        emoji, artists = len(self.emoji_index.unique()), len(self.artist_index.unique())
        return f"Drawings({len(self):,} drawings of {emoji:,} emoji by {artists} artists, {size} px)"

    def subset(self, indices: _store.Rows) -> "Drawings":
        """The drawings at `indices`, in that order.

        Args:
            indices: [k], each in [-n, n); a list of integers or a boolean mask [n] will do.

        Raises:
            ValueError: an index is out of range, or not an integer.
        """
        rows = _store.rows(indices, len(self))
        return dataclasses.replace(
            self,
            images=self.images[rows],
            emoji_index=self.emoji_index[rows],
            artist_index=self.artist_index[rows],
            group_index=self.group_index[rows],
        )

    def rgb(self, background: float | int | Sequence[float] | Tensor = 1.0) -> Float[Tensor, "n 3 s s"]:
        """The drawings on an opaque background.

        Args:
            background: a gray from 0 (black) to 1 (white), or a color as three such numbers.

        Returns:
            Color in [0, 1].

        Raises:
            ValueError: the background is not one or three numbers in [0, 1].
        """
        color = torch.as_tensor(background, dtype=torch.float32)
        if color.shape not in ((), (3,)) or not bool(((color >= 0) & (color <= 1)).all()):
            raise ValueError(
                f"background is {background!r}: expected one number in [0, 1], or three (red, green, blue)"
            )
        color = color.expand(3).view(1, 3, 1, 1)
        alpha = self.images[:, 3:].float().div_(255)
        return self.images[:, :3].float().div_(255).sub_(color).mul_(alpha).add_(color).clamp_(0, 1)


def load_emoji(
    split: str = "train",
    size: int = 32,
    artists: Sequence[str] | None = None,
    flags: bool = False,
) -> Drawings:
    """Emoji as six artists drew them.

    Args:
        split: "train" (five artists, nine tenths of the emoji), "held_out_emoji" (the same artists, the other
            emoji), "held_out_artist" (Fluent, the emoji of training), "held_out_both" (Fluent, the other
            emoji), or "all".
        size: 32 or 64 pixels a side.
        artists: only these; all of the split if it is left out.
        flags: with the flags of countries, which are text for machines more than pictures.

    Returns:
        The drawings, artist by artist, each in the standard order of the emoji; fresh tensors at each call.

    Raises:
        ValueError: unknown split, size or artist, or an artist that the split does not have.
        DataError: a file is missing or corrupt.
    """
    _store.choice(split, "split", SPLITS)
    _store.choice(size, "size", SIZES)
    if not isinstance(flags, bool):
        raise ValueError(f"flags is {flags!r}: expected True or False")
    chosen = _artists_of(split, artists)
    records, drawn = _metadata(_store.FILES)
    kept = records if flags else tuple(record for record in records if record.group != FLAGS)
    groups = tuple(dict.fromkeys(record.group for record in kept))
    group_of = torch.tensor([groups.index(record.group) for record in kept])
    held_out = torch.tensor([record.held_out for record in kept])

    images, emoji_index, artist_index = [], [], []
    for artist in chosen:
        rows = drawn[artist]
        keep = rows < len(kept)  # the flags come last
        if split != "all":
            wanted = split in ("held_out_emoji", "held_out_both")
            keep[keep.clone()] = held_out[rows[keep]] == wanted
        images.append(_sheet(_store.FILES, artist, size)[keep])
        emoji_index.append(rows[keep])
        artist_index.append(torch.full((int(keep.sum()),), ARTISTS.index(artist)))
    emoji = torch.cat(emoji_index)
    return Drawings(torch.cat(images), emoji, torch.cat(artist_index), group_of[emoji], ARTISTS, groups, kept)


def _artists_of(split: str, artists: Sequence[str] | None) -> tuple[str, ...]:
    present = {
        "train": tuple(artist for artist in ARTISTS if artist != HELD_OUT_ARTIST),
        "held_out_emoji": tuple(artist for artist in ARTISTS if artist != HELD_OUT_ARTIST),
        "held_out_artist": (HELD_OUT_ARTIST,),
        "held_out_both": (HELD_OUT_ARTIST,),
        "all": ARTISTS,
    }[split]
    if artists is None:
        return present
    if not isinstance(artists, tuple | list) or len(artists) == 0:
        raise ValueError(f"artists is {artists!r}: expected a tuple of names, some of {', '.join(ARTISTS)}")
    for artist in artists:
        _store.choice(artist, "artist", ARTISTS)
        if artist not in present:
            raise ValueError(
                f"artist {artist!r} is not in split {split!r}, which has {', '.join(present)}: "
                f"{HELD_OUT_ARTIST} is held out of training; its drawings are in held_out_artist, held_out_both and all"
            )
    return tuple(artist for artist in present if artist in artists)


@lru_cache(maxsize=2)
def _metadata(folder: Path) -> tuple[tuple[EmojiRecord, ...], dict[str, Tensor]]:
    document = _store.read_xz_json("emoji/emoji.json.xz")
    records = tuple(
        EmojiRecord(
            name=one["name"],
            character=one["character"],
            keywords=tuple(one["keywords"]),
            group=one["group"],
            subgroup=one["subgroup"],
            order=one["order"],
            code_points=one["hexcode"],
            held_out=one["held_out"],
        )
        for one in document["emoji"]
    )
    return records, {artist: torch.tensor(rows) for artist, rows in document["artists"].items()}


@lru_cache(maxsize=2 * len(ARTISTS))
def _sheet(folder: Path, artist: str, size: int) -> Tensor:
    count = len(_metadata(folder)[1][artist])
    return torch.from_numpy(_store.read_sheet(f"emoji/{artist}/{size}.webp", size, 4, count))
