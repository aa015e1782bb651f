"""A soft limit on how long a learner's code may run."""

import ctypes
import math
import os
import signal
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
SECONDS = 20.0
# While CPython 3.11 starts a thread, the new one goes by the name of the one that starts it, and what is raised in that one
# would be raised in the new one instead, which then never begins.
_no_thread_starts = threading.Lock()


class OutOfTime(BaseException):
    """The time is up. Not an `Exception`, so that an answer's own `except Exception` does not swallow it."""


def seconds_allowed(seconds: float | None) -> float:
    """The limit of a check: the argument, else `FMLIB_CHECK_SECONDS`, else 20.

    Raises:
        ValueError: not a number above 0.
    """
    where, value = "seconds", seconds
    if value is None:
        text = os.environ.get("FMLIB_CHECK_SECONDS", "").strip()
        if not text:
            return SECONDS
        where, value = "FMLIB_CHECK_SECONDS", text
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number > 0:
        raise ValueError(f"{where} is {value!r}: expected a number above 0, e.g. 60")
    return number


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Call `work`, and raise `OutOfTime` in it when the seconds are over, and again each second until it ends.

    It comes between two steps of Python: a single long computation inside of torch is let finish. On POSIX, in the main
    thread (where a notebook's cells run), an alarm does it. Elsewhere another thread asks the interpreter to raise, which
    does not wake a call that sleeps. After `within` nothing is raised any more, however close to its end the time was up.

    Args:
        seconds: above 0; infinity sets no limit.
        work: a function without arguments.

    Returns:
        What `work` returns, also where the time was up in the moment in which it did.

    Raises:
        OutOfTime: unless `work` caught it.
    """
    if math.isinf(seconds):
        return work()
    alarm = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    returned: list[Result] = []
    try:
        (_with_alarm if alarm else _with_watcher)(seconds, lambda: returned.append(work()))
    except OutOfTime:
        if not returned:
            raise
    return returned[0]


def _raise_out_of_time(number: int, frame: object) -> None:
    raise OutOfTime


def _with_alarm(seconds: float, work: Callable[[], None]) -> None:
    others = signal.setitimer(signal.ITIMER_REAL, 0)
    handler = signal.signal(signal.SIGALRM, _raise_out_of_time)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
        work()
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm that went off just before is raised here
        finally:
            signal.signal(signal.SIGALRM, handler)
            if others[0]:  # someone else's alarm, a little late
                signal.setitimer(signal.ITIMER_REAL, *others)


def _with_watcher(seconds: float, work: Callable[[], None]) -> None:
    """What the watcher asked for is never taken back (that would race with its arrival, and could take what another asked
    for) but waited for. A thread holds one such exception at a time: to ask while one is on its way changes nothing.
    """
    target, running, ended = threading.get_ident(), threading.Lock(), threading.Lock()
    running.acquire()

    def watch() -> None:
        wait = min(seconds, threading.TIMEOUT_MAX)
        while not running.acquire(timeout=wait) and ended.acquire(blocking=False):
            with _no_thread_starts:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(target), ctypes.py_object(OutOfTime)
                )
            ended.release()
            wait = 1.0

    try:
        with _no_thread_starts:
            threading.Thread(target=watch, daemon=True).start()
        work()
    finally:  # plain locks: each is taken or let go of in one step, into which nothing can come
        try:
            ended.acquire()  # from here on nobody asks
            for _ in range(2):  # one that was asked for comes at the latest when a loop turns
                pass
        finally:
            running.release()
