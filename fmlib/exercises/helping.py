"""`hint`, `solution`, `quiz` and `progress`."""

import html
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, groupby

from fmlib.exercises import registry, store
from fmlib.exercises.quizzes import Quiz
from fmlib.exercises.showing import Card


def hint(name: str) -> Card:
    """One more hint each time; the last one stays.

    Args:
        name: of the exercise.

    Returns:
        The hint; as the last line of a cell it shows itself.

    Raises:
        UnknownExercise: no exercise is called so.
    """
    exercise = registry.find(name, registry.exercises(), 'hint("nt_xent")')
    total = len(exercise.hints)

    def change(entry: store.Entry) -> None:
        entry["hints"] = min(entry["hints"] + 1, total)

    entry, trouble = store.update(name, change)
    number = entry["hints"]
    last = f'This is the last one; `solution("{name}")` shows the library\'s code.' if number == total else ""
    lines = tuple(line for line in (exercise.hints[number - 1], last, trouble) if line)
    return Card("info", f"Hint {number} of {total} for `{name}`", lines)


@dataclass(frozen=True, repr=False)
class Solution(Card):
    """The library's own code.

    Args:
        reference: the function.
    """

    reference: Callable | None = None

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n\n# {self.reference.__module__}\n{inspect.getsource(self.reference).rstrip()}"

    def _repr_html_(self) -> str:
        from fmlib.viz import show_source  # brings matplotlib, which a check does not need

        return super()._repr_html_() + show_source(self.reference)._repr_html_()


def solution(name: str) -> Card:
    """The reference of an exercise, read from the library itself; or the answers of a quiz.

    Args:
        name: of the exercise or the quiz.

    Returns:
        The code, highlighted in a notebook and plain in a terminal.

    Raises:
        UnknownExercise: nothing is called so.
    """
    found = registry.find(name, (*registry.exercises(), *registry.quizzes()), 'solution("nt_xent")')
    if isinstance(found, Quiz):
        return found.answers()

    def change(entry: store.Entry) -> None:
        entry["solution"] = True

    _, trouble = store.update(name, change)
    lines = tuple(line for line in ("The library's own code, as the lessons use it.", trouble) if line)
    return Solution("info", f"Solution of `{name}`", lines, reference=found.reference)


def quiz(name: str) -> Quiz:
    """A short quiz; as the last line of a cell it shows itself, and needs no kernel from then on.

    Args:
        name: of the quiz.

    Returns:
        The quiz; its answers are in `solution`.

    Raises:
        UnknownExercise: no quiz is called so.
    """
    return registry.find(name, registry.quizzes(), 'quiz("contrastive")')


@dataclass(frozen=True, repr=False)
class Progress(Card):
    """What is done, as a table.

    Args:
        rows: (chapter, exercise, state, tries, help) for each exercise, chapter by chapter.
    """

    rows: tuple[tuple[str, str, str, str, str], ...] = ()

    HEAD = ("Chapter", "Exercise", "State", "Tries", "Help taken")

    def __repr__(self) -> str:
        table = (self.HEAD, *self.rows)
        widths = [max(len(row[column]) for row in table) for column in range(len(self.HEAD))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table
        ]
        return "\n".join([super().__repr__(), *(line.rstrip() for line in lines)])

    def _repr_html_(self) -> str:
        """A table for each chapter, folded away until something in it is begun."""
        tables = "".join(self._table(list(rows)) for _, rows in groupby(self.rows, key=lambda row: row[0]))
        return f"{super()._repr_html_()}{tables}"

    def _table(self, rows: list[tuple[str, ...]]) -> str:
        style = "text-align:left;padding:0.15em 1em 0.15em 0"
        head = "".join(f'<th scope="col" style="{style}">{cell}</th>' for cell in self.HEAD[1:])
        body = "".join(
            "<tr>" + "".join(f'<td style="{style}">{html.escape(cell)}</td>' for cell in row[1:]) + "</tr>"
            for row in rows
        )
        done, begun = sum(row[2] == "done" for row in rows), any(row[2] != "open" for row in rows)
        title = f"{rows[0][0]}: {done} of {len(rows)} done"
        return (
            f"<details{' open' * begun}><summary>{html.escape(title)}</summary>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"
        )


def progress() -> Progress:
    """What you have done so far, in all chapters; it lasts when the kernel ends.

    Returns:
        A table; as the last line of a cell it shows itself.
    """
    known, trouble = store.entries()
    rows = []
    chapters = map(registry.chapter, registry.CHAPTERS)
    for item in chain.from_iterable((*chapter.EXERCISES, *chapter.PREDICTIONS) for chapter in chapters):
        entry = known.get(item.name, store.BLANK)
        state = "done" if entry["passed"] else "attempted" if entry["tries"] else "open"
        hints = f"{entry['hints']} hint{'s' if entry['hints'] != 1 else ''}" if entry["hints"] else ""
        taken = ", ".join(part for part in (hints, "solution" if entry["solution"] else "") if part)
        rows.append((item.chapter, item.name, state, str(entry["tries"]), taken or "none"))
    done = sum(row[2] == "done" for row in rows)
    return Progress("info", f"{done} of {len(rows)} done", (trouble,) if trouble else (), rows=tuple(rows))
