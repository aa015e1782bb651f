"""Finding an exercise by its name. A chapter's file is loaded only when a name is looked up."""

import difflib
import importlib
from types import ModuleType

from fmlib.exercises.exercise import Exercise, Prediction
from fmlib.exercises.quizzes import Quiz

CHAPTERS = ("self_supervised", "llm")  # each is a module beside this one, in the book's order


class UnknownExercise(ValueError):
    """No exercise has this name."""


def chapter(name: str) -> ModuleType:
    """A chapter's module, with its `EXERCISES`, `PREDICTIONS` and `QUIZZES`.

    Raises:
        ValueError: there is no such chapter.
    """
    if name not in CHAPTERS:
        raise ValueError(f"{name!r} is no chapter with exercises: expected one of {', '.join(CHAPTERS)}")
    return importlib.import_module(f"fmlib.exercises.{name}")


def exercises() -> tuple[Exercise, ...]:
    """All functions to write or mend, in the book's order."""
    return tuple(item for name in CHAPTERS for item in chapter(name).EXERCISES)


def predictions() -> tuple[Prediction, ...]:
    """All numbers to guess, in the book's order."""
    return tuple(item for name in CHAPTERS for item in chapter(name).PREDICTIONS)


def quizzes() -> tuple[Quiz, ...]:
    """All quizzes, in the book's order."""
    return tuple(item for name in CHAPTERS for item in chapter(name).QUIZZES)


def find(name: str, among: tuple, example: str) -> Exercise | Prediction | Quiz:
    """The one of `among` that is called `name`.

    Args:
        name: as the notebook writes it.
        among: exercises, predictions or quizzes.
        example: a right call, for the message.

    Raises:
        TypeError: the name is not a string.
        UnknownExercise: nothing is called so; the message has the nearest names, and all.
    """
    names = [item.name for item in among]
    if not isinstance(name, str):
        raise TypeError(f"the name is a {type(name).__name__}: expected a string, as in `{example}`")
    if name not in names:
        near = difflib.get_close_matches(name, names, n=2, cutoff=0.5)
        guess = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise UnknownExercise(f"{name!r} is unknown: {guess}The names are {', '.join(names)}")
    return among[names.index(name)]
