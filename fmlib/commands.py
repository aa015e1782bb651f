"""What all commands share: options of the quick starts, ``python -m fmlib.CHAPTER``, and how a command ends.

A command that cannot go on says so in one line and never with a traceback: what it cannot read or write by the file's
name, what was asked for in vain by the option's. Ctrl-C and a closed pipe (``| head -1``) end it, too.
"""

import argparse
import os
import sys
from collections.abc import Callable, Collection

from fmlib import scale

LARGEST_SEED = 2**63 - 1  # what all generators take
STOPPED = 130  # the exit status of a command that was stopped with ctrl-C
CLOSED = 141  # and of one whose output nobody reads any more


def read_options(
    chapter: str, description: str, arguments: list[str] | None, methods: Collection[str] = ()
) -> argparse.Namespace:
    """The steps, None for about a minute of them, the seed, and the method where there are several.

    Args:
        chapter: the module, e.g. "fmlib.llm".
        description: what the quick start does.
        arguments: of the command line; the process's own by default.
        methods: names of which one may be given; "simclr" where none is.

    Raises:
        SystemExit: an unknown option, steps below 1, a seed that no generator takes, or a scale that is none or asks for
            a GPU that is not there; says so first.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {chapter}", description=description)
    if methods:
        parser.add_argument("method", nargs="?", default="simclr", help=", ".join(methods), metavar="METHOD")
    parser.add_argument("--steps", type=int, help="of training; about a minute of them by default")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if methods and given.method not in methods:
        parser.error(f"METHOD is {given.method!r}: expected one of {', '.join(methods)}")
    if given.steps is not None and given.steps < 1:
        parser.error(f"--steps is {given.steps}: expected 1 or more")
    try:
        check_seed(given.seed)
        scale.name()
    except (ValueError, RuntimeError) as error:
        parser.error(str(error))
    return given


def check_seed(seed: int) -> None:
    """Refuse a seed that no generator takes.

    Raises:
        ValueError: below 0 or above 2^63 - 1.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"--seed is {seed}: expected a whole number from 0 to 2^63 - 1")


def run(command: str, work: Callable[[], int]) -> int:
    """Do a command's work; what stops it is told in one line.

    Args:
        command: as it was called, e.g. "python -m fmlib.llm".
        work: returns the exit status; characters that the terminal cannot show come out as "?".

    Returns:
        The work's exit status; 1 where it failed, 130 after ctrl-C, 141 where nobody reads what it says.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        status = work()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as stopped:
        _say(f"{command}: stopped" + (f": {stopped}" if str(stopped) else ""))
        return STOPPED
    except BrokenPipeError:
        _close_output()
        return CLOSED
    except (ValueError, OSError, RuntimeError) as error:  # a DataError and a TrainingError are among them
        _say(f"{command}: error: {describe(error)}")
        return 1


def describe(error: BaseException) -> str:
    """An error in one line; of a file with its name, e.g. "No space left on device: runs/gpt.safetensors"."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename is not None else "")
    return " ".join(str(error).split()) or type(error).__name__


def _say(line: str) -> None:
    try:
        sys.stderr.write(line + "\n")
    except OSError:
        _close_output()


def _close_output() -> None:
    """Let Python's own last flush go nowhere: it would fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
