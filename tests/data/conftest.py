"""A copy of the embedded files for tests to spoil."""

import shutil

import pytest

from fmlib.data import _store


@pytest.fixture
def spoilable(tmp_path, monkeypatch):
    """A copy of all embedded files, which the loaders read during the test."""
    copy = tmp_path / "files"
    shutil.copytree(_store.FILES, copy)
    monkeypatch.setattr(_store, "FILES", copy)
    return copy
