"""An author's works as plain text, split by whole works: what the loaders of Shakespeare and of Austen share."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from fmlib.data import _store

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Work:
    """One work.

    Args:
        title: e.g. "Macbeth".
        text: the whole work, its title first.
    """

    title: str
    text: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.title!r}, {len(self.text):,} characters)"


@dataclasses.dataclass(frozen=True)
class Text:
    """Works, and all of them in one string.

    Args:
        text: the works one after the other, with two blank lines between them.
        works: the works, in their order.
    """

    text: str
    works: tuple[Work, ...]

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        return f"Text({len(self.works)} works, {len(self.text):,} characters)"


@dataclasses.dataclass(frozen=True)
class Collection:
    """Where an author's works lie, and how they are split.

    Args:
        file: below the folder of the data, a JSON list of works under bzip2.
        make: one entry of the list -> a work.
        order: what the works are sorted by.
        held_out: split -> titles; training has all others.
    """

    file: str
    make: Callable[..., Work]
    order: Callable[[Work], object]
    held_out: Mapping[str, Sequence[str]] = dataclasses.field(hash=False)  # the file says it all

    def load(self, split: str) -> Text:
        """The works of one split; the same object at each call, since strings cannot be changed.

        Raises:
            ValueError: unknown split.
            DataError: the file is missing or corrupt.
        """
        _store.choice(split, "split", SPLITS)
        return _load(self, _store.FILES, split)


@lru_cache(maxsize=12)
def _load(collection: Collection, folder: Path, split: str) -> Text:
    chosen = _store.of_split(_works(collection, folder), split, collection.held_out)
    return Text("\n\n".join(work.text for work in chosen), chosen)


@lru_cache(maxsize=4)
def _works(collection: Collection, folder: Path) -> tuple[Work, ...]:
    works = (collection.make(**entry) for entry in _store.read_bz2_json(collection.file))
    return tuple(sorted(works, key=collection.order))
