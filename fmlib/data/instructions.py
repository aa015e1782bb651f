"""Instructions and answers: short speeches from the plays, each with an instruction that it obeys.

An instruction asks for a question, an exclamation or a statement, in one to three lines, and most say with which word it
must begin. Whether an answer obeys can be told by a rule. Held-out instructions are combinations that training does not
have; the words of a last split are never asked for in training.
"""

import dataclasses
import re
from functools import lru_cache
from pathlib import Path

from fmlib.data import _store

SPLITS = ("train", "validation", "test", "new_words")
FILE = "instructions/instructions.json.bz2"
ENDINGS = {"question": "?", "exclamation": "!", "statement": "."}
LINES = {1: "one line", 2: "two lines", 3: "three lines"}
_OPENINGS = {"question": "Ask a question", "exclamation": "Exclaim", "statement": "Say something"}


@dataclasses.dataclass(frozen=True)
class Instruction:
    """What is asked for, and an answer that obeys.

    Args:
        kind: "question", "exclamation" or "statement".
        lines: how many lines the answer has.
        first: the word that it begins with; None where nothing is asked for.
        answer: a speech from a play.
    """

    kind: str
    lines: int
    first: str | None
    answer: str

    @property
    def text(self) -> str:
        """As the model reads it, e.g. "Ask a question in two lines, beginning with Why."."""
        first = f", beginning with {self.first}" if self.first else ""
        return f"{_OPENINGS[self.kind]} in {LINES[self.lines]}{first}."

    def obeyed_by(self, answer: str) -> dict[str, bool]:
        """Which parts of the instruction an answer obeys.

        Args:
            answer: any text.

        Returns:
            "kind": it ends with the mark that was asked for; "lines": it has as many, none empty; "first": it begins with
            the word, whole and in any case. The last is left out where no word was asked for.
        """
        answer = answer.strip()
        lines = answer.split("\n")
        obeyed = {
            "kind": answer.endswith(ENDINGS[self.kind]),
            "lines": len(lines) == self.lines and all(line.strip() for line in lines),
        }
        if self.first is not None:
            obeyed["first"] = re.match(rf"{self.first}\b", answer, re.IGNORECASE) is not None
        return obeyed


def load_instructions(split: str = "train") -> tuple[Instruction, ...]:
    """The instructions of one split.

    Args:
        split: "train"; "validation" or "test" (combinations of kind, lines and word that training does not have, one
            instruction each); "new_words" (words that training never asks for, one instruction for each combination).
            No answer is in two splits.

    Returns:
        The instructions, shuffled; the same object at each call.

    Raises:
        ValueError: unknown split.
        DataError: the file is missing or corrupt.
    """
    _store.choice(split, "split", SPLITS)
    return _load(_store.FILES)[split]


@lru_cache(maxsize=2)
def _load(folder: Path) -> dict[str, tuple[Instruction, ...]]:
    document = _store.read_bz2_json(FILE)
    return {split: tuple(Instruction(**entry) for entry in entries) for split, entries in document.items()}
