"""Fashion-MNIST: 70,000 gray pictures of clothes in ten classes, the benchmark others also report.

20,000 of the 60,000 training pictures and all 10,000 test pictures are embedded; the whole set comes through
torchvision. The validation pictures are the same 2,000 in both sources, so a choice made with one holds for
the other.
"""

import dataclasses
import os
import struct
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from fmlib.data import _store
from fmlib.data._store import DataError

SPLITS = ("train", "validation", "test")
SOURCES = ("embedded", "torchvision")
CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# (SHA-256, bytes) of the four files once unpacked, as torchvision leaves them
RAW_FILES = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        47_040_016,
    ),
    "train-labels-idx1-ubyte": ("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60_008),
    "t10k-images-idx3-ubyte": ("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7_840_016),
    "t10k-labels-idx1-ubyte": ("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10_008),
}


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Labeled gray pictures.

    Args:
        images: [n, 1, 28, 28], 0 (background) to 255.
        labels: [n], index into `class_names`.
        class_names: the ten classes, as the authors name them.
        source_index: [n], where the picture stands in the original 60,000 training (or 10,000 test) pictures.
    """

    images: UInt8[Tensor, "n 1 28 28"]
    labels: Int64[Tensor, " n"]
    class_names: tuple[str, ...]
    source_index: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"Pictures({len(self):,} pictures of {len(self.class_names)} classes)"

    def subset(self, indices: _store.Rows) -> "Pictures":
        """The pictures at `indices`, in that order.

        Args:
            indices: [k], each in [-n, n); a list of integers or a boolean mask [n] will do.

        Raises:
            ValueError: an index is out of range, or not an integer.
        """
        rows = _store.rows(indices, len(self))
        return dataclasses.replace(
            self, images=self.images[rows], labels=self.labels[rows], source_index=self.source_index[rows]
        )

    def sample(self, per_class: int, generator: torch.Generator | None = None) -> "Pictures":
        """A random subset with equally many pictures of each class, in random order.

        Args:
            per_class: pictures of each class, 1 or more.
            generator: source of randomness; the global one if it is left out.

        Raises:
            ValueError: `per_class` is not a positive integer, or a class has fewer pictures.
        """
        if isinstance(per_class, bool) or not isinstance(per_class, int) or per_class < 1:
            raise ValueError(f"per_class is {per_class!r}: expected a whole number, 1 or more")
        chosen = []
        for label, name in enumerate(self.class_names):
            rows = torch.nonzero(self.labels == label).squeeze(1)
            if len(rows) < per_class:
                raise ValueError(
                    f"per_class is {per_class}, but class {name!r} has only {len(rows)} pictures here"
                )
            chosen.append(rows[torch.randperm(len(rows), generator=generator)[:per_class]])
        rows = torch.cat(chosen)
        return self.subset(rows[torch.randperm(len(rows), generator=generator)])


def load_fashion_mnist(
    split: str = "train",
    source: str = "embedded",
    *,
    root: str | os.PathLike | None = None,
    download: bool = True,
) -> Pictures:
    """Pictures of clothes, with labels.

    Args:
        split: "train" (18,000 embedded, 58,000 from torchvision), "validation" (2,000, for tuning) or "test"
            (10,000).
        source: "embedded" (in this package) or "torchvision" (the whole set).
        root: folder in which torchvision keeps its `FashionMNIST/raw`; `$FMLIB_DATA`, else `~/.cache/fmlib`.
        download: let torchvision fetch the set if it is not in `root`.

    Returns:
        The split, in the order of the original set; fresh tensors at each call.

    Raises:
        ValueError: unknown split or source.
        DataError: a file is missing or corrupt, or the set is not there and cannot be downloaded.

    Source: Xiao, Rasul and Vollgraf 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
    Learning Algorithms".
    """
    _store.choice(split, "split", SPLITS)
    _store.choice(source, "source", SOURCES)
    if source == "embedded":
        pictures = _embedded(_store.FILES, split)
        return pictures.subset(torch.arange(len(pictures)))
    images, labels = _raw_files(_root(root), download, "t10k" if split == "test" else "train")
    keep = torch.ones(len(labels), dtype=torch.bool)
    if split != "test":
        keep[_embedded(_store.FILES, "validation").source_index] = False
    if split == "validation":
        keep = ~keep
    return Pictures(images[keep].unsqueeze(1), labels[keep], CLASS_NAMES, torch.nonzero(keep).squeeze(1))


@lru_cache(maxsize=6)
def _embedded(folder: Path, split: str) -> Pictures:
    index = _store.read_xz_json("fashion_mnist/index.json.xz")[split]
    labels, source = torch.tensor(index["labels"]), torch.tensor(index["source_index"])
    images = torch.from_numpy(_store.read_sheet(f"fashion_mnist/{split}.webp", 28, 1, len(labels)))
    order = torch.argsort(source)  # the sheets are sorted by class, which is smaller
    return Pictures(images[order], labels[order], CLASS_NAMES, source[order])


def _root(root: str | os.PathLike | None) -> Path:
    if root is not None:
        return Path(root)
    try:
        return Path(os.environ.get("FMLIB_DATA") or Path.home() / ".cache" / "fmlib")
    except RuntimeError as error:  # neither HOME nor an entry for this user
        raise DataError(
            f"there is no home folder to look for the whole set in ({error}): pass root=, set FMLIB_DATA to a folder, "
            'or use source="embedded"'
        ) from error


def _raw_files(root: Path, download: bool, part: str) -> tuple[Tensor, Tensor]:
    folder = root / "FashionMNIST" / "raw"
    names = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    if download and not all((folder / name).exists() for name in RAW_FILES):
        from torchvision.datasets import FashionMNIST

        try:
            FashionMNIST(str(root), download=True)
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"Fashion-MNIST is not in {folder} and cannot be downloaded ({error}).\n"
                '  Offline, use source="embedded", or copy the folder FashionMNIST/raw from a machine that '
                "has it, and pass the folder that holds FashionMNIST as root= (or set FMLIB_DATA to it)."
            ) from error
    return _read_idx(folder / names[0]).view(-1, 28, 28), _read_idx(folder / names[1]).long()


def _read_idx(path: Path) -> Tensor:
    sha256, size = RAW_FILES[path.name]
    remedy = f'delete {path.parent} and load again with download=True while online, or use source="embedded"'
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"data file missing or unreadable: {path} ({error})\n  {remedy}") from error
    _store.check(path, content, sha256, size, remedy)
    axes = content[3]
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=4 + 4 * axes).view(shape)
