"""`make test` decides by itself at which scales the notebooks run."""

import subprocess

import pytest
import run_tests as tool


@pytest.fixture
def runs(monkeypatch):
    """What would run: a list of (scale, arguments); and the exit status of each scale."""
    ran, status = [], {}

    def run(command, cwd, env):
        ran.append((env["FMLIB_SCALE"], command[3:]))
        return subprocess.CompletedProcess(command, status.get(env["FMLIB_SCALE"], 0))

    monkeypatch.setattr(tool.subprocess, "run", run)
    return ran, status


def see(monkeypatch, cuda: bool) -> None:
    monkeypatch.setattr(tool, "sees_cuda", lambda: cuda)


def test_without_cuda_everything_runs_at_smoke(runs, monkeypatch, capsys):
    see(monkeypatch, False)
    assert tool.main([]) == 0
    ((scale, arguments),) = runs[0]
    assert scale == "smoke"
    assert {"tests", "notebooks"} <= set(arguments)
    assert "no CUDA device: the notebooks run at smoke" in capsys.readouterr().out


def test_with_cuda_the_notebooks_run_at_gpu_as_well(runs, monkeypatch, capsys):
    see(monkeypatch, True)
    assert tool.main([]) == 0
    (first, everything), (second, notebooks) = runs[0]
    assert (first, second) == ("smoke", "gpu")
    assert "tests" in everything
    assert "notebooks" in notebooks
    assert "tests" not in notebooks
    assert "at smoke and gpu" in capsys.readouterr().out


@pytest.mark.parametrize("failing", ["smoke", "gpu"])
def test_a_failure_at_either_scale_fails_and_hides_no_other(runs, monkeypatch, failing):
    see(monkeypatch, True)
    runs[1][failing] = 1
    assert tool.main([]) == 1
    assert [scale for scale, _ in runs[0]] == ["smoke", "gpu"]


@pytest.mark.parametrize("scale", ["smoke", "gpu"])
def test_one_scale_can_be_asked_for(runs, monkeypatch, scale):
    see(monkeypatch, True)
    assert tool.main(["--scale", scale, "--", "-k", "fit"]) == 0
    ((ran, arguments),) = runs[0]
    assert ran == scale
    assert arguments[-2:] == ["-k", "fit"]


def test_gpu_without_cuda_is_refused(runs, monkeypatch, capsys):
    see(monkeypatch, False)
    with pytest.raises(SystemExit):
        tool.main(["--scale", "gpu"])
    assert "needs a CUDA device" in capsys.readouterr().err
    assert runs[0] == []


def test_whether_there_is_cuda_torch_says(monkeypatch):
    import torch

    for answer in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=answer: answer)
        assert tool.sees_cuda() is answer
