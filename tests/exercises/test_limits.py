"""An answer that does not come to an end is stopped, and told so."""

import contextlib
import random
import signal
import sys
import threading
import time

import pytest
import torch

from fmlib.exercises import check, progress
from fmlib.exercises.limits import OutOfTime, seconds_allowed, within


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


def in_another_thread(body):
    """What `body` returns when it runs in a thread of its own, which has to end."""
    found = []
    thread = threading.Thread(target=lambda: found.append(body()))
    thread.start()
    thread.join(timeout=60)
    assert not thread.is_alive()
    return found[0]


def test_outside_of_the_main_thread_too():
    result = in_another_thread(lambda: check("positive_indices", endless, seconds=0.2))
    assert "Stopped after 0.2 seconds" in said(result)


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
    assert in_another_thread(lambda: within(30, lambda: sum(range(1000)))) == 499500
    assert not issubclass(OutOfTime, Exception)


def busy(seconds, swallow=False):
    """A body that computes for so long; one that swallows does so with whatever can be swallowed."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        with contextlib.suppress(Exception if swallow else ()):
            sum(range(20))
    return "ended"


def nested(seconds, swallow=False):
    """Two limits that run out at nearly the same moment."""
    return within(0.001, lambda: busy(seconds, swallow))


def around_the_limit(rounds, body, swallow):
    """Bodies that end just before, at and after their limit; how many were stopped, and how often something came late."""
    draw, stopped, late = random.Random(0), 0, 0
    for _ in range(rounds):
        try:
            assert within(0.001, lambda: body(0.001 + draw.uniform(-0.0002, 0.0004), swallow)) == "ended"
        except OutOfTime:
            stopped += 1
        try:
            busy(0.0005)
        except OutOfTime:
            late += 1
    try:
        busy(1.2)  # the watcher of one that never learnt that it has ended asks again after a second
    except OutOfTime:
        late += 1
    return stopped, late


@pytest.fixture
def quick_turns():
    """Threads take turns so often that a watcher asks when its time is up, not up to 5 ms later."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize(("body", "swallow"), [(busy, False), (busy, True), (nested, True)])
def test_nothing_is_raised_after_the_end_in_any_thread(body, swallow, quick_turns):
    stopped, late = in_another_thread(lambda: around_the_limit(150, body, swallow))
    assert stopped > 10  # else the bodies were too short to say anything
    assert late == 0
    watchers = [each for each in threading.enumerate() if "watch" in each.name]
    for each in watchers:
        each.join(timeout=5)
    assert not any(each.is_alive() for each in watchers)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no alarm")
def test_nothing_is_raised_after_the_end_in_the_main_thread():
    handler = signal.getsignal(signal.SIGALRM)
    stopped, late = around_the_limit(150, busy, False)
    assert stopped > 10
    assert late == 0
    assert signal.getsignal(signal.SIGALRM) is handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_body_that_catches_everything_is_stopped_again_and_again():
    def stubborn():
        caught = 0
        while caught < 2:
            try:
                busy(60)
            except OutOfTime:
                caught += 1
        return caught

    assert in_another_thread(lambda: within(0.1, stubborn)) == 2
