import subprocess
import sys

import pytest
import torch

from fmlib.examples import contrastive_learning_example


@pytest.mark.slow
def test_the_example_gives_features_and_a_loss():
    features, loss = contrastive_learning_example(progress=False)
    assert len(features) == 2000
    assert torch.isfinite(features).all()
    assert 0 < loss < 10


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
