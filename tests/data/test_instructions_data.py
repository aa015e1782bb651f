"""Instructions: every answer obeys, and what is held out is not in training."""

import pytest
from build_instructions import NEW_WORDS, form, speeches

from fmlib.data import Instruction, _store, load_instructions, load_shakespeare

SPLITS = ("train", "validation", "test", "new_words")


@pytest.fixture(scope="module")
def splits():
    return {split: load_instructions(split) for split in SPLITS}


def test_every_answer_obeys_its_instruction(splits):
    for entries in splits.values():
        assert all(all(entry.obeyed_by(entry.answer).values()) for entry in entries)


def test_there_are_enough_of_each_form(splits):
    assert 2000 < len(splits["train"]) < 2500
    assert all(len(splits[split]) > 30 for split in ("validation", "test", "new_words"))
    forms = [(entry.kind, entry.lines) for entry in splits["train"]]
    assert len(set(forms)) == 9
    assert min(forms.count(one) for one in set(forms)) > 80


@pytest.mark.parametrize("split", ["validation", "test", "new_words"])
def test_training_has_no_held_out_instruction(splits, split):
    assert not {entry.text for entry in splits[split]} & {entry.text for entry in splits["train"]}


def test_what_is_chosen_by_is_not_what_is_reported_on(splits):
    assert not {entry.text for entry in splits["validation"]} & {entry.text for entry in splits["test"]}


def test_no_answer_is_in_two_splits(splits):
    answers = [entry.answer for entries in splits.values() for entry in entries]
    assert len(set(answers)) == len(answers)


def test_new_words_are_asked_for_nowhere_else(splits):
    assert {entry.first for entry in splits["new_words"]} == set(NEW_WORDS)
    others = [entry.first for split in SPLITS[:3] for entry in splits[split]]
    assert not set(others) & set(NEW_WORDS)


def test_answers_stand_in_the_plays(splits):
    plays = "".join(load_shakespeare(split).text for split in SPLITS[:3])
    for split in SPLITS[1:]:
        assert all(entry.answer in plays for entry in splits[split])


def test_training_answers_come_from_training_plays(splits):
    text = load_shakespeare("train").text
    assert all(entry.answer in text for entry in splits["train"])


@pytest.mark.parametrize(
    ("kind", "lines", "first", "text"),
    [
        ("question", 2, "Why", "Ask a question in two lines, beginning with Why."),
        ("exclamation", 1, None, "Exclaim in one line."),
        ("statement", 3, None, "Say something in three lines."),
    ],
)
def test_instructions_are_sentences(kind, lines, first, text):
    assert Instruction(kind, lines, first, "").text == text


@pytest.mark.parametrize(
    ("answer", "obeyed"),
    [
        ("Why not?\nWho knows?", {"kind": True, "lines": True, "first": True}),
        ("why so!", {"kind": False, "lines": False, "first": True}),
        ("Whyever\nnot?", {"kind": True, "lines": True, "first": False}),
        ("Why\n\nnot?", {"kind": True, "lines": False, "first": True}),
        ("", {"kind": False, "lines": False, "first": False}),
    ],
)
def test_the_rule_sees_what_is_obeyed(answer, obeyed):
    assert Instruction("question", 2, "Why", "").obeyed_by(answer) == obeyed


def test_an_unknown_split_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="unknown split 'dev': choose one of 'train'"):
        load_instructions("dev")


def test_the_embedded_file_stays_small():
    assert sum(path.stat().st_size for path in (_store.FILES / "instructions").iterdir()) < 1e5


def test_speeches_lose_their_speakers_and_directions():
    play = "Title\n\nONE:\nAy, my lord.\n\n[Exit]\n\nTWO MEN:\nNo! [Aside] no!\n\nTHREE:\nWhat then?\nAnd where?\n"
    assert speeches(play) == ["Ay, my lord.", "What then?\nAnd where?"]
    assert form("What is it then, sir?") == ("question", 1)
    assert form("Short?") is None
    assert form("One line that is long enough,") is None
