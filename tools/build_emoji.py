"""Rebuild the emoji world: the drawings of six artists' sets, aligned by emoji, in lossless WebP sheets.

    npm ci --prefix tools/emoji          (Node is needed for this only)
    python tools/build_emoji.py

1. `emojibase-data` lists the emoji: code points, CLDR name, keywords, group, subgroup, order. Skin tones
   and bare components are left out.
2. Each artist's set is matched by code point where the package has a table of them, else by name: first the
   CLDR name, then the Unicode name, then the short codes in use. One drawing serves one emoji.
3. resvg draws each SVG at 64 px; 2 x 2 pixels are averaged to 32 px with premultiplied alpha, so that the
   color of transparent pixels does not bleed into the edges.
4. A tenth of the emoji of each group is held out, by families: variants of one emoji (woman, man, person;
   facing left, right) and emoji that any artist draws alike stay on one side.
"""

import argparse
import hashlib
import io
import json
import lzma
import re
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from build_manifest import FILES, write_manifest
from PIL import Image

from fmlib._files import atomic_write_bytes

HERE = Path(__file__).resolve().parent
SIZE = 64
COLUMNS = 48
HELD_OUT = 0.10
ARTISTS = {  # our name -> (package, matched by code point)
    "noto": ("noto", True),
    "twemoji": ("twemoji", True),
    "openmoji": ("openmoji", True),
    "emojione": ("emojione", False),
    "fxemoji": ("fxemoji", False),
    "fluent": ("fluent-emoji-flat", True),
}
SHORTCODES = ("cldr", "joypixels", "emojibase", "github", "iamcal")
# Drawings whose name means something else in the lists of names (`bow` is a ribbon here), or that come out black:
# found by looking at every match beside another artist's drawing.
WRONG = {
    "emojione": {"cricket-game"},
    "fxemoji": {
        "bow",
        "construction",
        "couple",
        "down",
        "keyboard",
        "kiss",
        "pout",
        "pouting",
        "tramcar",
        "up",
        "wave",
    },
}


def plain(hexcode: str) -> str:
    """A code point sequence without the variation selector, which the sets use differently."""
    return "-".join(part for part in hexcode.lower().split("-") if part != "fe0f")


def letters(name: str) -> str:
    """A name as lower-case letters and digits alone, so that `red-heart`, `RED HEART`, `redheart` are one."""
    return re.sub("[^a-z0-9]", "", name.lower().replace("’", ""))


def read_emoji(packages: Path) -> list[dict]:
    """The emoji in their standard order, with all names under which a set may know them."""
    folder = packages / "emojibase-data"
    groups = json.loads((folder / "meta/groups.json").read_text())
    unicode_names = json.loads((folder / "meta/unicode-names.json").read_text())
    shortcodes = [json.loads((folder / f"en/shortcodes/{one}.json").read_text()) for one in SHORTCODES]
    emoji = []
    for entry in json.loads((folder / "en/data.json").read_text()):
        group = groups["groups"].get(str(entry.get("group")))
        if group is None or group == "component":
            continue
        code = entry["hexcode"]
        names = [entry["label"], unicode_names.get(code, "")]
        for table in shortcodes:
            found = table.get(code, [])
            names += [found] if isinstance(found, str) else found
        emoji.append(
            {
                "hexcode": code,
                "name": entry["label"],
                "character": entry["emoji"],
                "keywords": entry.get("tags", []),
                "group": group,
                "subgroup": groups["subgroups"][str(entry["subgroup"])],
                "order": entry["order"],
                "aliases": list(dict.fromkeys(letters(name) for name in names if name)),
            }
        )
    return sorted(emoji, key=lambda one: one["order"])


def match(emoji: list[dict], package: Path, by_code: bool, wrong: set[str]) -> dict[int, str]:
    """Which drawing of a set shows which emoji: index of the emoji -> name of the drawing."""
    if by_code:
        names = {plain(code): name for code, name in json.loads((package / "chars.json").read_text()).items()}
        found = {i: names.get(plain(one["hexcode"])) for i, one in enumerate(emoji)}
        return {i: name for i, name in found.items() if name is not None}
    icons = json.loads((package / "icons.json").read_text())
    known = {name: name for name in icons["icons"]}
    known |= {alias: entry["parent"] for alias, entry in icons.get("aliases", {}).items()}
    by_name: dict[str, str] = {}
    for name, drawing in known.items():
        if drawing not in wrong:
            by_name.setdefault(letters(name.replace("flag-for-", "flag-")), drawing)
    matched: dict[int, str] = {}
    used: set[str] = set()
    for rank in range(max(len(one["aliases"]) for one in emoji)):  # all best names before any second best
        for i, one in enumerate(emoji):
            if i in matched or rank >= len(one["aliases"]):
                continue
            drawing = by_name.get(one["aliases"][rank])
            if drawing is not None and drawing not in used:
                matched[i] = drawing
                used.add(drawing)
    return matched


def svg_text(icons: dict, name: str) -> str:
    """A drawing as an SVG document on a square canvas."""
    flip = False
    while name not in icons["icons"]:
        alias = icons["aliases"][name]
        flip ^= alias.get("hFlip", False)
        name = alias["parent"]
    icon = icons["icons"][name]
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    left, top = icon.get("left", 0), icon.get("top", 0)
    side = max(width, height)
    box = f"{left - (side - width) / 2:g} {top - (side - height) / 2:g} {side:g} {side:g}"
    body = icon["body"]
    if flip:
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    links = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {links} width="{side:g}" height="{side:g}" viewBox="{box}">{body}</svg>'


def rasterize(packages: Path, drawings: list[str]) -> dict[int, np.ndarray]:
    """Draw SVG texts: position in the list -> uint8 [64, 64, 4], premultiplied; less those resvg dies on."""
    done: dict[int, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        jobs, output = Path(folder) / "jobs.json", Path(folder) / "pixels"
        jobs.write_text(json.dumps(drawings))
        start = 0
        while start < len(drawings):
            output.write_bytes(b"")
            command = ["node", HERE / "emoji/rasterize.mjs", packages, jobs, output, str(SIZE), str(start)]
            ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
            pixels = np.frombuffer(output.read_bytes(), np.uint8)
            pixels = pixels[: len(pixels) // (SIZE * SIZE * 4) * SIZE * SIZE * 4].reshape(-1, SIZE, SIZE, 4)
            done |= {start + i: picture for i, picture in enumerate(pixels)}
            start += len(pixels)
            if ended.returncode != 0:
                if not done:
                    raise SystemExit(f"node failed: {ended.stderr}")
                print(f"  resvg gave up on drawing {start}: {ended.stderr.strip().splitlines()[:2]}")
                start += 1
    return done


def halve(premultiplied: np.ndarray) -> np.ndarray:
    """Average 2 x 2 pixels of pictures [..., H, W, 4] with premultiplied alpha; float64, same range."""
    *rest, height, width, channels = premultiplied.shape
    return (
        premultiplied.reshape(*rest, height // 2, 2, width // 2, 2, channels)
        .astype(np.float64)
        .mean((-4, -2))
    )


def straight(premultiplied: np.ndarray) -> np.ndarray:
    """Divide the alpha out: [..., 4] premultiplied, 0 to 255, to straight uint8; transparent pixels are 0."""
    alpha = np.rint(premultiplied[..., 3:])
    color = premultiplied[..., :3] * 255.0 / np.maximum(premultiplied[..., 3:], 1e-9)
    color = np.where(alpha > 0, np.minimum(np.rint(color), 255), 0)
    return np.concatenate([color, alpha], -1).astype(np.uint8)


def encode(pictures: np.ndarray) -> bytes:
    """Straight RGBA pictures [n, s, s, 4] as one lossless WebP sheet, row by row from the top left."""
    size = pictures.shape[1]
    rows = -(-len(pictures) // COLUMNS)
    sheet = np.zeros((rows * COLUMNS, size, size, 4), np.uint8)
    sheet[: len(pictures)] = pictures
    sheet = sheet.reshape(rows, COLUMNS, size, size, 4).swapaxes(1, 2).reshape(rows * size, COLUMNS * size, 4)
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "WEBP", lossless=True, quality=100, method=6, exact=True)
    return buffer.getvalue()


def family(hexcode: str) -> str:
    """What the variants of one emoji share: woman, man and person are one, and so are the two directions."""
    parts = plain(hexcode).split("-")
    parts = ["1f9d1" if part in {"1f468", "1f469"} else part for part in parts]
    text = "-".join(parts)
    for ending in ("-200d-2640", "-200d-2642", "-200d-27a1"):
        text = text.replace(ending, "")
    return text


def hold_out(emoji: list[dict], drawings: dict[str, dict[int, np.ndarray]]) -> list[bool]:
    """Choose a tenth of each group, whole families at a time, in the order of a hash of their code points."""
    parent = list(range(len(emoji)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    seen: dict[object, int] = {}
    for i, one in enumerate(emoji):
        keys: list[object] = [family(one["hexcode"])]
        for artist, pictures in drawings.items():
            if i in pictures:
                keys.append((artist, straight(halve(pictures[i])).tobytes()))
        for key in keys:
            a, b = root(i), root(seen.setdefault(key, i))
            parent[max(a, b)] = min(a, b)
    families = defaultdict(list)
    for i in range(len(emoji)):
        families[root(i)].append(i)
    held = [False] * len(emoji)
    by_group = defaultdict(list)
    for first in families:
        by_group[emoji[first]["group"]].append(first)
    for members in by_group.values():
        wanted = round(HELD_OUT * sum(len(families[first]) for first in members))
        members.sort(key=lambda first: hashlib.sha256(emoji[first]["hexcode"].encode()).hexdigest())
        for first in members:
            if len(families[first]) <= wanted:
                wanted -= len(families[first])
                for i in families[first]:
                    held[i] = True
    return held


def main() -> None:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--packages", type=Path, default=HERE / "emoji/node_modules", help="node_modules")
    packages = parser.parse_args().packages
    if not packages.is_dir():
        raise SystemExit(f"{packages} does not exist: run `npm ci --prefix tools/emoji` first")
    emoji = read_emoji(packages)
    drawings: dict[str, dict[int, np.ndarray]] = {}
    for artist, (package, by_code) in ARTISTS.items():
        folder = packages / "@iconify-json" / package
        icons = json.loads((folder / "icons.json").read_text())
        matched = match(emoji, folder, by_code, WRONG.get(artist, set()))
        rows = list(matched)
        drawn = rasterize(packages, [svg_text(icons, matched[i]) for i in rows])
        drawings[artist] = {rows[k]: picture for k, picture in drawn.items() if picture[..., 3].any()}
        print(f"{artist:10} {len(drawings[artist]):5} drawings")
    held = hold_out(emoji, drawings)
    for artist, pictures in drawings.items():
        stack = np.stack([pictures[i] for i in sorted(pictures)])
        for size, pixels in ((64, stack), (32, halve(stack))):
            atomic_write_bytes(FILES / f"emoji/{artist}/{size}.webp", encode(straight(pixels)))
    document = {
        "emoji": [
            {key: value for key, value in one.items() if key != "aliases"} | {"held_out": held[i]}
            for i, one in enumerate(emoji)
        ],
        "artists": {artist: sorted(pictures) for artist, pictures in drawings.items()},
    }
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    atomic_write_bytes(FILES / "emoji/emoji.json.xz", lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))
    for name, entry in write_manifest().items():
        if name.startswith("emoji/"):
            print(f"{entry['bytes']:>12,}  {name}")
    print(f"{len(emoji)} emoji, {sum(held)} held out")


if __name__ == "__main__":
    main()
