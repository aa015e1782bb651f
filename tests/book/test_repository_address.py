"""The repository's address has one source."""

import json
import shutil
import subprocess

import pytest
import repository

ADDRESS = "https://github.com/someone/a-book"


def test_every_place_says_what_the_setting_says():
    assert repository.problems() == []


@pytest.mark.parametrize(
    "url",
    [
        ADDRESS,
        f"{ADDRESS}.git",
        f"{ADDRESS}/",
        "git@github.com:someone/a-book.git",
        "ssh://git@github.com/someone/a-book",
    ],
)
def test_a_public_address_is_recognized_in_each_of_its_forms(url):
    assert repository.normalize(url) == ADDRESS


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/home/someone/a-book",
        "file:///srv/a-book.git",
        "../a-book",
        "http://localhost:3000/someone/a-book",
        "https://git.example.internal/someone/a-book.git",
        "https://user:secret@github.com/someone/a-book",
        "https://github.com/someone",
        "https://github.com.evil.example/someone/a-book",
    ],
)
def test_anything_else_is_not_public(url):
    assert repository.normalize(url) is None


@pytest.fixture
def tree(tmp_path):
    """The places that know the address, in a clone of their own."""
    for name in ("_config.yml", "README.md", "CITATION.cff"):
        shutil.copy(repository.ROOT / name, tmp_path)
    notebook = tmp_path / "notebooks/chapter/01_lesson.ipynb"
    notebook.parent.mkdir(parents=True)
    cell = {"cell_type": "code", "source": ['REPOSITORY = ""  # where fmlib is\n', "import fmlib"]}
    notebook.write_text(json.dumps({"cells": [cell], "metadata": {}}, indent=1))
    repository.write("", tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def set_origin(tree, url):
    subprocess.run(["git", "-C", str(tree), "config", "remote.origin.url", url], check=True)


def test_without_setting_and_origin_there_is_no_address(tree):
    assert repository.address(tree) is None


def test_a_public_origin_is_the_address(tree):
    set_origin(tree, f"{ADDRESS}.git")
    assert repository.address(tree) == ADDRESS


def test_a_private_origin_is_not(tree):
    set_origin(tree, "http://localhost:3000/someone/a-book.git")
    assert repository.address(tree) is None


def test_the_setting_wins_over_the_origin(tree):
    set_origin(tree, "https://github.com/a-fork/a-book")
    repository.write(ADDRESS, tree)
    assert repository.address(tree) == ADDRESS


def test_one_command_changes_every_place_and_back(tree):
    before = {
        path: path.read_text() for path in tree.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    repository.write(ADDRESS, tree)
    assert set(repository.places(tree).values()) == {ADDRESS}
    assert len(repository.places(tree)) == 3
    assert repository.problems(tree) == []
    json.loads((tree / "notebooks/chapter/01_lesson.ipynb").read_text())
    repository.write("", tree)
    assert {path: path.read_text() for path in before} == before


def test_a_place_that_says_something_else_is_named(tree):
    repository.write(ADDRESS, tree)
    readme = tree / "README.md"
    readme.write_text(readme.read_text().replace(ADDRESS, "https://github.com/someone/another"))
    (problem,) = repository.problems(tree)
    assert problem.startswith("README.md says 'https://github.com/someone/another'")


def test_an_address_of_another_form_is_refused_and_changes_nothing(tree):
    before = (tree / "_config.yml").read_text()
    with pytest.raises(ValueError, match=r"expected https://github\.com/owner/name"):
        repository.write("https://example.org/x", tree)
    assert (tree / "_config.yml").read_text() == before


def test_a_setting_of_another_form_is_refused(tree):
    config = tree / "_config.yml"
    config.write_text(config.read_text().replace('fmlib_repository: ""', 'fmlib_repository: "github.com/x"'))
    with pytest.raises(ValueError, match=r"fmlib_repository in _config.yml is 'github.com/x'"):
        repository.address(tree)
