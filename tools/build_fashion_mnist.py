"""Rebuild the embedded part of Fashion-MNIST from the four original IDX files.

    python tools/build_fashion_mnist.py FOLDER

FOLDER holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte,
with .gz behind them or unpacked. Debian's package `dataset-fashion-mnist` installs them in
/usr/share/datasets/fashion-mnist; `torchvision.datasets.FashionMNIST(root, download=True)` puts the same under
root/FashionMNIST/raw. (Debian only stripped name and date from the gzip headers: with them put back, each file has
the MD5 that torchvision asks for.)

All 10,000 test pictures are kept. From the 60,000 others, a seeded choice takes 200 a class for validation and
1,800 a class for training: what fits into 12 MB as lossless WebP. Measured, in bytes a picture: WebP 378 with a
sheet sorted by class and 396 unsorted, xz 370 but far slower to read, PNG 390, gzip 440.
"""

import argparse
import gzip
import io
import json
import lzma
import struct
from pathlib import Path

import numpy as np
from build_manifest import FILES, write_manifest
from PIL import Image

from fmlib._files import atomic_write_bytes

SEED = 2017
VALIDATION_PER_CLASS = 200
TRAIN_PER_CLASS = 1_800
COLUMNS = 100


def read_idx(folder: Path, name: str) -> np.ndarray:
    """One IDX file of bytes, gzipped or not, as an array of the shape that its head gives."""
    plain, packed = folder / name, folder / f"{name}.gz"
    if packed.exists():
        content = gzip.decompress(packed.read_bytes())
    elif plain.exists():
        content = plain.read_bytes()
    else:
        raise SystemExit(
            f"neither {plain} nor {packed.name} exists: give the folder that holds the four IDX files"
        )
    zero, kind, axes = struct.unpack(">HBB", content[:4])
    if zero != 0 or kind != 8:
        raise SystemExit(
            f"{name} is not an IDX file of bytes: it starts with {content[:4].hex()}, expected 000008.."
        )
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def choose(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class-balanced, disjoint indices into the 60,000, ascending: (train, validation)."""
    random = np.random.default_rng(SEED)
    train, validation = [], []
    for label in range(10):
        order = random.permutation(np.flatnonzero(labels == label))
        validation.append(order[:VALIDATION_PER_CLASS])
        train.append(order[VALIDATION_PER_CLASS : VALIDATION_PER_CLASS + TRAIN_PER_CLASS])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(validation))


def encode(images: np.ndarray) -> bytes:
    """Pictures [n, 28, 28] as one lossless WebP sheet, row by row from the top left."""
    rows = -(-len(images) // COLUMNS)
    sheet = np.zeros((rows * COLUMNS, 28, 28), np.uint8)
    sheet[: len(images)] = images
    sheet = sheet.reshape(rows, COLUMNS, 28, 28).transpose(0, 2, 1, 3).reshape(rows * 28, COLUMNS * 28)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "WEBP", lossless=True, quality=100, method=5)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    images = read_idx(folder, "train-images-idx3-ubyte")
    labels = read_idx(folder, "train-labels-idx1-ubyte")
    test_images = read_idx(folder, "t10k-images-idx3-ubyte")
    test_labels = read_idx(folder, "t10k-labels-idx1-ubyte")
    train, validation = choose(labels)
    parts = {
        "train": (images[train], labels[train], train),
        "validation": (images[validation], labels[validation], validation),
        "test": (test_images, test_labels, np.arange(len(test_labels))),
    }
    index = {}
    for split, (pictures, classes, source) in parts.items():
        order = np.argsort(classes, kind="stable")  # a sheet of like pictures is 5 % smaller
        atomic_write_bytes(FILES / f"fashion_mnist/{split}.webp", encode(pictures[order]))
        index[split] = {"labels": classes[order].tolist(), "source_index": source[order].tolist()}
    document = json.dumps(index, separators=(",", ":")).encode()
    atomic_write_bytes(FILES / "fashion_mnist/index.json.xz", lzma.compress(document, preset=9))
    files = {name: entry for name, entry in write_manifest().items() if name.startswith("fashion_mnist/")}
    for name, entry in files.items():
        print(f"{entry['bytes']:>12,}  {name}")
    print(f"{sum(entry['bytes'] for entry in files.values()):>12,}  in all")


if __name__ == "__main__":
    main()
