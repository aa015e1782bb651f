"""Embedded files are read only if they are what was published."""

import ast
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from build_manifest import DATA_SUFFIXES
from hypothesis import given
from hypothesis import strategies as st

from fmlib.data import (
    DataError,
    _store,
    load_austen,
    load_emoji,
    load_fashion_mnist,
    load_instructions,
    load_shakespeare,
)

LOADERS = {
    "fashion_mnist/train.webp": lambda: load_fashion_mnist("train"),
    "fashion_mnist/validation.webp": lambda: load_fashion_mnist("validation"),
    "fashion_mnist/test.webp": lambda: load_fashion_mnist("test"),
    "fashion_mnist/index.json.xz": lambda: load_fashion_mnist("test"),
    "emoji/emoji.json.xz": lambda: load_emoji(),
    "emoji/noto/32.webp": lambda: load_emoji("train", artists=("noto",)),
    "emoji/fluent/64.webp": lambda: load_emoji("held_out_artist", size=64),
    "shakespeare/plays.json.bz2": lambda: load_shakespeare("test"),
    "austen/novels.json.bz2": lambda: load_austen("test"),
    "instructions/instructions.json.bz2": lambda: load_instructions("test"),
}


def test_the_manifest_lists_every_data_file_and_nothing_else():
    listed = set(json.loads((_store.FILES / "manifest.json").read_text())["files"])
    present = {
        path.relative_to(_store.FILES).as_posix()
        for path in _store.FILES.rglob("*")
        if path.suffix in DATA_SUFFIXES
    }
    assert listed == present


def test_every_file_has_the_checksum_and_size_of_the_manifest():
    for name, entry in json.loads((_store.FILES / "manifest.json").read_text())["files"].items():
        content = (_store.FILES / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["bytes"], entry["sha256"]), name


@pytest.mark.parametrize("name", LOADERS)
def test_a_corrupt_file_is_refused_by_name_with_both_checksums(spoilable, name):
    path = spoilable / name
    before = path.read_bytes()
    after = before[:100] + bytes([before[100] ^ 1]) + before[101:]
    path.write_bytes(after)
    with pytest.raises(DataError) as refusal:
        LOADERS[name]()
    message = str(refusal.value)
    assert str(path) in message
    assert hashlib.sha256(before).hexdigest() in message
    assert hashlib.sha256(after).hexdigest() in message
    assert "git checkout" in message


@pytest.mark.parametrize("name", LOADERS)
def test_a_missing_file_is_refused_by_name_with_its_checksum(spoilable, name):
    path = spoilable / name
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    with pytest.raises(DataError, match="missing") as refusal:
        LOADERS[name]()
    assert str(path) in str(refusal.value)
    assert checksum in str(refusal.value)


def test_a_cut_file_is_refused(spoilable):
    path = spoilable / "shakespeare/plays.json.bz2"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="found    1,000 bytes"):
        load_shakespeare()


def test_a_folder_in_place_of_a_file_is_refused(spoilable):
    path = spoilable / "shakespeare/plays.json.bz2"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"plays\.json\.bz2"):
        load_shakespeare()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 3}', '{"files": {}}', '{"files": {"a": 1}}'])
def test_a_damaged_manifest_is_refused_by_name(spoilable, content):
    (spoilable / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json"):
        load_shakespeare()


def test_a_missing_manifest_is_refused_by_name(spoilable):
    (spoilable / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"manifest\.json"):
        load_shakespeare()


def test_a_data_error_is_a_value_error():
    assert issubclass(DataError, ValueError)


@given(st.lists(st.integers(-7, 6), max_size=20))
def test_rows_follow_the_rules_of_python_indexing(indices):
    assert _store.rows(indices, 7).tolist() == [range(7)[index] for index in indices]


@given(st.lists(st.booleans(), min_size=7, max_size=7))
def test_a_mask_picks_the_rows_where_it_is_true(mask):
    assert _store.rows(torch.tensor(mask), 7).tolist() == [i for i, keep in enumerate(mask) if keep]


@given(st.integers().filter(lambda i: not -7 <= i < 7 and abs(i) < 2**62))
def test_a_row_out_of_range_is_refused_with_the_range(index):
    with pytest.raises(ValueError, match="expected -7 to 6"):
        _store.rows([0, index], 7)


@pytest.mark.parametrize("bad", [[0.5], [[1, 2]], [True], 3])
def test_rows_that_are_not_whole_numbers_are_refused(refuses, bad):
    with refuses(ValueError, "expected whole numbers"):
        _store.rows(bad, 7)


def test_importing_the_data_package_loads_neither_pillow_nor_torchvision_nor_files():
    code = (
        "import sys, torch; before = set(sys.modules); import fmlib.data; "
        "print([m for m in ('PIL.Image', 'torchvision', 'sklearn', 'matplotlib') if m in set(sys.modules) - before])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_no_loader_uses_pickle():
    for path in Path(_store.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
        assert not imported & {"pickle", "shelve", "marshal"}, path


def test_all_embedded_data_stay_small_enough_to_clone():
    assert sum(path.stat().st_size for path in _store.FILES.rglob("*") if path.is_file()) < 32e6
