"""Shared by all tests: seeds, one thread, and shapes that are checked as the signatures promise."""

import contextlib
import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("FMLIB_SCALE", "smoke")

import jaxtyping
import pytest

sys.path.insert(0, str(Path(__file__).parent))
jaxtyping.install_import_hook("fmlib", "typecheck.check")

import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

import fmlib  # noqa: E402, F401  before torchvision and whoever imports it: it mends it beside a CPU-only torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what runs in the background so; tests that send ctrl-C want what a reader's terminal has
    signal.signal(signal.SIGINT, signal.default_int_handler)
# On shared cores a slow example is no failure; and a failure must come again when the test does.
settings.register_profile("book", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("book")


def pytest_addoption(parser):
    parser.addoption(
        "--every-lesson", action="store_true", help="all lessons and comparisons on another device, not a few"
    )


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    """Nothing that a test does may touch the progress file of whoever runs it."""
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path_factory.mktemp("home")))


@contextlib.contextmanager
def _raises(error, match):
    # Readers run without shape checking, so what they see is the function's own error.
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(error, match=match) as caught:
            yield caught
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def refuses():
    """`with refuses(ValueError, "what it says"):` -- the function itself must refuse, as it does for a reader."""
    return _raises


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def pytest_collection_modifyitems(items):
    """Fast tests first, the browser's and the notebooks' last."""

    def weight(item):
        if item.get_closest_marker("browser"):
            return 2
        if "notebooks" in item.path.parts[len(ROOT.parts) : len(ROOT.parts) + 1]:
            return 3
        return 1 if item.get_closest_marker("slow") else 0

    items.sort(key=weight)
