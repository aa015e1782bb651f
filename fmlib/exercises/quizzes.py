"""Multiple choice that needs no kernel: HTML that stands by itself on the page, and plain text in a terminal."""

import hashlib
import html
import string
import textwrap
from dataclasses import dataclass

from fmlib.exercises.showing import Card, inline


@dataclass(frozen=True)
class Choice:
    """One answer to choose.

    Args:
        text: the answer.
        why: why it is right, or what is wrong with it.
        right: whether it is the right one.
    """

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question with exactly one right choice among three or more.

    Args:
        text: the question.
        choices: in the order in which they are shown.
    """

    text: str
    choices: tuple[Choice, ...]

    def __post_init__(self) -> None:
        rights = sum(choice.right for choice in self.choices)
        if len(self.choices) < 3 or rights != 1:
            raise ValueError(
                f"{self.text!r} has {len(self.choices)} choices, {rights} of them right: "
                "expected three or more, exactly one right"
            )


@dataclass(frozen=True, repr=False)
class Quiz:
    """A few questions that show themselves.

    Without a script each question has its answer folded away; with it, a button says whether the choice is right, and why.

    Args:
        name: unique in the book.
        chapter: the folder's name.
        title: a few words.
        questions: at least one.
    """

    name: str
    chapter: str
    title: str
    questions: tuple[Question, ...]

    def __repr__(self) -> str:
        lines = [self.title]
        for number, question in enumerate(self.questions, 1):
            lines += ["", *_fill(f"{number}. {question.text}", "")]
            for letter, choice in zip(string.ascii_lowercase, question.choices, strict=False):
                lines += _fill(f"{letter}) {choice.text}", "   ")
        return "\n".join([*lines, "", f'The answers: solution("{self.name}")'])

    def answers(self) -> Card:
        """Every right choice with its reason."""
        lines = []
        for number, question in enumerate(self.questions, 1):
            letter, right = next(
                pair for pair in zip(string.ascii_lowercase, question.choices, strict=False) if pair[1].right
            )
            lines.append(f"{number}. {letter}) {right.text} {right.why}")
        return Card("info", f"Answers of `{self.name}`", tuple(lines))

    def _repr_html_(self) -> str:
        identity = "quiz-" + hashlib.sha256(repr(self.questions).encode()).hexdigest()[:12]
        parts = [_question_html(question, i, identity) for i, question in enumerate(self.questions, 1)]
        score = '<p class="fmlib-quiz-score" role="status" hidden></p>'
        title = html.escape(self.title)
        return (
            f'<section class="fmlib-quiz" data-fmlib-quiz="{identity}" aria-label="{title}">'
            f"<p><strong>{title}</strong></p>{''.join(parts)}{score}"
            f"<script>{_SCRIPT.replace('IDENTITY', identity)}</script></section>"
        )


def _fill(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 98, initial_indent=indent, subsequent_indent=indent + "   ")


def _question_html(question: Question, number: int, identity: str) -> str:
    options, reasons = [], []
    for letter, choice in zip(string.ascii_lowercase, question.choices, strict=False):
        key = f"{identity}-{number}-{letter}"
        options.append(
            f'<p style="margin:0.25em 0"><input type="radio" name="{identity}-{number}" id="{key}" value="{letter}"> '
            f'<label for="{key}">{inline(choice.text)}</label></p>'
        )
        verdict = "Right." if choice.right else "No."
        reasons.append(
            f'<li data-choice="{letter}" data-right="{int(choice.right)}"><em>{inline(choice.text)}</em> '
            f"<span><strong>{verdict}</strong> {inline(choice.why)}</span></li>"
        )
    return (
        '<fieldset style="border:1px solid #7a7f87;border-radius:4px;margin:0.8em 0;padding:0.4em 0.9em">'
        f'<legend style="float:left;width:100%;margin:0.3em 0;font-size:1em">{number}. {inline(question.text)}</legend>'
        f'<div style="clear:both">{"".join(options)}</div>'
        '<p class="fmlib-quiz-said" role="status" style="margin:0.4em 0"></p>'
        f'<details><summary>Answer</summary><ol type="a" style="list-style-type:lower-alpha">{"".join(reasons)}</ol>'
        "</details></fieldset>"
    )


# A button, not the choice itself, asks for the verdict: the arrow keys choose every option that they pass. The reason stands
# already, folded, in the page; the score appears with the first answer.
_SCRIPT = """
(() => {
  for (const quiz of document.querySelectorAll('[data-fmlib-quiz="IDENTITY"]:not([data-ready])')) {
    quiz.dataset.ready = '1';
    const questions = [...quiz.querySelectorAll('fieldset')], first = new Map();
    questions.forEach((question, index) => {
      const said = question.querySelector('.fmlib-quiz-said'), button = document.createElement('button');
      button.type = 'button';
      button.textContent = `Check answer ${index + 1}`;
      said.before(button);
      button.addEventListener('click', () => {
        const chosen = question.querySelector('input:checked');
        if (!chosen) { said.textContent = 'Choose an answer first.'; return; }
        const reason = question.querySelector(`li[data-choice="${chosen.value}"]`);
        said.innerHTML = reason.querySelector('span').innerHTML;
        if (!first.has(index)) first.set(index, reason.dataset.right === '1');
        const right = [...first.values()].filter(Boolean).length, score = quiz.querySelector('.fmlib-quiz-score');
        score.hidden = false;
        score.textContent = `${right} right at the first try, ${first.size} of ${questions.length} answered`;
      });
    });
  }
})();
"""
