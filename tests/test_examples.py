import math
import subprocess
import sys

import pytest
import torch

from fmlib.examples import self_supervised_example
from fmlib.self_supervised.methods import METHODS


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_example_gives_features_and_a_loss(method):
    features, loss = self_supervised_example(method, progress=False)
    assert len(features) == 2000
    assert torch.isfinite(features).all()
    assert features.std(dim=0).max() > 0
    assert 0 < loss < math.inf


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(ValueError, match="method is 'simclear': expected one of rotation, jigsaw, simclr"):
        self_supervised_example("simclear")


@pytest.mark.slow
def test_the_quick_start_says_how_good_the_features_are():
    done = subprocess.run(
        [sys.executable, "-m", "fmlib.self_supervised"], capture_output=True, text=True, check=True
    )
    assert "% right from learned features" in done.stdout
    assert "% right from raw pixels" in done.stdout


def test_the_quick_start_refuses_no_steps():
    done = subprocess.run(
        [sys.executable, "-m", "fmlib.self_supervised", "--steps", "0"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "--steps is 0" in done.stderr


def test_the_quick_start_refuses_a_method_that_it_does_not_know():
    done = subprocess.run(
        [sys.executable, "-m", "fmlib.self_supervised", "simclear"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "METHOD is 'simclear': expected one of rotation, jigsaw, simclr" in done.stderr
