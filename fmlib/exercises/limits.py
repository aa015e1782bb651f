"""A soft limit on how long a learner's code may run."""

import contextlib
import ctypes
import math
import os
import signal
import threading
from collections.abc import Iterator

SECONDS = 20.0


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


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the body when the seconds are over, and again each second until it ends.

    It comes between two steps of Python: a single long computation inside of torch is let finish. On POSIX, in the main
    thread (where a notebook's cells run), an alarm does it. Elsewhere another thread asks the interpreter to raise, which
    does not wake a call that sleeps.

    Args:
        seconds: above 0; infinity sets no limit.
    """
    if math.isinf(seconds):
        yield
    elif hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            yield
    else:
        with _thread(seconds):
            yield


def _raise_out_of_time(number: int, frame: object) -> None:
    raise OutOfTime


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    handler = signal.signal(signal.SIGALRM, _raise_out_of_time)
    others = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if others[0]:  # someone else's alarm, a little late
            signal.setitimer(signal.ITIMER_REAL, *others)


@contextlib.contextmanager
def _thread(seconds: float) -> Iterator[None]:
    target, over, lock = threading.get_ident(), threading.Event(), threading.Lock()
    raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def count() -> None:
        wait = seconds
        while not over.wait(wait):
            with lock:
                if not over.is_set():
                    raise_in_thread(ctypes.c_ulong(target), ctypes.py_object(OutOfTime))
            wait = 1.0

    threading.Thread(target=count, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            over.set()
            raise_in_thread(ctypes.c_ulong(target), None)  # one that was asked for and has not come yet
