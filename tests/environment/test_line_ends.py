"""A clone made by Git for Windows, which turns line ends into CRLF where it may, has the files that were committed."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = ".gitattributes"


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "core.autocrlf=false"]
    done = subprocess.run(["git", *own, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def origin(tmp_path):
    """A repository with the book's rules, and a file of each kind: bash, Python, another project's, data."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    folder = tmp_path / "origin"
    kept = (
        RULES,
        ".ci/run",
        ".binder/postBuild",
        "Makefile",
        "tools/environment.py",
        "book/static/vendor/mathjax/LICENSE",
    )
    for name in (*kept, "fmlib/data/files/manifest.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "book/static/vendor/mixed.js").write_bytes(b"one\r\ntwo\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "files")
    return folder


def clone(origin: Path, name: str) -> Path:
    subprocess.run(
        ["git", "clone", "--quiet", "-c", "core.autocrlf=true", str(origin), name],
        cwd=origin.parent,
        check=True,
    )
    return origin.parent / name


def test_every_file_of_such_a_clone_has_the_committed_bytes(origin):
    copy = clone(origin, "copy")
    names = git(origin, "ls-files").split()
    assert len(names) == 8
    assert [name for name in names if (copy / name).read_bytes() != (origin / name).read_bytes()] == []


def test_without_the_rules_it_has_not(origin):
    git(origin, "rm", "--quiet", RULES)
    git(origin, "commit", "--quiet", "-m", "without")
    assert b"\r\n" in (clone(origin, "copy") / ".ci/run").read_bytes()
