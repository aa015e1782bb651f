"""The layers of the package hold, and what breaks one is found: see `tool.importlinter` in pyproject.toml."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def lint(folder: Path) -> tuple[int, str]:
    """The exit status, and what the linter says of the package in a folder."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copied(tmp_path):
    """The package's code without its data, to spoil."""
    shutil.copytree(ROOT / "fmlib", tmp_path / "fmlib", ignore=shutil.ignore_patterns("files", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_hold():
    status, said = lint(ROOT)
    assert status == 0, said
    assert "0 broken" in said


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("llm/gpt/model.py", "from fmlib.llm.family import rotary", "No lesson on language models"),
        (
            "exercises/llm/tokens/bpe.py",
            "from fmlib.exercises.llm.gpt import heads",
            "No lesson on language models",
        ),
        ("training/fit.py", "from fmlib.llm.gpt import model", "Exercises stand on chapters"),
        ("data/works.py", "from fmlib.training import fit", "Exercises stand on chapters"),
        (
            "self_supervised/contrastive/moco.py",
            "from fmlib.llm.gpt import model",
            "Exercises stand on chapters",
        ),
    ],
)
def test_an_import_against_the_layers_is_found(copied, file, line, broken):
    path = copied / "fmlib" / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    status, said = lint(copied)
    assert status == 1, said
    assert any(broken in part and "BROKEN" in part for part in said.splitlines())


def test_a_new_room_must_find_its_place(copied):
    (copied / "fmlib" / "attic.py").write_text("", encoding="utf-8")
    status, said = lint(copied)
    assert status == 1
    assert "attic" in said
