"""The one source of the repository's public address: where badges, links and install commands point.

    python tools/repository.py                                  print the address that this clone would use
    python tools/repository.py --set https://github.com/o/n     write it into every place that spells it out
    python tools/repository.py --set ""                         leave it out again
    python tools/repository.py --check                          fail where a place says something else

The address is the setting `fmlib_repository` in `_config.yml`; where that is empty, the clone's
`origin`, if it is a public one. Without either, the book leaves badges and repository buttons out.
The website takes it from here when it is built; README, CITATION.cff and the notebooks' set-up
cells spell it out, and `--set` keeps them equal.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
# GitHub alone, because both Colab and Binder open notebooks from there.
PUBLIC = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:]([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
README_LINE = re.compile(r"^git clone (?P<address>\S+?)(?:\.git)? foundation-models$", re.MULTILINE)
CITATION_LINE = re.compile(r'^repository-code: "?(?P<address>[^"\n]*)"?\n', re.MULTILINE)
SETUP_LINE = re.compile(r'^(?P<before>REPOSITORY = ")(?P<address>[^"]*)(?P<after>".*)$', re.MULTILINE)
# The same line inside a notebook's JSON, where its quotation marks carry a backslash.
STORED_LINE = re.compile(r'(?P<before>"REPOSITORY = \\")[^"\\]*(?P<after>\\")')
CONFIG_LINE = re.compile(r'^(?P<before> +fmlib_repository: ")(?P<address>[^"]*)(?P<after>".*)$', re.MULTILINE)
NO_ADDRESS = "<address>"  # what README's clone command says while there is none


def normalize(url: str) -> str | None:
    """A clone's URL -> `https://github.com/owner/name`, or None where it is not a public address.

    A local path, a host of one's own and a URL with a password in it are not public.
    """
    match = PUBLIC.fullmatch(url.strip())
    return f"https://github.com/{match[1]}/{match[2]}" if match else None


def setting(root: Path = ROOT) -> str | None:
    """The address that `_config.yml` states, or None where the setting is empty.

    Raises:
        ValueError: it is neither empty nor of the form https://github.com/owner/name.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    stated = config["sphinx"]["config"]["fmlib_repository"]
    if stated and normalize(stated) != stated:
        raise ValueError(
            f"fmlib_repository in _config.yml is {stated!r}: "
            "expected https://github.com/owner/name, or an empty text"
        )
    return stated or None


def origin(root: Path = ROOT) -> str | None:
    """The public address of the clone's `origin`; None without git, a clone, an origin or a public one."""
    command = ["git", "-C", str(root), "config", "--local", "--get", "remote.origin.url"]
    own = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)}  # not the origin of a folder around us
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=own)
    except FileNotFoundError:
        return None
    return normalize(done.stdout) if done.returncode == 0 else None


def address(root: Path = ROOT) -> str | None:
    """The one address: the setting, else a public `origin`, else None."""
    return setting(root) or origin(root)


def places(root: Path = ROOT) -> dict[str, str]:
    """Every place that spells the address out -> what it says ("" for none)."""
    said = {}
    for path in (root / "README.md", root / "CITATION.cff"):
        pattern = README_LINE if path.name == "README.md" else CITATION_LINE
        match = pattern.search(path.read_text(encoding="utf-8"))
        said[path.name] = "" if match is None or match["address"] == NO_ADDRESS else match["address"]
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" in path.parts:
            continue
        for source in code_cells(path):
            for match in SETUP_LINE.finditer(source):
                said[path.relative_to(root).as_posix()] = match["address"]
    return said


def code_cells(path: Path) -> list[str]:
    """The sources of a notebook's code cells."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def problems(root: Path = ROOT) -> list[str]:
    """The places that differ from the setting, one sentence each."""
    stated = setting(root) or ""
    remedy = f'python tools/repository.py --set "{stated}"'
    return [
        f"{place} says {said!r}, _config.yml says {stated!r}: run `{remedy}`"
        for place, said in places(root).items()
        if said != stated
    ]


def write(new: str, root: Path = ROOT) -> None:
    """Put `new` ("" for none) into the setting and into every place that spells it out.

    Raises:
        ValueError: `new` is not of the form https://github.com/owner/name.
    """
    if new and normalize(new) is None:
        raise ValueError(f"{new!r} is not public: expected https://github.com/owner/name, or an empty text")
    new = normalize(new) or ""
    rewrite(root / "_config.yml", CONFIG_LINE, rf"\g<before>{new}\g<after>")
    rewrite(root / "README.md", README_LINE, f"git clone {new or NO_ADDRESS} foundation-models")
    rewrite(root / "CITATION.cff", CITATION_LINE, "")
    if new:
        rewrite(root / "CITATION.cff", re.compile(r"\Z"), f'repository-code: "{new}"\n')
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        rewrite(path, STORED_LINE, rf"\g<before>{new}\g<after>")


def rewrite(path: Path, pattern: re.Pattern, replacement: str) -> None:
    """Replace what `pattern` finds in a file, and write the file only where that changed it."""
    from fmlib._files import atomic_write_text  # here, because fmlib brings torch: every build would wait

    before = path.read_text(encoding="utf-8")
    after = pattern.sub(replacement, before)
    if after != before:
        atomic_write_text(path, after)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--set", metavar="ADDRESS", help="write this address into every place")
    parser.add_argument("--check", action="store_true", help="fail where a place differs from the setting")
    options = parser.parse_args(arguments)
    try:
        if options.set is not None:
            write(options.set)
        found = problems() if options.check else []
        if not options.check:
            print(address() or "no public address: badges and repository buttons are left out")
    except ValueError as error:
        found = [str(error)]
    for problem in found:
        print(problem, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
