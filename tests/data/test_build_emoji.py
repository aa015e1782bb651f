"""The arithmetic that turns SVG drawings into pictures, and the choice of what is held out."""

import json

import numpy as np
import pytest
from build_emoji import SIZE, family, halve, hold_out, letters, match, plain, straight, svg_text
from hypothesis import given
from hypothesis.extra.numpy import arrays


def premultiply(pixels):
    alpha = pixels[..., 3:].astype(np.float64)
    return np.concatenate([np.rint(pixels[..., :3] * alpha / 255), alpha], -1).astype(np.uint8)


@given(arrays(np.uint8, (4, 6, 4)))
def test_halving_keeps_color_within_the_range_of_the_visible_sources(pixels):
    """A clear pixel's color must not bleed into its neighbors: that is the halo."""
    source = premultiply(pixels)
    small = straight(halve(source))
    exact = source[..., :3] * 255.0 / np.maximum(source[..., 3:], 1)
    visible = source[..., 3] > 0
    for i in range(2):
        for j in range(3):
            block = np.s_[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            if small[i, j, 3] == 0:
                assert not small[i, j].any()
                continue
            colors = exact[block][visible[block]]
            assert np.all(small[i, j, :3] <= np.minimum(np.ceil(colors.max(0)), 255))
            assert np.all(small[i, j, :3] >= np.minimum(np.floor(colors.min(0)), 255))


@given(arrays(np.uint8, (2, 2, 4)))
def test_straight_undoes_premultiplying_where_it_can(pixels):
    back = straight(premultiply(pixels).astype(np.float64))
    assert np.array_equal(back[..., 3], pixels[..., 3])
    opaque = pixels[..., 3] == 255
    assert np.array_equal(back[opaque], pixels[opaque])


def test_half_of_an_opaque_red_pixel_is_red_at_half_the_opacity():
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[:, 0] = (255, 0, 0, 255)
    assert straight(halve(pixels)).tolist() == [[[255, 0, 0, 128]]]


def test_names_are_compared_by_letters_alone():
    assert letters("red-heart") == letters("RED HEART") == letters("redheart") == "redheart"
    assert letters("woman’s boot") == letters("womans-boot")


def test_code_points_are_compared_without_the_variation_selector():
    assert plain("2764-FE0F") == plain("2764") == "2764"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1F3C3-200D-2640-FE0F", "1F3C3"),  # woman running, person running
        ("1F469-200D-1F52C", "1F9D1-200D-1F52C"),  # woman scientist, scientist
        ("1F6B6-200D-27A1-FE0F", "1F6B6"),  # walking to the right
    ],
)
def test_variants_are_one_family(one, other):
    assert family(one) == family(other)


def test_different_emoji_are_different_families():
    assert family("1F3C3") != family("1F6B6")


def make_emoji(n):
    return [{"hexcode": f"{0x1F600 + i:X}", "group": "a" if i < n // 2 else "b"} for i in range(n)]


def test_a_tenth_of_each_group_is_held_out():
    held = hold_out(make_emoji(400), {})
    assert sum(held[:200]) == sum(held[200:]) == 20


def test_the_choice_is_stable_under_new_emoji_of_another_group():
    grown = [*make_emoji(400), {"hexcode": "1FAFF", "group": "c"}]
    assert hold_out(grown, {})[:400] == hold_out(make_emoji(400), {})


def test_emoji_drawn_alike_by_one_artist_stay_together():
    emoji = make_emoji(200)
    rng = np.random.default_rng(0)
    pictures = {i: rng.integers(0, 256, (SIZE, SIZE, 4), np.uint8) for i in range(200)}
    for i in range(0, 200, 2):
        pictures[i + 1] = pictures[i]
    held = hold_out(emoji, {"artist": pictures})
    assert all(held[i] == held[i + 1] for i in range(0, 200, 2))
    assert sum(held) == 20


def test_a_flipped_alias_is_drawn_flipped_and_a_wide_drawing_gets_a_square_canvas():
    icons = {
        "icons": {"left": {"body": "<path/>", "width": 40}},
        "aliases": {"right": {"parent": "left", "hFlip": True}},
        "width": 32,
        "height": 32,
    }
    assert 'viewBox="0 -4 40 40"' in svg_text(icons, "left")
    assert "scale(-1 1)" in svg_text(icons, "right")
    assert "scale(-1 1)" not in svg_text(icons, "left")


def test_one_drawing_serves_one_emoji_and_the_best_name_wins(tmp_path):
    icons = {"icons": {"bow": {}, "ribbon": {}}, "aliases": {"loop": {"parent": "bow"}}}
    (tmp_path / "icons.json").write_text(json.dumps(icons))
    emoji = [{"aliases": ["personbowing", "bow"]}, {"aliases": ["bow"]}, {"aliases": ["ribbon", "loop"]}]
    assert match(emoji, tmp_path, False, set()) == {1: "bow", 2: "ribbon"}
    assert match(emoji, tmp_path, False, {"bow"}) == {2: "ribbon"}
