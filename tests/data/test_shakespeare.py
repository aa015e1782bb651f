"""Shakespeare: all plays, clean, each in one split."""

import re
from collections import Counter

import pytest
from build_shakespeare import clean

from fmlib.data import _store, load_shakespeare

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def splits():
    return {split: load_shakespeare(split) for split in SPLITS}


@pytest.fixture(scope="module")
def plays(splits):
    return [play for part in splits.values() for play in part.works]


def test_all_38_plays_are_there_each_in_one_split(plays):
    assert len(plays) == 38
    assert len({play.title for play in plays}) == 38


def test_no_play_is_in_two_splits_under_two_titles(plays):
    lines = [{line for line in play.text.splitlines() if len(line) > 35} for play in plays]
    for i, one in enumerate(lines):
        for other in lines[:i]:
            assert len(one & other) < 0.02 * len(one)


@pytest.mark.parametrize(
    ("split", "low", "high"), [("train", 0.86, 0.9), ("validation", 0.05, 0.07), ("test", 0.05, 0.07)]
)
def test_validation_and_test_have_about_a_twentieth_each(splits, split, low, high):
    total = sum(len(part.text) for part in splits.values())
    assert low < len(splits[split].text) / total < high


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_plays_are_a_comedy_a_history_and_a_tragedy(splits, split):
    assert sorted(play.genre for play in splits[split].works) == ["comedies", "histories", "tragedies"]


def test_there_are_about_five_million_characters(plays):
    assert 4.9e6 < sum(len(play.text) for play in plays) < 5.1e6


def test_the_text_is_plain_ascii_with_few_different_characters(plays):
    characters = set("".join(play.text for play in plays))
    assert max(characters) < "\x7f"
    assert len(characters) < 85
    assert not characters & set("*_#\\<>{}$\t\r")


def test_a_play_begins_with_its_title_and_its_first_act(plays):
    for play in plays:
        title, act = play.text.split("\n\n")[:2]
        assert title == play.title
        assert act.startswith(("ACT I", "PROLOGUE")), play.title


def test_lines_have_no_spaces_at_their_ends_and_speeches_one_blank_line_between(plays):
    for play in plays:
        assert not re.search(r"[ \t]\n|\n{3,}|  ", play.text), play.title


def test_stage_directions_are_in_balanced_brackets(plays):
    for play in plays:
        depth = 0
        for character in re.findall(r"[\[\]]", play.text):
            depth += 1 if character == "[" else -1
            assert depth in (0, 1), play.title
        assert depth == 0, play.title


def test_speakers_stand_on_their_own_line(plays):
    hamlet = next(play for play in plays if play.title == "Hamlet")
    names = Counter(re.findall(r"^([A-Z ]+):$", hamlet.text, re.MULTILINE))
    assert names["HAMLET"] > 300
    assert "\n\nHAMLET:\nTo be, or not to be: that is the question:\n" in hamlet.text


def test_the_text_of_a_split_is_its_plays_in_order(splits):
    for part in splits.values():
        assert part.text == "\n\n".join(play.text for play in part.works)
        assert [play.title for play in part.works] == sorted(play.title for play in part.works)


@pytest.mark.parametrize("split", ["dev", "all", ""])
def test_an_unknown_split_is_refused_with_the_choices(split):
    with pytest.raises(
        ValueError, match=f"unknown split {split!r}: choose one of 'train', 'validation', 'test'"
    ):
        load_shakespeare(split)


def test_the_embedded_file_stays_small():
    assert sum(path.stat().st_size for path in (_store.FILES / "shakespeare").iterdir()) < 1.6e6


def test_markdown_becomes_plain_text():
    markdown = (
        "# A Play\n\n## ACT I  \n\n### SCENE I.  A street.\n\n_Enter ONE\nand OTHER_\n\n"
        "**ONE**  \n_\\[Aside]_  \nSay — ‘no’,  \n\\--or [To OTHER]_  \nnothing.\n\n*Exit.*\n"
    )
    title, text = clean(markdown, "a-play")
    assert title == "A Play"
    assert text == (
        "A Play\n\nACT I\n\nSCENE I. A street.\n\n[Enter ONE and OTHER]\n\n"
        "ONE:\n[Aside]\nSay -- 'no',\n--or [To OTHER]\nnothing.\n\n[Exit.]\n"
    )


def test_a_play_without_a_title_is_named_after_its_file():
    assert clean("## ACT I\n\n**ONE**  \nAy.\n", "measure-for-measure")[0] == "Measure for Measure"
