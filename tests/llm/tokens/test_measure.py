"""Bits per character, and the counting models behind the lesson's curve."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmlib.evaluate import bits_per_character
from fmlib.llm.tokens.characters import ByteTokenizer
from fmlib.llm.tokens.measure import bigram_nats, characters_per_token, likeness_to_unused, unigram_nats
from fmlib.llm.tokens.show import color_tokens, draw_tokens, token_text
from fmlib.llm.tokens.tokenizer import BPETokenizer

ids = st.lists(st.integers(0, 4), min_size=1, max_size=30).map(np.array)


def test_a_fair_coin_costs_one_bit():
    assert bits_per_character(100 * math.log(2), 100) == pytest.approx(1.0)
    assert bits_per_character(0.0, 3) == 0.0


def test_a_text_without_characters_or_a_negative_loss_is_refused(refuses):
    with refuses(ValueError, "characters is 0"):
        bits_per_character(1.0, 0)
    with refuses(ValueError, "nats is -1.0"):
        bits_per_character(-1.0, 5)
    with refuses(ValueError, "nats is nan"):
        bits_per_character(float("nan"), 5)
    with refuses(ValueError, "text is empty"):
        characters_per_token("", ByteTokenizer())


def test_a_byte_tokenizer_has_a_character_a_token():
    assert characters_per_token("plain", ByteTokenizer()) == 1.0
    assert characters_per_token("éé", ByteTokenizer()) == 0.5


@given(ids, st.integers(0, 4), st.sampled_from([0.1, 0.5, 0.75, 1.0]))
def test_the_probabilities_of_what_follows_sum_to_one(train, before, discount):
    first = bigram_nats(train, np.array([before]), 5, discount)
    pairs = [bigram_nats(train, np.array([before, after]), 5, discount) - first for after in range(5)]
    assert sum(math.exp(-nats) for nats in pairs) == pytest.approx(1.0)
    assert sum(math.exp(-unigram_nats(train, np.array([i]), 5)) for i in range(5)) == pytest.approx(1.0)


def test_the_pairs_help_where_one_token_tells_the_next():
    train, held_out = np.array([0, 1] * 50), np.array([0, 1] * 20)
    assert bigram_nats(train, held_out, 2) < 0.3 * unigram_nats(train, held_out, 2)


def test_a_discount_outside_its_range_and_an_empty_text_are_refused(refuses):
    with refuses(ValueError, "discount is 1.5"):
        bigram_nats(np.array([0]), np.array([0]), 2, 1.5)
    with refuses(ValueError, "held_out is empty"):
        bigram_nats(np.array([0]), np.array([], dtype=np.int64), 2)


class TestShown:
    def test_every_token_stands_in_a_box_with_its_id(self):
        tokenizer = BPETokenizer.train("the the the", 258)
        shown = color_tokens(tokenizer, "the <b>")
        assert shown.markup.count("<span") == len(tokenizer.encode("the <b>"))
        assert f'title="token {tokenizer.encode("the")[0]}"' in shown.markup
        assert "&lt;" in shown.markup
        assert "<b>" not in shown.markup

    def test_without_a_browser_bars_mark_the_borders(self):
        tokenizer = BPETokenizer.train("the the the", 258)
        assert repr(color_tokens(tokenizer, "the\n")) == "|the|⏎| (2 tokens, 4 characters, 4 bytes)"

    def test_a_long_text_is_cut_off_and_says_so(self):
        shown = color_tokens(ByteTokenizer(), "a" * 50, limit=10)
        assert shown.markup.count("<span") == 10
        assert "and 40 more" in repr(shown)

    @given(st.binary(max_size=8))
    def test_any_bytes_can_be_shown(self, spelling):
        token_text(spelling).encode("utf-8")

    def test_parts_of_a_character_are_shown_as_bytes(self):
        assert token_text("é".encode()[:1]) == "<C3>"
        assert token_text(b" a\x00\t") == "·a<U+0000>⇥"

    def test_two_tokenizers_draw_figures_of_one_size(self):
        tokenizer = BPETokenizer.train("the the the", 258)
        sizes = [
            draw_tokens(t, "the end\nof it", "x").get_size_inches() for t in (tokenizer, ByteTokenizer())
        ]
        assert np.array_equal(*sizes)
        assert len(draw_tokens(tokenizer, "the end", "x").axes[0].patches) == len(tokenizer.encode("the end"))


def test_a_row_that_points_as_the_unused_ones_do_is_found_whatever_its_length():
    rows = np.array([[1.0, 0.1], [1.0, -0.1], [7.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    assert likeness_to_unused(rows, np.array([0, 1]))[2:] == pytest.approx([1.0, 0.0, -1.0])


def test_without_an_unused_token_or_with_a_row_of_zeros_there_is_no_direction(refuses):
    with refuses(ValueError, "unused is empty"):
        likeness_to_unused(np.ones((3, 2)), np.array([], dtype=int))
    with refuses(ValueError, "row 1 is all zeros"):
        likeness_to_unused(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([0]))
