"""Shakespeare: 38 plays as plain text, five million characters, split by whole plays.

One form throughout: a speaker's name with a colon on its own line, the lines spoken as they stand, stage directions
in brackets, a blank line between speeches; ASCII only.
"""

import dataclasses

from fmlib.data.works import Collection, Text, Work


@dataclasses.dataclass(frozen=True, repr=False)
class Play(Work):
    """One play.

    Args:
        title: e.g. "Macbeth".
        text: the whole play, its title first.
        genre: "comedies", "problems", "romances", "histories", "roman" or "tragedies".
    """

    genre: str


PLAYS = Collection(
    file="shakespeare/plays.json.bz2",
    make=Play,
    order=lambda play: play.title,
    held_out={  # a comedy, a history and a tragedy each
        "validation": ("The Comedy of Errors", "King John", "Timon of Athens"),
        "test": ("A Midsummer Night's Dream", "Richard II", "Macbeth"),
    },
)


def load_shakespeare(split: str = "train") -> Text:
    """The plays of one split.

    Args:
        split: "train" (32 plays), "validation" (3, for tuning) or "test" (3).

    Returns:
        The plays, in alphabetical order of their titles; the same object at each call, since strings cannot be changed.

    Raises:
        ValueError: unknown split.
        DataError: the file is missing or corrupt.
    """
    return PLAYS.load(split)
