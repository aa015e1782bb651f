"""How commands end: in one line that names what was wrong, never in a traceback."""

import io
import os
import subprocess
import sys

import pytest

from fmlib import commands
from fmlib.data import DataError
from fmlib.llm.__main__ import main as llm
from fmlib.self_supervised.__main__ import main as self_supervised
from fmlib.training.fit import TrainingError

QUICK_STARTS = [llm, self_supervised]


def ends(work, capsys):
    status = commands.run("python -m it", work)
    return status, capsys.readouterr().err


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OSError(28, "No space left on device", "runs/a"), 1, "error: No space left on device: runs/a"),
        (PermissionError(13, "Permission denied", "/a"), 1, "error: Permission denied: /a"),
        (DataError("a file\n  is missing"), 1, "error: a file is missing"),
        (TrainingError("the loss is nan at step 3"), 1, "error: the loss is nan at step 3"),
        (KeyboardInterrupt(), 130, "stopped"),
        (KeyboardInterrupt("go on with --resume"), 130, "stopped: go on with --resume"),
    ],
)
def test_what_stops_a_command_is_told_in_one_line(error, status, said, capsys):
    assert ends(raising(error), capsys) == (status, f"python -m it: {said}\n")


def test_a_mistake_of_ours_keeps_its_traceback(capsys):
    with pytest.raises(TypeError):
        ends(raising(TypeError("not a number")), capsys)


def test_the_status_is_that_of_the_work(capsys):
    assert ends(lambda: 0, capsys) == (0, "")
    assert ends(lambda: 3, capsys) == (3, "")


def test_a_terminal_that_knows_ascii_only_gets_question_marks(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert commands.run("it", lambda: sys.stdout.write("caf\u00e9 \u2013 tea") * 0) == 0
    assert written.getvalue() == b"caf? ? tea"


@pytest.mark.parametrize("main", QUICK_STARTS)
@pytest.mark.parametrize(
    ("arguments", "scale", "said"),
    [
        (
            ["--seed", str(2**64)],
            "smoke",
            "--seed is 18446744073709551616: expected a whole number from 0 to 2^63 - 1",
        ),
        (["--seed", "-1"], "smoke", "--seed is -1: expected a whole number"),
        (["--steps", "0"], "smoke", "--steps is 0: expected 1 or more"),
        ([], "bogus", "FMLIB_SCALE is 'bogus': expected one of smoke, cpu, gpu"),
    ],
)
def test_a_quick_start_refuses_bad_options_before_any_work(main, arguments, scale, said, monkeypatch, capsys):
    monkeypatch.setenv("FMLIB_SCALE", scale)
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a pipe as posix has it")
@pytest.mark.parametrize("module", ["fmlib.llm", "fmlib.self_supervised"])
def test_a_quick_start_writes_its_report_only_into_a_pipe_and_ends_when_nobody_reads(module):
    command = [sys.executable, "-m", module, "--steps", "2"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\r" not in done.stdout  # no bar
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline() == done.stdout.splitlines(keepends=True)[0]
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141
