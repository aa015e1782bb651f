"""Austen: all novels, clean, each in one split."""

import re
import struct

import pytest
from build_austen import RData, clean, clean_block, number

from fmlib.checkpoints import load_shakespeare_gpt
from fmlib.data import _store, load_austen

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def splits():
    return {split: load_austen(split) for split in SPLITS}


@pytest.fixture(scope="module")
def novels(splits):
    return [novel for part in splits.values() for novel in part.works]


def test_all_six_novels_are_there_each_in_one_split(splits, novels):
    assert len({novel.title for novel in novels}) == len(novels) == 6
    assert [len(part.works) for part in splits.values()] == [4, 1, 1]


def test_no_novel_shares_paragraphs_with_another(novels):
    paragraphs = [{block for block in novel.text.split("\n\n") if len(block) > 60} for novel in novels]
    for i, one in enumerate(paragraphs):
        for other in paragraphs[:i]:
            assert not one & other


def test_there_are_about_four_million_characters(novels):
    assert 3.9e6 < sum(len(novel.text) for novel in novels) < 4.1e6


def test_the_text_is_plain_ascii_with_few_different_characters(novels):
    characters = set("".join(novel.text for novel in novels))
    assert max(characters) < "\x7f"
    assert len(characters) < 85
    assert not characters & set("*_#\\<>{}$\t\r")


def test_the_tokenizer_of_the_plays_cuts_the_novels_into_more_than_letters(splits):
    _, tokenizer = load_shakespeare_gpt()
    text = splits["validation"].text[:50_000]
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert len(tokens) < len(text) / 2


def test_a_novel_begins_with_its_title_and_has_its_chapters_in_order(novels):
    for novel in novels:
        assert novel.text.startswith(f"{novel.title}\n\n")
        found = [int(n) for n in re.findall(r"\n\nCHAPTER (\d+)\n\n", novel.text)]
        starts = [i for i, n in enumerate(found) if n == 1]
        assert len(found) >= 24
        assert len(starts) == (3 if novel.title == "Emma" else 1)  # the others count through their volumes
        assert found == [i - max(s for s in starts if s <= i) + 1 for i in range(len(found))]


def test_a_paragraph_has_one_line_and_blank_lines_stand_alone(novels):
    for novel in novels:
        assert not re.search(r" \n|\n |\n{3,}|  ", novel.text), novel.title
        blocks = novel.text.strip().split("\n\n")
        assert sum("\n" not in block for block in blocks) > 0.97 * len(blocks)


def test_notes_of_later_editors_are_gone(novels):
    text = "".join(novel.text for novel in novels)
    for words in ("Signet", "this edition", "FINIS", "THE END", "By Jane Austen", "University Press"):
        assert words not in text


def test_the_text_of_a_split_is_its_novels_in_the_order_of_their_years(splits):
    for part in splits.values():
        assert part.text == "\n\n".join(novel.text for novel in part.works)
        years = [novel.year for novel in part.works]
        assert years == sorted(years)


@pytest.mark.parametrize("split", ["dev", "all", ""])
def test_an_unknown_split_is_refused_with_the_choices(split):
    with pytest.raises(
        ValueError, match=f"unknown split {split!r}: choose one of 'train', 'validation', 'test'"
    ):
        load_austen(split)


def test_the_embedded_file_stays_small():
    assert sum(path.stat().st_size for path in (_store.FILES / "austen").iterdir()) < 1.1e6


def test_wrapped_lines_become_paragraphs_and_headings_one_form():
    lines = [
        *("A BOOK", "", "By Jane Austen", "", "", "Chapter XIV", "", "It  was", "_very_ dull", "", "* * *"),
        *("", "   Roses are red,", "     violets blue", "", "[End volume one of this edition.]", "", "Finis"),
        *("", "A NOTE ON THE TEXT", "", "It has \u00a320 notes."),
    ]
    expected = "A Book\n\nCHAPTER 14\n\nIt was very dull\n\nRoses are red,\nviolets blue\n"
    assert clean(lines, "A Book") == expected


def test_pounds_are_written_as_elsewhere_in_the_novels():
    assert (
        clean(["CHAPTER 1", "", "her \u00a320,000, any one"], "T")
        == "T\n\nCHAPTER 1\n\nher 20,000 l., any one\n"
    )


def test_a_long_indented_block_is_a_letter_and_becomes_one_line():
    assert "\n" not in clean_block("\n".join(["     word word"] * 20))


@pytest.mark.parametrize(("roman", "value"), [("I", 1), ("IV", 4), ("XLVIII", 48), ("XIX", 19), ("7", 7)])
def test_numerals_are_read(roman, value):
    assert number(roman) == value


def r_string(text):
    return struct.pack(">ii", 9 | 1 << 18, len(text)) + text.encode()


def test_r_data_are_decoded_with_names_and_repeated_symbols():
    names = struct.pack(">i", 1) + r_string("names")
    head = b"X\n" + struct.pack(">iiii", 3, 0, 0, 5) + b"UTF-8"
    inner = struct.pack(">iiii", 13, 2, 7, 8)
    content = struct.pack(">ii", 19 | 512, 2) + inner + struct.pack(">ii", 16, 1) + r_string("x")
    attributes = (
        struct.pack(">i", 2 | 1024) + names + struct.pack(">ii", 16, 2) + r_string("a") + r_string("b")
    )
    assert RData(head + content + attributes + struct.pack(">i", 254)).read() == {"a": [7, 8], "b": ["x"]}


@pytest.mark.parametrize("content", [b"RDX3", b"X\n" + struct.pack(">iii", 2, 0, 0)])
def test_other_formats_are_refused(content):
    with pytest.raises(SystemExit, match="no R data of version 3"):
        RData(content).read()
