import math
import subprocess
import sys

import pytest
import torch

from fmlib.examples import self_supervised_example
from fmlib.self_supervised.__main__ import main
from fmlib.self_supervised.methods import METHODS

PICTURES = 2000  # for validation
HELD_OUT = {"colorization": 120, "cpc": 144, "bert": 1000}  # at scale smoke
BESIDE = {
    "rotation": ["raw pixels"],
    "colorization": ["random weights", "gray pixels", "the commonest answer"],
    "cpc": ["random weights", "log-mel spectrogram"],
    "bert": ["counts of the neighbors on both sides", "counts of letters"],
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_the_example_gives_features_and_a_loss(method):
    features, loss = self_supervised_example(method, progress=False)
    assert len(features) == HELD_OUT.get(method, PICTURES)
    assert torch.isfinite(features).all()
    assert features.std(dim=0).max() > 0
    assert 0 < loss < math.inf


@pytest.mark.slow
@pytest.mark.parametrize("method", BESIDE)
def test_each_kind_of_data_is_judged_beside_what_needs_no_training(method, capsys):
    assert main([method, "--steps", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{method} on {METHODS[method].data} without labels")
    for name in BESIDE[method]:
        assert name in said
    assert "nan" not in said


def test_no_method_is_without_a_judge_of_its_kind_of_data():
    judges = {name: method.judge for name, method in METHODS.items()}
    assert len({judges[name] for name in BESIDE}) == len(BESIDE)
    assert set(judges.values()) == {judges[name] for name in BESIDE}


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(
        ValueError, match="method is 'simclear': expected one of rotation, jigsaw, colorization, cpc, simclr"
    ):
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
    assert "METHOD is 'simclear': expected one of rotation, jigsaw, colorization, cpc, simclr" in done.stderr
