"""Write the tables and pictures of the data cards in book/data from the data themselves.

    python tools/build_data_cards.py

A card's prose is written by hand; what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` comes from here, so
that no number about our data is typed. A test holds the cards to this.
"""

import io
import re
import textwrap
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fmlib._files import atomic_write_bytes, atomic_write_text
from fmlib.data import (
    _store,
    load_austen,
    load_emoji,
    load_fashion_mnist,
    load_instructions,
    load_shakespeare,
    load_spoken_words,
)
from fmlib.data.emoji import ARTISTS
from fmlib.data.spoken_words import RATE

CARDS = Path(__file__).resolve().parent.parent / "book" / "data"
SETS = {  # our name -> (name, package and version, license)
    "noto": ("Noto Emoji", "`noto` 1.2.9", "Apache 2.0"),
    "twemoji": ("Twemoji", "`twemoji` 1.2.5", "CC BY 4.0"),
    "openmoji": ("OpenMoji", "`openmoji` 1.2.29", "CC BY-SA 4.0"),
    "emojione": ("EmojiOne 2", "`emojione` 1.2.3", "CC BY 4.0"),
    "fxemoji": ("FxEmoji", "`fxemoji` 1.2.2", "CC BY 4.0"),
    "fluent": ("Fluent Emoji, flat (held out)", "`fluent-emoji-flat` 1.2.6", "MIT"),
}
SHOWN = [
    "face with medical mask",
    "ghost",
    "princess",
    "octopus",
    "elephant",
    "sunflower",
    "strawberry",
    "hamburger",
    "rocket",
    "locomotive",
    "guitar",
    "soccer ball",
    "light bulb",
    "bicycle",
]


def table(head: list[str], rows: list[list[object]], numbers: int) -> str:
    """A Markdown table; the last `numbers` columns are aligned to the right."""
    words = len(head) - numbers
    lines = [head, ["---"] * words + ["---:"] * numbers]
    lines += [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def megabytes(folder: str) -> str:
    """Size of the data files below a folder, as text."""
    files = [path for path in (_store.FILES / folder).rglob("*") if path.suffix in {".webp", ".xz", ".bz2"}]
    return f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB"


def fashion_mnist_tables() -> dict[str, str]:
    rows = []
    uses = {"train": "training", "validation": "choosing settings", "test": "the last word"}
    whole = {"train": 60_000, "validation": 0, "test": 10_000}
    for split, use in uses.items():
        pictures = load_fashion_mnist(split)
        each = pictures.labels.bincount().unique().tolist()
        if len(each) != 1:
            raise SystemExit(f"{split} is not balanced: {each}")
        if split == "validation":
            whole["train"] -= len(pictures)
            whole["validation"] = len(pictures)
        rows.append([f"`{split}`", use, len(pictures), each[0]])
    for row, split in zip(rows, uses, strict=True):
        row.append(whole[split])
    text = table(["split", "for", "embedded", "of each class", "through torchvision"], rows, 3)
    total = sum(row[2] for row in rows)
    return {"counts": f"{text}\n\n{total:,} pictures are embedded, in {megabytes('fashion_mnist')}."}


def emoji_tables() -> dict[str, str]:
    drawings = load_emoji("all", flags=True)
    flags = torch.tensor([record.group == "flags" for record in drawings.emoji])[drawings.emoji_index]
    artists = []
    for index, artist in enumerate(ARTISTS):
        mine = drawings.artist_index == index
        name, package, license_ = SETS[artist]
        artists.append(
            [name, f"`{artist}`", package, license_, int((mine & ~flags).sum()), int((mine & flags).sum())]
        )
    artists.append(["all", "", "", "", int((~flags).sum()), int(flags.sum())])
    head = ["set", "name here", "package", "license", "drawings", "flags besides"]

    splits = []
    meanings = {
        "train": "five artists, nine tenths of the emoji",
        "held_out_emoji": "the same artists, the other emoji",
        "held_out_artist": "Fluent, the emoji of training",
        "held_out_both": "Fluent, the other emoji",
    }
    for split, meaning in meanings.items():
        part = load_emoji(split)
        splits.append([f"`{split}`", meaning, len(part.emoji_index.unique()), len(part)])
    manifest = _store.parse_manifest(_store.FILES / _store.MANIFEST)
    size32, size64 = (sum(manifest[f"emoji/{a}/{s}.webp"]["bytes"] for a in ARTISTS) / 1e6 for s in (32, 64))
    note = (
        f"Without flags. There are {len(load_emoji('all').emoji):,} emoji without and {len(drawings.emoji):,} with "
        f"flags. The files are lossless WebP: {size32:.1f} MB at 32 pixels, {size64:.1f} MB at 64."
    )
    held = Counter(record.group for record in drawings.emoji if record.held_out)
    count = Counter(record.group for record in drawings.emoji)
    drawn = Counter(drawings.groups[group] for group in drawings.group_index.tolist())
    example = {record.group: record.name for record in reversed(drawings.emoji)}
    groups = [[group, example[group], drawn[group], count[group], held[group]] for group in drawings.groups]
    return {
        "artists": table(head, artists, 2),
        "splits": table(["split", "what", "emoji", "drawings"], splits, 2) + "\n\n" + note,
        "groups": table(["group", "its first emoji", "drawings", "emoji", "of them held out"], groups, 3),
    }


def work_tables(
    name: str, works: str, load: Callable[[str], Any], title: Callable[[Any], str]
) -> dict[str, str]:
    """Counts and titles of a set that is split by whole works.

    Args:
        name: of its folder.
        works: what it calls them, e.g. "plays".
        load: split -> the set.
        title: work -> how the card names it.
    """
    rows, titles = [], []
    for split in ("train", "validation", "test"):
        part = load(split)
        own = part.works
        rows.append([f"`{split}`", len(own), len(part.text), len(part.text.split())])
        titles.append([f"`{split}`", ", ".join(map(title, own))])
    different = len(set(load("train").text))
    note = f"The training text has {different} different characters. The file, bzip2, has {megabytes(name)}."
    return {
        "counts": table(["split", works, "characters", "words"], rows, 3) + "\n\n" + note,
        works: table(["split", works], titles, 0),
    }


def shakespeare_tables() -> dict[str, str]:
    hamlet = next(play for play in load_shakespeare("train").works if play.title == "Hamlet")
    start = hamlet.text.index("HAMLET:\nTo be, or not to be")
    excerpt = "\n".join(hamlet.text[start:].splitlines()[:8])
    tables = work_tables("shakespeare", "plays", load_shakespeare, lambda play: f"*{play.title}*")
    return {"excerpt": f"```text\n{excerpt}\n```", **tables}


def austen_tables() -> dict[str, str]:
    emma = next(novel for novel in load_austen("train").works if novel.title == "Emma")
    excerpt = textwrap.fill(emma.text.split("\n\n")[3], 100)
    tables = work_tables("austen", "novels", load_austen, lambda novel: f"*{novel.title}* ({novel.year})")
    return {"excerpt": f"```text\n{excerpt}\n```", **tables}


def instruction_tables() -> dict[str, str]:
    splits = {split: load_instructions(split) for split in ("train", "validation", "test", "new_words")}
    rows = []
    for split, entries in splits.items():
        words = {entry.first for entry in entries if entry.first}
        rows.append([f"`{split}`", len(entries), len({entry.text for entry in entries}), len(words)])
    head = ["split", "answers", "different instructions", "first words"]
    note = f"The file, bzip2, has {megabytes('instructions')}."
    forms = Counter((entry.kind, entry.lines) for entry in splits["train"])
    kinds = sorted({kind for kind, _ in forms})
    shown = [[kind, *(forms[kind, lines] for lines in (1, 2, 3))] for kind in kinds]
    chosen = [splits["train"][0], splits["validation"][0], splits["new_words"][0]]
    excerpt = "\n\n".join(f"{entry.text}\n{textwrap.indent(entry.answer, '    ')}" for entry in chosen)
    return {
        "excerpt": f"```text\n{excerpt}\n```",
        "counts": table(head, rows, 3) + "\n\n" + note,
        "forms": table(["in training", "one line", "two lines", "three lines"], shown, 3),
    }


def spoken_word_tables() -> dict[str, str]:
    uses = {
        "train": "training",
        "held_out_takes": "whose voice is it?",
        "validation": "choosing settings",
        "held_out_voices": "the last word",
    }
    rows = []
    for split, use in uses.items():
        part = load_spoken_words(split)
        takes = len(part.takes.unique())
        rows.append([f"`{split}`", use, len(part), len(part.voices.unique()), takes])
    part = load_spoken_words("train")
    seconds = sum(row[2] for row in rows) * part.waves.shape[1] / RATE
    head = ["split", "for", "recordings", "voices", "takes of each word"]
    note = (
        f"Words: {', '.join(part.word_names)}. All recordings together last {seconds / 60:.0f} minutes and have "
        f"{megabytes('spoken_words')}."
    )
    return {"counts": table(head, rows, 3) + "\n\n" + note}


def pages() -> dict[str, str]:
    """The cards as they should stand: file name -> text."""
    made = {
        "fashion_mnist.md": fashion_mnist_tables(),
        "emoji.md": emoji_tables(),
        "shakespeare.md": shakespeare_tables(),
        "austen.md": austen_tables(),
        "instructions.md": instruction_tables(),
        "spoken_words.md": spoken_word_tables(),
    }
    texts = {}
    for name, blocks in made.items():
        text = (CARDS / name).read_text(encoding="utf-8")
        for block, content in blocks.items():
            pattern = rf"(<!-- begin {block} -->\n).*?(<!-- end {block} -->)"
            text, found = re.subn(
                pattern, lambda m, c=content: f"{m[1]}\n{c}\n\n{m[2]}", text, flags=re.DOTALL
            )
            if found != 1:
                raise SystemExit(f"{name} has {found} blocks named {block}, expected one")
        texts[name] = text
    return texts


def grid(pictures: np.ndarray, columns: int, gap: int) -> np.ndarray:
    """Pictures [n, h, w, 3] side by side on white, row by row."""
    n, height, width, _ = pictures.shape
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def pictures() -> dict[str, np.ndarray]:
    """The example pictures of the cards: file name -> uint8 [h, w, 3]."""
    clothes = load_fashion_mnist("train")
    rows = torch.cat([torch.nonzero(clothes.labels == label).squeeze(1)[:10] for label in range(10)])
    gray = 255 - clothes.images[rows].repeat_interleave(2, 2).repeat_interleave(
        2, 3
    )  # dark on white, as in the paper
    fashion = grid(gray.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy(), 10, 4)

    drawings = load_emoji("all", size=64)
    index = {record.name: i for i, record in enumerate(drawings.emoji)}
    chosen = []
    for artist in range(len(ARTISTS)):
        for name in SHOWN:
            found = (drawings.emoji_index == index[name]) & (drawings.artist_index == artist)
            if int(found.sum()) != 1:
                raise SystemExit(f"{ARTISTS[artist]} does not draw {name}: choose another for SHOWN")
            chosen.append(int(torch.nonzero(found)))
    six = grid(to_bytes(drawings.subset(chosen).rgb()), len(SHOWN), 6)

    training = load_emoji("train", size=64, flags=True)
    generator = torch.Generator().manual_seed(0)
    chosen = []
    for group in range(len(training.groups)):
        members = torch.nonzero(training.group_index == group).squeeze(1)
        chosen.append(members[torch.randperm(len(members), generator=generator)[:14]])
    groups = grid(to_bytes(training.subset(torch.cat(chosen)).rgb()), 14, 6)
    return {"fashion_mnist.png": fashion, "emoji_artists.png": six, "emoji_groups.png": groups}


def to_bytes(rgb: torch.Tensor) -> np.ndarray:
    """Pictures [n, 3, h, w] in [0, 1] as uint8 [n, h, w, 3]."""
    return (rgb * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def main() -> None:
    for name, text in pages().items():
        atomic_write_text(CARDS / name, text)
    for name, pixels in pictures().items():
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
        atomic_write_bytes(CARDS / "images" / name, buffer.getvalue())
        print(f"{name}: {pixels.shape[1]} x {pixels.shape[0]}, {len(buffer.getvalue()):,} bytes")


if __name__ == "__main__":
    main()
