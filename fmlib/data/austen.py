"""Jane Austen: six novels as plain text, four million characters, split by whole novels.

One form throughout: a chapter's heading on its own line, a paragraph on one line, a blank line between paragraphs; ASCII
only, so that a tokenizer of Shakespeare's plays cuts it into pieces that it knows.
"""

import dataclasses

from fmlib.data.works import Collection, Text, Work


@dataclasses.dataclass(frozen=True, repr=False)
class Novel(Work):
    """One novel.

    Args:
        title: e.g. "Emma".
        text: the whole novel, its title first.
        year: in which it was first published.
    """

    year: int


NOVELS = Collection(
    file="austen/novels.json.bz2",
    make=Novel,
    order=lambda novel: (novel.year, novel.title),
    held_out={"validation": ("Northanger Abbey",), "test": ("Persuasion",)},
)


def load_austen(split: str = "train") -> Text:
    """The novels of one split.

    Args:
        split: "train" (4 novels), "validation" (*Northanger Abbey*, for tuning) or "test" (*Persuasion*).

    Returns:
        The novels, in the order in which they were published; the same object at each call, since strings cannot be
        changed.

    Raises:
        ValueError: unknown split.
        DataError: the file is missing or corrupt.
    """
    return NOVELS.load(split)
