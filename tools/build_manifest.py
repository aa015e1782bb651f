"""Write fmlib/data/files/manifest.json: size and SHA-256 of every embedded data file.

Every builder ends with this; run it alone after changing a file by hand: python tools/build_manifest.py
"""

import json
from pathlib import Path

from fmlib._files import atomic_write_text, sha256

FILES = Path(__file__).resolve().parent.parent / "fmlib" / "data" / "files"
DATA_SUFFIXES = {".webp", ".xz", ".bz2", ".safetensors"}


def write_manifest(folder: Path = FILES) -> dict[str, dict]:
    """List the data files below `folder` in its manifest.json, and return the list."""
    found = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.suffix in DATA_SUFFIXES
    }
    atomic_write_text(folder / "manifest.json", json.dumps({"files": found}, indent=1) + "\n")
    return found


if __name__ == "__main__":
    for name, entry in write_manifest().items():
        print(f"{entry['bytes']:>12,}  {name}")
