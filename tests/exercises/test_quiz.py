"""A quiz works from its HTML alone."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from fmlib.exercises import quiz, registry, solution
from fmlib.exercises.quizzes import Choice, Question

each_quiz = pytest.mark.parametrize("found", registry.quizzes(), ids=lambda found: found.name)


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@each_quiz
def test_nothing_is_fetched_and_every_answer_is_in_the_page(found):
    markup = quiz(found.name)._repr_html_()
    assert not re.search(r"https?:|//[a-z]|url\(|\ssrc=|\shref=|import\s", markup)
    for question in found.questions:
        assert len(question.choices) >= 3
    tags = Tags(markup)
    assert len(tags.all("details")) == len(found.questions)
    assert len(tags.all("li")) == sum(len(question.choices) for question in found.questions)


@each_quiz
def test_it_can_be_read_and_used_without_seeing_or_a_mouse(found):
    tags = Tags(found._repr_html_())
    labels = {attributes["for"] for attributes in tags.all("label")}
    inputs = tags.all("input")
    assert {attributes["id"] for attributes in inputs} == labels
    assert all(attributes["type"] == "radio" for attributes in inputs)
    assert len(tags.all("fieldset")) == len(tags.all("legend")) == len(found.questions)
    assert sum("role" in attributes for attributes in tags.all("p")) == len(found.questions) + 1


@each_quiz
def test_every_choice_says_why(found):
    assert all(len(choice.why) > 20 for question in found.questions for choice in question.choices)


@each_quiz
def test_the_right_choice_is_not_always_at_the_same_place(found):
    places = [[choice.right for choice in question.choices].index(True) for question in found.questions]
    assert len(found.questions) == 1 or len(set(places)) > 1


@each_quiz
def test_its_html_is_the_same_in_every_process(found):
    script = (
        f"from fmlib.exercises import quiz; import sys; sys.stdout.write(quiz({found.name!r})._repr_html_())"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=120)
    assert out.stdout.decode() == found._repr_html_()


@each_quiz
def test_the_terminal_shows_the_questions_without_the_answers(found):
    text = " ".join(repr(found).split())
    answers = " ".join(repr(solution(found.name)).split())
    for number, question in enumerate(found.questions, 1):
        assert f"{number}. {question.text}" in text
        right = next(choice for choice in question.choices if choice.right)
        assert right.why not in text
        assert right.why in answers


def test_an_unknown_quiz_is_answered_with_the_names():
    with pytest.raises(ValueError, match="did you mean 'contrastive'"):
        quiz("contrastiv")


def test_html_in_a_question_is_shown_not_run():
    choices = (Choice("<b>", "no", True), Choice("b", "no"), Choice("c", "no"))
    from fmlib.exercises.quizzes import Quiz

    assert "<b>" not in Quiz("a", "b", "<i>", (Question("<u>?", choices),))._repr_html_()


def test_a_question_without_one_right_choice_is_refused(refuses):
    with refuses(ValueError, "2 choices, 0 of them right"):
        Question("?", (Choice("a", "no"), Choice("b", "no")))
