"""Rebuild the text of Jane Austen's novels from the R package `janeaustenr`, as Debian ships it.

    apt-get download r-cran-janeaustenr
    dpkg-deb -x r-cran-janeaustenr_1.0.0-1_all.deb FOLDER
    python tools/build_austen.py FOLDER/usr/lib/R/site-library/janeaustenr/data

The package holds six novels as lines of R data. They become plain ASCII text in one form: the title, chapters as
headings, a paragraph on one line, letters and verse as they stand, a blank line between paragraphs.
"""

import argparse
import bz2
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

from build_manifest import FILES, write_manifest

from fmlib._files import atomic_write_bytes

NOVELS = {  # name in the package -> title, first published
    "sensesensibility": ("Sense and Sensibility", 1811),
    "prideprejudice": ("Pride and Prejudice", 1813),
    "mansfieldpark": ("Mansfield Park", 1814),
    "emma": ("Emma", 1815),
    "northangerabbey": ("Northanger Abbey", 1817),
    "persuasion": ("Persuasion", 1817),
}
HEADING = re.compile(r"(CHAPTER|VOLUME) ([IVXL]+|\d+)", re.IGNORECASE)
NOTES = ("[End volume one", "[At this point")  # of later editors
ENDS = {"FINIS", "Finis", "THE END"}
ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50}
VERSE = 8  # an indented block of at most so many lines keeps them; a longer one is a letter

# R's kinds of values, of which these data use few: R Internals, section 1.1.1.
SYMBOL, PAIRS, STRING, BOOLS, INTEGERS, STRINGS, LIST, NOTHING, AGAIN = 1, 2, 9, 10, 13, 16, 19, 254, 255


class RData:
    """R's binary format, version 3 in big-endian order, as far as lists of strings need it.

    Source: R Internals, section 1.8, "Serialization Formats".
    """

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0
        self.symbols: list[Any] = []

    def read(self) -> Any:
        """The value in the file."""
        if self._take(2) != b"X\n" or self._int() != 3:
            raise SystemExit("this is no R data of version 3: is it janeaustenr 1.0.0?")
        self._take(8)  # which R wrote it, which can read it
        self._take(self._int())  # the name of the encoding
        return self._item()

    def _take(self, count: int) -> bytes:
        self.at += count
        return self.content[self.at - count : self.at]

    def _int(self) -> int:
        return struct.unpack(">i", self._take(4))[0]

    def _item(self) -> Any:
        flags = self._int()
        kind, attributed, named = flags & 255, flags & 512, flags & 1024
        if kind == NOTHING:
            return None
        if kind == AGAIN:
            return self.symbols[(flags >> 8) - 1]
        if kind == SYMBOL:
            self.symbols.append(self._item())
            return self.symbols[-1]
        if kind == STRING:
            return self._take(self._int()).decode("latin-1" if flags >> 12 & 4 else "utf-8")
        if kind == PAIRS:
            if attributed:
                self._item()
            name = self._item() if named else None
            return {name: self._item()} | (self._item() or {})
        count = self._int()
        if kind in (BOOLS, INTEGERS):
            values = [self._int() for _ in range(count)]
        elif kind in (STRINGS, LIST):
            values = [self._item() for _ in range(count)]
        else:
            raise SystemExit(f"R data of kind {kind} at byte {self.at}: expected lists, strings and integers")
        names = (self._item() or {}).get("names") if attributed else None
        return dict(zip(names, values, strict=True)) if names else values


def read_package(folder: Path) -> dict[str, list[str]]:
    """Name -> lines of each novel, from the package's pair of index and data."""
    index = RData(zlib.decompress((folder / "Rdata.rdx").read_bytes(), 47)).read()  # 47: gzip or zlib
    data = (folder / "Rdata.rdb").read_bytes()
    places = index["variables"].items()
    # A value begins with four bytes that say how long it is when decompressed.
    return {name: RData(zlib.decompress(data[at + 4 : at + size])).read() for name, (at, size) in places}


def clean(lines: list[str], title: str) -> str:
    """A novel as plain text, its title first."""
    text = "\n".join(lines).replace("_", "")
    text = re.sub(r"\u00a3([\d,]*\d)", r"\1 l.", text)
    blocks = [block.strip("\n") for block in re.split(r"\n[ \t]*\n", text)]
    headings = [i for i, block in enumerate(blocks) if HEADING.fullmatch(block.strip())]
    preface = [i for i, block in enumerate(blocks[: headings[0]]) if block.startswith("ADVERTISEMENT")]
    plain = [title]
    for block in blocks[(preface or headings)[0] :]:
        if block.strip() == "A NOTE ON THE TEXT":
            break
        plain.append(clean_block(block))
    return "\n\n".join(block for block in plain if block) + "\n"


def clean_block(block: str) -> str:
    """A paragraph on one line, a heading in one form, nothing in place of an editor's note."""
    bare = block.strip()
    found = HEADING.fullmatch(bare)
    if found:
        return f"{found[1].upper()} {number(found[2].upper())}"
    if bare in ENDS or bare.startswith(NOTES) or not bare.strip("* "):
        return ""
    lines = [" ".join(line.replace("*", "").split()) for line in block.splitlines()]
    verse = all(line.startswith(" ") for line in block.splitlines()) and len(lines) <= VERSE
    return ("\n" if verse else " ").join(lines)


def number(text: str) -> int:
    """Roman or Arabic numerals as a number."""
    if text.isdigit():
        return int(text)
    values = [ROMAN[letter] for letter in text]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("folder", type=Path, help="the package's data folder, with Rdata.rdb and Rdata.rdx")
    found = read_package(parser.parse_args().folder)
    if set(found) != set(NOVELS):
        raise SystemExit(f"found {sorted(found)}, expected {sorted(NOVELS)}: is this janeaustenr 1.0.0?")
    novels = []
    for name, (title, year) in NOVELS.items():
        novels.append({"title": title, "year": year, "text": clean(found[name], title)})
    document = json.dumps(novels, ensure_ascii=True, indent=0).encode()
    atomic_write_bytes(FILES / "austen/novels.json.bz2", bz2.compress(document, 9))
    write_manifest()
    for novel in novels:
        print(f"{len(novel['text']):>9,}  {novel['year']}  {novel['title']}")
    text = "".join(novel["text"] for novel in novels)
    print(f"{len(text):>9,}  characters, {len(set(text))} different: {''.join(sorted(set(text)))!r}")


if __name__ == "__main__":
    main()
