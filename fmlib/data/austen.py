"""Jane Austen: six novels as plain text, four million characters, split by whole novels.

One form throughout: a chapter's heading on its own line, a paragraph on one line, a blank line between paragraphs; ASCII
only, so that a tokenizer of Shakespeare's plays cuts it into pieces that it knows.
"""

import dataclasses
from functools import lru_cache
from pathlib import Path

from fmlib.data import _store

SPLITS = ("train", "validation", "test")
HELD_OUT = {"validation": ("Northanger Abbey",), "test": ("Persuasion",)}
FILE = "austen/novels.json.bz2"


@dataclasses.dataclass(frozen=True)
class Novel:
    """One novel.

    Args:
        title: e.g. "Emma".
        year: in which it was first published.
        text: the whole novel, its title first.
    """

    title: str
    year: int
    text: str

    def __repr__(self) -> str:
        return f"Novel({self.title!r}, {self.year}, {len(self.text):,} characters)"


@dataclasses.dataclass(frozen=True)
class Novels:
    """Novels, and all of them in one string.

    Args:
        text: the novels one after the other, with two blank lines between them.
        novels: the novels, in the order in which they were published.
    """

    text: str
    novels: tuple[Novel, ...]

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        return f"Novels({len(self.novels)} novels, {len(self.text):,} characters)"


def load_austen(split: str = "train") -> Novels:
    """The novels of one split.

    Args:
        split: "train" (4 novels), "validation" (*Northanger Abbey*, for tuning) or "test" (*Persuasion*).

    Returns:
        The novels; the same object at each call, since strings cannot be changed.

    Raises:
        ValueError: unknown split.
        DataError: the file is missing or corrupt.
    """
    _store.choice(split, "split", SPLITS)
    return _load(_store.FILES, split)


@lru_cache(maxsize=6)
def _load(folder: Path, split: str) -> Novels:
    chosen = _store.of_split(_novels(folder), split, HELD_OUT)
    return Novels("\n\n".join(novel.text for novel in chosen), chosen)


@lru_cache(maxsize=2)
def _novels(folder: Path) -> tuple[Novel, ...]:
    novels = (Novel(**entry) for entry in _store.read_bz2_json(FILE))
    return tuple(sorted(novels, key=lambda n: (n.year, n.title)))
