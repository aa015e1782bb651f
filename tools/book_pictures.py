"""Draw the pictures of the start page from the data and augmentations that the lessons use.

    python tools/book_pictures.py

Writes `book/images/emoji_world.webp` and `book/images/views.webp`. Seeded, so that the same data give the same pictures.
"""

import io
import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fmlib._files import atomic_write_bytes
from fmlib.augment import Augmentation
from fmlib.data import load_emoji, load_fashion_mnist

IMAGES = Path(__file__).resolve().parent.parent / "book/images"
NAMES = (
    "grinning face",
    "face with tears of joy",
    "dog face",
    "panda",
    "octopus",
    "red apple",
    "strawberry",
    "hamburger",
    "rocket",
    "bicycle",
    "guitar",
    "umbrella",
)
GAP = 6  # pixels between pictures, before enlarging


def grid(rows: list[Tensor], enlarge: int) -> Image.Image:
    """Pictures in rows on white.

    Args:
        rows: tensors [pictures, 3, height, width] in [0, 1], all of one size.
        enlarge: how many pixels each pixel becomes on a side.
    """
    size = rows[0].shape[-1]
    step = size + GAP
    width = max(len(row) for row in rows)
    canvas = torch.ones(3, len(rows) * step + GAP, width * step + GAP)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = GAP + i * step, GAP + j * step
            canvas[:, top : top + size, left : left + size] = picture
    array = (canvas.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    image = Image.fromarray(array)
    return image.resize((image.width * enlarge, image.height * enlarge), Image.Resampling.NEAREST)


def emoji_world() -> Image.Image:
    """The same emoji, each in the drawing of every artist who drew all of them."""
    drawings = load_emoji("all", size=64)
    by_name = {record.name: index for index, record in enumerate(drawings.emoji)}
    missing = [name for name in NAMES if name not in by_name]
    if missing:
        raise ValueError(f"no emoji named {', '.join(missing)}: choose others in NAMES")
    columns = [by_name[name] for name in NAMES]
    place = {
        (int(artist), int(emoji)): row
        for row, (artist, emoji) in enumerate(zip(drawings.artist_index, drawings.emoji_index, strict=True))
    }
    rows = []
    for artist in range(len(drawings.artists)):
        chosen = [place.get((artist, emoji)) for emoji in columns]
        if None not in chosen:
            rows.append(drawings.subset(torch.tensor(chosen)).rgb())
    return grid(rows, enlarge=1)


def views(each: int = 9) -> Image.Image:
    """One picture of each of five classes, and random views of it as SimCLR's recipe makes them."""
    clothes = load_fashion_mnist("train")
    generator = torch.Generator().manual_seed(3)
    images = clothes.sample(1, generator).images[[0, 1, 5, 7, 9]].float() / 255
    augment = Augmentation()
    columns = [images, *(augment(images, generator) for _ in range(each))]
    rows = torch.stack(columns, dim=1).expand(-1, -1, 3, -1, -1)
    return grid(list(1 - rows), enlarge=3)


def main() -> int:
    for name, draw in {"emoji_world": emoji_world, "views": views}.items():
        buffer = io.BytesIO()
        draw().save(buffer, "webp", quality=85, method=6)
        atomic_write_bytes(IMAGES / f"{name}.webp", buffer.getvalue())
        print(f"book/images/{name}.webp: {len(buffer.getvalue()) // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
