"""What an exercise is made of: its task, its cases, and the mistakes that it can name.

Everything here is plain, frozen data; `fmlib.exercises.checking` runs it. A chapter's file (`fmlib/exercises/<chapter>.py`)
holds three tuples: `EXERCISES`, `PREDICTIONS` and `QUIZZES`.
"""

import inspect
import textwrap
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from fmlib.exercises.observe import RESULT_ONLY, Observe, same_world

Inputs = dict[str, Any]
KINDS = {"write": "Write it", "fix": "Fix it"}


@dataclass(frozen=True)
class Case:
    """One input to try, made anew for every call, so that no attempt sees what another did to its inputs.

    Args:
        label: what is special about it, as the learner reads it: ``"4 pictures, temperature 0.1"``.
        make: from a generator to the arguments, by name and in the order of the signature. An argument left out tests its
            default.
    """

    label: str
    make: Callable[[torch.Generator], Inputs]

    def inputs(self) -> Inputs:
        """The same arguments every time: the seed is a hash of the label."""
        seed = zlib.crc32(self.label.encode())
        with same_world():  # a network that is made draws from the global state, and has the default dtype
            return self.make(torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Misconception:
    """A wrong idea: the sentence that explains it, and implementations that have it.

    It is recognized by what it does: an attempt that behaves as one of `wrong` wherever that one departs from the reference
    gets the sentence, however it is spelled.

    Args:
        sentence: what is wrong, why, and what to do; `code` in backticks.
        wrong: one implementation for each way in which the idea shows.
    """

    sentence: str
    wrong: tuple[Callable, ...]


@dataclass(frozen=True)
class Exercise:
    """A function to write or to mend, with all that is needed to judge it.

    Args:
        name: of the exercise and of the learner's function, unique in the book.
        chapter: the folder's name, e.g. "self_supervised".
        title: a few words.
        goal: Markdown: what the function is for, what comes in and goes out, and which bad input need not be handled.
        kind: "write" (from a starter that raises) or "fix" (from a starter that runs and is wrong).
        difficulty: 1 to 3.
        minutes: for a reader who knows PyTorch.
        starter: source of the starter cell.
        reference: the library's own function.
        cases: seeded inputs, the edge cases among them, the simplest first.
        misconceptions: at least three; the first that fits is told.
        hints: from a nudge to nearly the answer.
        observe: what to look at besides the returned value, see `fmlib.exercises.observe`.
        tolerance: relative to the largest expected number.
    """

    name: str
    chapter: str
    title: str
    goal: str
    kind: Literal["write", "fix"]
    difficulty: int
    minutes: int
    starter: str
    reference: Callable
    cases: tuple[Case, ...]
    misconceptions: tuple[Misconception, ...]
    hints: tuple[str, ...]
    observe: Observe = RESULT_ONLY
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"name is {self.name!r}: expected the name of the learner's function")
        if self.kind not in KINDS:
            raise ValueError(f"{self.name}: kind is {self.kind!r}: expected one of {', '.join(KINDS)}")
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"{self.name}: difficulty is {self.difficulty}: expected 1, 2 or 3")
        for part in ("cases", "misconceptions", "hints"):
            if not getattr(self, part):
                raise ValueError(f"{self.name}: {part} is empty: expected at least one")

    @property
    def signature(self) -> str:
        """As the learner writes it, e.g. ``"nt_xent(z1, z2, temperature=0.5)"``."""
        lines = [line for line in self.starter.splitlines() if line.startswith(f"def {self.name}(")]
        return lines[0].removeprefix("def ").rstrip(":") if lines else f"{self.name}(...)"


@dataclass(frozen=True)
class Prediction:
    """A number to guess before it is measured.

    Args:
        name: unique in the book.
        chapter: the folder's name.
        question: what to guess, with its unit.
        explanation: why it comes out as it does, shown with the measured number.
        close: a guess within this share of the measured number counts as close.
    """

    name: str
    chapter: str
    question: str
    explanation: str
    close: float = 0.1


def slips(right: Callable, *mistakes: dict[str, str]) -> tuple[Callable, ...]:
    """A right answer with one thing wrong: its source with a small edit, so that the mistake is the line that you read.

    Args:
        right: a plain function in a chapter's file.
        mistakes: for each wrong function, what stands in the source -> what is written there by mistake.

    Returns:
        One wrong function for each mistake.

    Raises:
        ValueError: the text to replace is missing or occurs more than once.
    """
    wrong = []
    for mistake in mistakes:
        source = textwrap.dedent(inspect.getsource(right))
        for old, new in mistake.items():
            if source.count(old) != 1:
                count = source.count(old)
                raise ValueError(f"{old!r} occurs {count} times in {right.__name__}: expected once")
            source = source.replace(old, new)
        wrong.append(written(source, right))
    return tuple(wrong)


def written(source: str, right: Callable) -> Callable:
    """A function from its source, e.g. that of a starter with a bug.

    Args:
        source: defines a function of the name of `right`.
        right: whose module the source may use the names of.
    """
    scope = dict(inspect.unwrap(right).__globals__)
    exec(compile(source, f"<{right.__name__} with a slip>", "exec"), scope)  # our own text, never a learner's
    return scope[right.__name__]
