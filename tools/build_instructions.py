"""Rebuild the small set of instructions from the embedded plays: python tools/build_instructions.py

An answer is a short speech as it stands in a play. Its instruction says what is true of it: a question, an exclamation or
a statement, in one, two or three lines, and perhaps the word that it begins with. So every answer obeys, and a rule can
tell whether another one does. Of the combinations of kind, lines and word a fifth is held out for validation and
another fifth for the test, and some words altogether.
"""

import bz2
import itertools
import json
import random
import re
from typing import Any

from build_manifest import FILES, write_manifest

from fmlib._files import atomic_write_bytes
from fmlib.data import load_shakespeare
from fmlib.data.instructions import ENDINGS, LINES, Instruction

SEED = 1
LONGEST = 60  # characters of a line: longer ones are prose
EACH = 320  # of each of the nine forms in training, where there are as many
PLAIN_SHARE = 0.2  # of these, without a word
HELD_OUT_SHARE = 0.4  # of the combinations of kind, lines and word; half to choose by, half to report on
WORDS = [
    *("A", "And", "Ay", "But", "Come", "Good", "He", "How", "I", "If", "Is", "It", "My"),
    *("Nay", "No", "Now", "O", "Sir", "That", "The", "This", "Well", "What", "Why", "You"),
]
NEW_WORDS = ["By", "Do", "Here", "Let", "So", "Then", "Thou", "Where", "Who", "Your"]


def speeches(text: str) -> list[str]:
    """The short speeches of plays, without speakers' names and stage directions."""
    found = []
    for block in text.split("\n\n"):
        name, _, speech = block.partition(":\n")
        if re.fullmatch(r"[A-Z][A-Z .'-]+", name) and not re.search(r"[\[\]:]", speech):
            found.append(speech.strip())
    return found


def form(speech: str) -> tuple[str, int] | None:
    """Kind and number of lines of a speech, None where it is too long or ends otherwise."""
    lines = speech.split("\n")
    kind = next((kind for kind, end in ENDINGS.items() if speech.endswith(end)), None)
    fits = len(lines) in LINES and all(15 <= len(line) <= LONGEST for line in lines)
    return (kind, len(lines)) if kind and fits else None


def candidates(split: str) -> list[tuple[str, int, str]]:
    """Kind, lines and text of the short speeches of a split of the plays."""
    every = dict.fromkeys(speeches(load_shakespeare(split).text))
    return [(*form(speech), speech) for speech in every if form(speech)]


def asking(chosen: list[tuple[str, int, str]], words: list[str]) -> list[dict[str, Any]]:
    """An instruction for each speech that begins with one of the words."""
    made = []
    for kind, lines, speech in chosen:
        first = re.match(r"[A-Za-z]*", speech)[0]
        if first in words:
            made.append({"kind": kind, "lines": lines, "first": first, "answer": speech})
    return made


def combination(entry: dict[str, Any]) -> tuple[str, int, str]:
    return entry["kind"], entry["lines"], entry["first"]


def training_set(held_out: set[tuple[str, int, str]], rng: random.Random) -> list[dict[str, Any]]:
    """As many of each form as there are, up to a limit, some of them without a word."""
    plays = candidates("train")
    rng.shuffle(plays)
    made = []
    for kind, lines in itertools.product(ENDINGS, LINES):
        own = [entry for entry in plays if entry[:2] == (kind, lines)]
        asked = [entry for entry in asking(own, WORDS) if combination(entry) not in held_out]
        asked = asked[: round(EACH * (1 - PLAIN_SHARE))]
        used = {entry["answer"] for entry in asked}
        rest = [speech for _, _, speech in own if speech not in used]
        plain = [{"kind": kind, "lines": lines, "first": None, "answer": speech} for speech in rest]
        made += asked + plain[: round(EACH * PLAIN_SHARE)]
    return made


def one_of_each(
    entries: list[dict[str, Any]], wanted: list[tuple[str, int, str]], used: set[str]
) -> list[dict[str, Any]]:
    """The first speech of each combination that no split has used so far; some combinations have none."""
    chosen = []
    for one in wanted:
        own = (e for e in entries if combination(e) == one and e["answer"] not in used)
        found = next(own, None)
        if found:
            used.add(found["answer"])
            chosen.append(found)
    return chosen


def main() -> None:
    rng = random.Random(SEED)
    combinations = list(itertools.product(ENDINGS, LINES, WORDS))
    held_out = rng.sample(combinations, round(HELD_OUT_SHARE * len(combinations)))
    middle = len(held_out) // 2
    document = {"train": training_set(set(held_out), rng)}
    used = {entry["answer"] for entry in document["train"]}
    new = list(itertools.product(ENDINGS, LINES, NEW_WORDS))
    for split, wanted, words in (
        ("validation", sorted(held_out[:middle]), WORDS),
        ("test", sorted(held_out[middle:]), WORDS),
        ("new_words", new, NEW_WORDS),
    ):
        plays = candidates("validation" if split == "validation" else "test") + candidates("train")
        document[split] = one_of_each(asking(plays, words), wanted, used)
    for entries in document.values():
        rng.shuffle(entries)
    content = json.dumps(document, indent=0).encode()
    atomic_write_bytes(FILES / "instructions/instructions.json.bz2", bz2.compress(content, 9))
    write_manifest()
    for split, entries in document.items():
        first = Instruction(**entries[0])
        print(f"{split:10} {len(entries):>5}, e.g. {first.text!r} -> {first.answer!r}")


if __name__ == "__main__":
    main()
