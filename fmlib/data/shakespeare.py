"""Shakespeare: 38 plays as plain text, five million characters, split by whole plays.

One form throughout: a speaker's name with a colon on its own line, the lines spoken as they stand, stage directions
in brackets, a blank line between speeches; ASCII only.
"""

import dataclasses
from functools import lru_cache
from pathlib import Path

from fmlib.data import _store

SPLITS = ("train", "validation", "test")
HELD_OUT = {  # a comedy, a history and a tragedy each
    "validation": ("The Comedy of Errors", "King John", "Timon of Athens"),
    "test": ("A Midsummer Night's Dream", "Richard II", "Macbeth"),
}
FILE = "shakespeare/plays.json.bz2"


@dataclasses.dataclass(frozen=True)
class Play:
    """One play.

    Args:
        title: e.g. "Macbeth".
        text: the whole play, its title first.
        genre: "comedies", "problems", "romances", "histories", "roman" or "tragedies".
    """

    title: str
    text: str
    genre: str

    def __repr__(self) -> str:
        return f"Play({self.title!r}, {len(self.text):,} characters)"


@dataclasses.dataclass(frozen=True)
class Text:
    """Plays, and all of them in one string.

    Args:
        text: the plays one after the other, with two blank lines between them.
        plays: the plays, in alphabetical order of their titles.
    """

    text: str
    plays: tuple[Play, ...]

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        return f"Text({len(self.plays)} plays, {len(self.text):,} characters)"


def load_shakespeare(split: str = "train") -> Text:
    """The plays of one split.

    Args:
        split: "train" (32 plays), "validation" (3, for tuning) or "test" (3).

    Returns:
        The plays; the same object at each call, since strings cannot be changed.

    Raises:
        ValueError: unknown split.
        DataError: the file is missing or corrupt.
    """
    _store.choice(split, "split", SPLITS)
    return _load(_store.FILES, split)


@lru_cache(maxsize=6)
def _load(folder: Path, split: str) -> Text:
    chosen = _store.of_split(_plays(folder), split, HELD_OUT)
    return Text("\n\n".join(play.text for play in chosen), chosen)


@lru_cache(maxsize=2)
def _plays(folder: Path) -> tuple[Play, ...]:
    plays = (Play(**entry) for entry in _store.read_bz2_json(FILE))
    return tuple(sorted(plays, key=lambda play: play.title))
