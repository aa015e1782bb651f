"""An answer that does not come to an end is stopped, and told so."""

import contextlib
import signal
import subprocess
import sys

import pytest
import torch

from fmlib.exercises import check, progress
from fmlib.exercises.limits import OutOfTime, seconds_allowed


def endless(batch):
    while True:
        batch += 1


def swallowing(batch):
    while True:
        with contextlib.suppress(Exception):
            batch += 1


def said(result):
    return " ".join(repr(result).split())


@pytest.mark.parametrize("attempt", [endless, swallowing])
def test_a_loop_that_never_ends_is_stopped(attempt):
    result = check("positive_indices", attempt, seconds=0.2)
    assert result.status == "not there yet"
    assert "Stopped after 0.2 seconds, in the case “batch = 3”" in said(result)
    assert 'check("positive_indices", positive_indices, seconds=60)' in said(result)
    assert result.inputs == {"batch": 3}
    row = next(row for row in progress().rows if row[1] == "positive_indices")
    assert row[3] == "1"


# In a Python of its own: CPython 3.11 remembers for ever that an exception was asked for in a thread, also when it was
# taken back, and a function that a profiler watches (as the tests of drawings do) then never begins.
OTHER_THREAD = """
import threading
from fmlib.exercises import check
from fmlib.exercises.limits import time_limit

def endless(batch):
    while True:
        batch += 1

def body():
    {body}

thread = threading.Thread(target=body)
thread.start()
thread.join(timeout=60)
print("alive" if thread.is_alive() else "ended")
"""


def in_another_thread(body):
    program = OTHER_THREAD.format(body=body)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def test_outside_of_the_main_thread_too():
    found = in_another_thread("print(repr(check('positive_indices', endless, seconds=0.2)))")
    assert "Stopped after 0.2 seconds" in found
    assert found.endswith("ended")


def test_the_environment_sets_the_limit(monkeypatch):
    monkeypatch.setenv("FMLIB_CHECK_SECONDS", "0.3")
    assert "Stopped after 0.3 seconds" in said(check("positive_indices", endless))
    monkeypatch.delenv("FMLIB_CHECK_SECONDS")
    assert seconds_allowed(None) == 20


@pytest.mark.parametrize("seconds", [0, -1, "soon", float("nan")])
def test_a_limit_that_is_no_time_is_refused(seconds, refuses):
    with refuses(ValueError, "expected a number above 0"):
        check("positive_indices", endless, seconds=seconds)


def test_a_limit_of_the_environment_that_is_no_time_is_refused(monkeypatch, refuses):
    monkeypatch.setenv("FMLIB_CHECK_SECONDS", "long")
    with refuses(ValueError, "FMLIB_CHECK_SECONDS is 'long'"):
        check("positive_indices", endless)


def test_a_right_answer_needs_no_alarm_and_leaves_none():
    handler = signal.getsignal(signal.SIGALRM) if hasattr(signal, "SIGALRM") else None
    assert check(
        "positive_indices", lambda batch: torch.arange(2 * batch).roll(batch), seconds=float("inf")
    ).passed
    assert check("positive_indices", lambda batch: torch.arange(2 * batch).roll(batch)).passed
    if handler is not None:
        assert signal.getsignal(signal.SIGALRM) is handler
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_ends_in_time_is_let_be_in_any_thread():
    assert in_another_thread("with time_limit(30): print(sum(range(1000)))") == "499500 ended"
    assert not issubclass(OutOfTime, Exception)
