"""What the book contains: lessons from `_toc.yml`, titles and times from the notebooks, plans from `book/planned.yml`.

    python tools/contents.py            write the list of lessons into README.md
    python tools/contents.py --check    fail where README.md says something else

The start page and the chapters' pages take their tables from here when the book is built (`book/_ext/fmlib_lessons.py`).
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
LIST = re.compile(
    r"(?<=<!-- lessons, written by tools/contents.py -->\n).*?(?=<!-- end of lessons -->)", re.DOTALL
)


@dataclass(frozen=True)
class Lesson:
    """A lesson that is there.

    Args:
        page: its notebook from the root, without `.ipynb`.
        title: the notebook's heading.
        promise: the text of the notebook's first cell below the heading.
        seconds: how long the stored run took, None without one.
        scale: the scale of that run.
    """

    page: str
    title: str
    promise: str
    seconds: float | None
    scale: str

    @property
    def time(self) -> str:
        """The stored run's time in words, e.g. "3 minutes" or "8 minutes at scale `gpu`"."""
        if self.seconds is None:
            return "not run yet"
        minutes = max(1, round(self.seconds / 60))
        at = "" if self.scale == "cpu" else f" at scale `{self.scale}`"
        return f"{minutes} minute{'s' if minutes > 1 else ''}{at}"


@dataclass(frozen=True)
class Chapter:
    """A chapter: folder, title, its page and lessons (none where it is only planned), and titles of planned lessons."""

    name: str
    title: str
    page: str | None
    lessons: tuple[Lesson, ...]
    planned: tuple[str, ...]


def lesson(page: str, root: Path) -> Lesson:
    """Read a lesson from its notebook.

    Raises:
        ValueError: the notebook's first cell is not a heading with a sentence below it.
    """
    notebook = json.loads((root / f"{page}.ipynb").read_text(encoding="utf-8"))
    first = "".join(notebook["cells"][0]["source"])
    found = re.fullmatch(r"# (?P<title>[^\n]+)\n+(?P<promise>.+)", first.strip(), re.DOTALL)
    if found is None:
        raise ValueError(f"{page}.ipynb begins with {first[:60]!r}: expected '# Title' and one sentence")
    stamp = notebook["metadata"].get("fmlib", {})
    promise = " ".join(found["promise"].split())
    return Lesson(page, found["title"].strip(), promise, stamp.get("seconds"), stamp.get("scale", ""))


def chapters(root: Path = ROOT) -> list[Chapter]:
    """All chapters in the order of the book, those that are only planned last."""
    parts = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    plans = yaml.safe_load((root / "book/planned.yml").read_text(encoding="utf-8")) or {}
    found = []
    for part in parts:
        pages = [entry["file"] for entry in part["chapters"]]
        lessons = tuple(lesson(page, root) for page in pages if page.startswith("notebooks/"))
        if lessons:
            name = lessons[0].page.split("/")[1]
            page = next((page for page in pages if page.startswith("book/")), None)
            planned = tuple(plans.get(name, {}).get("lessons", {}).values())
            found.append(Chapter(name, part["caption"], page, lessons, planned))
    there = {chapter.name for chapter in found}
    rest = ((name, plan) for name, plan in plans.items() if name not in there)
    return found + [
        Chapter(name, plan["title"], None, (), tuple(plan["lessons"].values())) for name, plan in rest
    ]


def problems(root: Path = ROOT) -> list[str]:
    """Plans that came true and are still called plans."""
    plans = yaml.safe_load((root / "book/planned.yml").read_text(encoding="utf-8")) or {}
    there = {
        (chapter.name, page.page.split("/")[-1][3:]) for chapter in chapters(root) for page in chapter.lessons
    }
    return [
        f"book/planned.yml plans {chapter}/{name}, and _toc.yml has it: take it out of the plans"
        for chapter, plan in plans.items()
        for name in plan["lessons"]
        if (chapter, name) in there
    ]


def plans(found: list[Chapter]) -> list[str]:
    """What is planned, as lines of Markdown; none when nothing is."""
    said = [f"- {chapter.title}: {'; '.join(chapter.planned)}" for chapter in found if chapter.planned]
    return ["Planned, and not there yet:", "", *said] if said else []


def readme_list(found: list[Chapter]) -> str:
    """What README says of the lessons."""
    there = [
        f"- {chapter.title}\n"
        + "\n".join(f"  - [{each.title}]({each.page}.ipynb)" for each in chapter.lessons)
        for chapter in found
        if chapter.lessons
    ]
    return "\n".join(["", *there, "", *plans(found)]).rstrip() + "\n\n"


def readme(root: Path = ROOT) -> str:
    """README.md with the list of lessons as it should be.

    Raises:
        ValueError: README.md has no place for it.
    """
    text = (root / "README.md").read_text(encoding="utf-8")
    if LIST.search(text) is None:
        raise ValueError("README.md lacks the comments between which the list of lessons stands")
    return LIST.sub(lambda _: readme_list(chapters(root)), text)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail where README.md differs")
    options = parser.parse_args(arguments)
    found = problems()
    path = ROOT / "README.md"
    if not options.check:
        path.write_text(readme(), encoding="utf-8", newline="\n")
    elif path.read_text(encoding="utf-8") != readme():
        found.append("README.md lists other lessons than the book has: run `python tools/contents.py`")
    for problem in found:
        print(problem, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
