"""Draw the pictures of the start page from the data and augmentations that the lessons use.

    python tools/book_pictures.py [emoji_world] [views] [neighbors]

Writes `book/images/<name>.webp`, all of them by default. Seeded; `neighbors` trains a SimCLR for some minutes first.
"""

import io
import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fmlib._files import atomic_write_bytes
from fmlib.data import load_emoji, load_fashion_mnist
from fmlib.evaluate import embed
from fmlib.self_supervised.contrastive.training import FULL, Recipe, train_simclr

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
    """One picture of each of five classes, and random views of it as the first lesson makes them."""
    clothes = load_fashion_mnist("train")
    generator = torch.Generator().manual_seed(3)
    images = clothes.sample(1, generator).images[[0, 1, 5, 7, 9]].float() / 255
    columns = [images, *(FULL(images, generator) for _ in range(each))]
    rows = torch.stack(columns, dim=1).expand(-1, -1, 3, -1, -1)
    return grid(list(1 - rows), enlarge=3)


def neighbors(steps: int = 600, queries: int = 6, nearest: int = 5) -> Image.Image:
    """Test pictures drawn at random, with the training pictures nearest to them: by pixels, then by learned features.

    The features are those of SimCLR after a short real run (minutes); a picture of another class has an orange frame.
    """
    train, test = load_fashion_mnist("train"), load_fashion_mnist("test")
    asked = test.subset(torch.randperm(len(test), generator=torch.Generator().manual_seed(0))[:queries])
    model, _ = train_simclr(train.images, replace(Recipe.main(), steps=steps), seed=0)
    by_pixels = (train.images.flatten(1).float(), asked.images.flatten(1).float())
    by_features = (embed(model.encoder, train.images), embed(model.encoder, asked.images))
    blank = torch.ones(1, 3, 32, 32)
    rows = []
    for query in range(queries):
        parts = [framed(asked.images[query : query + 1])]
        for gallery, features in (by_pixels, by_features):
            similarity = F.normalize(gallery, dim=1) @ F.normalize(features[query], dim=0)
            found = train.subset(similarity.topk(nearest).indices)
            parts += [blank, framed(found.images, found.labels != asked.labels[query])]
        rows.append(torch.cat(parts))
    return grid(rows, enlarge=2)


def framed(images: Tensor, wrong: Tensor | None = None) -> Tensor:
    """Gray pictures [n, 1, 28, 28], dark on white, two pixels wider all round; orange there where `wrong`."""
    pictures = F.pad(1 - images.float() / 255, (2, 2, 2, 2), value=1.0).expand(-1, 3, -1, -1).clone()
    if wrong is not None:
        edge = torch.ones(32, 32, dtype=torch.bool)
        edge[2:-2, 2:-2] = False
        orange = torch.tensor([0.91, 0.35, 0.05]).view(1, 3, 1, 1)
        pictures = torch.where(wrong.view(-1, 1, 1, 1) & edge, orange, pictures)
    return pictures


PICTURES = {"emoji_world": emoji_world, "views": views, "neighbors": neighbors}


def main() -> int:
    chosen = sys.argv[1:] or list(PICTURES)
    for name in chosen:
        if name not in PICTURES:
            print(f"no picture is called {name!r}: expected some of {', '.join(PICTURES)}", file=sys.stderr)
            return 1
        buffer = io.BytesIO()
        PICTURES[name]().save(buffer, "webp", quality=85, method=6)
        atomic_write_bytes(IMAGES / f"{name}.webp", buffer.getvalue())
        print(f"book/images/{name}.webp: {len(buffer.getvalue()) // 1024} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
