"""The embedded files: found beside the code, checked against a manifest of sizes and SHA-256 sums.

`files/manifest.json` lists every embedded data file. A file is read whole and compared before anything
decodes it, so that a cut clone, a bad merge or a text conversion is refused by name instead of turning up
as strange pictures.
"""

import bz2
import hashlib
import io
import json
import lzma
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np

FILES = Path(__file__).parent / "files"
MANIFEST = "manifest.json"
REMEDY = (
    "restore it with `git checkout -- fmlib` in a clone, else reinstall fmlib "
    "(`pip install --force-reinstall --no-deps` with what you installed it from)"
)


# What `subset` takes: row numbers, or a mask with one entry for each row.
Rows = Int64[Tensor, " k"] | Bool[Tensor, " n"] | Sequence[int]


class DataError(ValueError):
    """A data file is missing, corrupt or not what it says; the message names the file and the mend."""


def read(name: str, files: Path | None = None) -> bytes:
    """One embedded file, proven to be the one that was published.

    Args:
        name: path below `files`, with forward slashes, as in the manifest.
        files: the folder that the manifest lies in; `fmlib/data/files` by default.

    Returns:
        The whole content.

    Raises:
        DataError: the manifest is missing or damaged, or does not list the file; the file is missing,
            unreadable, or its checksum differs.
    """
    files = FILES if files is None else files
    path = files / name
    entry = parse_manifest(files / MANIFEST).get(name)
    if entry is None:
        raise DataError(f"{name} is not listed in {files / MANIFEST}: {REMEDY}")
    expected = f"expected {entry['bytes']:,} bytes with SHA-256 {entry['sha256']}"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"data file missing: {path}\n  {expected}\n  {REMEDY}") from None
    except OSError as error:
        raise DataError(f"data file unreadable: {path} ({error})\n  {expected}\n  {REMEDY}") from error
    check(path, content, entry["sha256"], entry["bytes"], REMEDY)
    return content


def check(path: Path, content: bytes, sha256: str, size: int, remedy: str) -> None:
    """Refuse `content` of `path` unless it has this size and SHA-256.

    Raises:
        DataError: naming the file, both checksums, both sizes and the remedy.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(
            f"data file corrupt: {path}\n"
            f"  expected {size:,} bytes with SHA-256 {sha256}\n"
            f"  found    {len(content):,} bytes with SHA-256 {found}\n"
            f"  {remedy}"
        )


def read_xz_json(name: str) -> Any:
    """A JSON document that is embedded under xz."""
    return json.loads(lzma.decompress(read(name)))


def read_bz2_json(name: str) -> Any:
    """A JSON document that is embedded under bzip2, which packs English closer than xz does."""
    return json.loads(bz2.decompress(read(name)))


def of_split(works: Sequence[Any], split: str, held_out: Mapping[str, Sequence[str]]) -> tuple[Any, ...]:
    """Whole works, each with a title, of one split.

    Args:
        works: all of them.
        split: "train" takes what no other split has.
        held_out: split -> titles.
    """
    if split != "train":
        return tuple(work for work in works if work.title in held_out[split])
    gone = {title for titles in held_out.values() for title in titles}
    return tuple(work for work in works if work.title not in gone)


def read_sheet(name: str, size: int, channels: int, count: int) -> "np.ndarray":
    """Cut a lossless WebP sheet of equal tiles into pictures.

    Args:
        name: the embedded file.
        size: side of one tile, in pixels.
        channels: 1 for gray, 4 for RGBA with straight alpha.
        count: how many tiles hold a picture, counted row by row from the top left; the rest is padding.

    Returns:
        uint8 [count, channels, size, size].

    Raises:
        DataError: see `read`; or the sheet is too small for `count` tiles.
    """
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(read(name))) as picture:
        pixels = np.asarray(picture)[:, :, :channels]  # WebP has no gray mode: its three channels are equal
    rows, columns = pixels.shape[0] // size, pixels.shape[1] // size
    if rows * columns < count or pixels.shape[2] != channels:
        raise DataError(
            f"{FILES / name} holds {rows} x {columns} tiles of {pixels.shape[2]} channels, "
            f"expected {count} of {channels}: {REMEDY}"
        )
    tiles = pixels[: rows * size, : columns * size].reshape(rows, size, columns, size, channels)
    return tiles.transpose(0, 2, 4, 1, 3).reshape(rows * columns, channels, size, size)[:count]


def rows(indices: Rows, count: int) -> Int64[Tensor, " k"]:
    """Which rows of `count` a caller asked for: integers in [-count, count), or a boolean mask [count].

    Returns:
        int64 [k], each in [0, count).

    Raises:
        ValueError: naming what came: not integers, out of range, or a mask of another length.
    """
    asked = torch.as_tensor(indices)
    if asked.dtype == torch.bool and asked.shape == (count,):
        return torch.nonzero(asked).squeeze(1)
    if asked.numel() == 0:
        return torch.empty(0, dtype=torch.int64)
    if asked.ndim != 1 or asked.is_floating_point() or asked.is_complex() or asked.dtype == torch.bool:
        raise ValueError(
            f"indices are {asked.dtype} of shape {tuple(asked.shape)}: "
            f"expected whole numbers [k], or booleans [{count}]"
        )
    asked = asked.long().cpu()
    low, high = int(asked.min()), int(asked.max())
    if low < -count or high >= count:
        raise ValueError(
            f"indices run from {low} to {high}: "
            f"expected {-count} to {count - 1}, since there are {count} rows"
        )
    return asked % count


def choice(value: object, what: str, choices: Sequence[object]) -> None:
    """Refuse a `value` that is not one of `choices`.

    Raises:
        ValueError: naming the value and the choices.
    """
    if not any(value == one and type(value) is type(one) for one in choices):
        raise ValueError(f"unknown {what} {value!r}: choose one of {', '.join(repr(one) for one in choices)}")


@lru_cache(maxsize=4)
def parse_manifest(path: Path) -> dict[str, dict]:
    try:
        files = json.loads(path.read_bytes())["files"]
        return {
            name: {"bytes": int(one["bytes"]), "sha256": str(one["sha256"])} for name, one in files.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"list of data files missing or damaged: {path} ({error}): {REMEDY}") from error
