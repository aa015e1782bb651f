"""What the reader has done, kept in one small file that outlives the kernel.

The file is ``progress.json`` in `FMLIB_HOME`, else in ``~/.fmlib``. Every change re-reads it under a lock and replaces it
atomically, so two kernels lose nothing of each other. Where it cannot be written, the session goes on in memory and says so.
"""

import contextlib
import copy
import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fmlib._files import atomic_write_text

VERSION = 1
PATIENCE = 5.0  # seconds to wait for another process that writes
BLANK = {"passed": False, "tries": 0, "hints": 0, "solution": False, "guess": None}
Entry = dict[str, Any]

_unsaved: dict[str, Entry] = {}  # what this session could not write yet


class _Corrupt(Exception):
    """The file is there and is not ours to understand."""


def path() -> Path:
    """Where the progress is kept: `FMLIB_HOME` is read anew each time."""
    home = os.environ.get("FMLIB_HOME", "").strip()
    return (Path(home).expanduser() if home else Path.home() / ".fmlib") / "progress.json"


def entries() -> tuple[dict[str, Entry], str]:
    """Everything that is known.

    Returns:
        Entries by exercise name, with the keys of `BLANK`; and what went wrong with the file, or "".
    """
    try:
        return _with_unsaved(_read(path())), ""
    except _Corrupt:
        return _change(lambda known: None)
    except (OSError, RuntimeError) as error:
        return _with_unsaved({}), _trouble("read", error)


def update(name: str, change: Callable[[Entry], None]) -> tuple[Entry, str]:
    """Change one entry and keep it.

    Args:
        name: of the exercise.
        change: alters the entry in place.

    Returns:
        The entry as it now is; and what went wrong with the file, or "".
    """

    def apply(known: dict[str, Entry]) -> None:
        change(known.setdefault(name, dict(BLANK)))

    known, trouble = _change(apply)
    return known[name], trouble


def _change(apply: Callable[[dict[str, Entry]], None]) -> tuple[dict[str, Entry], str]:
    """Read, change and write under the lock; without a file that can be written, change what is in memory."""
    known, note = {}, ""
    try:
        file = path()
        file.parent.mkdir(parents=True, exist_ok=True)
        with _lock(file):
            try:
                known = _with_unsaved(_read(file))
            except _Corrupt as error:
                aside = _move_aside(file)
                known, note = (
                    _with_unsaved({}),
                    f"{file} was damaged ({error}): moved to {aside}, started anew.",
                )
            changed = copy.deepcopy(known)
            apply(changed)
            if changed != known or _unsaved or note:
                text = json.dumps({"version": VERSION, "exercises": changed}, indent=1, sort_keys=True)
                atomic_write_text(file, text + "\n")
            _unsaved.clear()
            return changed, note
    except (OSError, RuntimeError) as error:  # full, read-only, locked for good, no home folder
        if isinstance(error, TimeoutError):  # reading needs no lock: the file is replaced, never rewritten
            with contextlib.suppress(OSError, RuntimeError, _Corrupt):
                known = _read(path())
        known = _with_unsaved(known)
        apply(known)
        _unsaved.update(copy.deepcopy(known))
        return known, f"{note} {_trouble('written', error)}".strip()


def _read(file: Path) -> dict[str, Entry]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:  # not JSON, or not UTF-8
        raise _Corrupt(f"no JSON: {error}") from error
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise RuntimeError(f"format {version} is newer than this fmlib knows ({VERSION}): update fmlib")
    known = content.get("exercises") if version == VERSION else None
    if not isinstance(known, dict) or not all(_is_entry(entry) for entry in known.values()):
        raise _Corrupt("not in the format of fmlib")
    return {name: {**BLANK, **entry} for name, entry in known.items()}


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    kinds = {"passed": bool, "tries": int, "hints": int, "solution": bool, "guess": (int, float, type(None))}
    known = {key: entry[key] for key in kinds if key in entry}
    if not all(isinstance(value, kinds[key]) for key, value in known.items()):
        return False
    guess = known.get("guess")
    counted = [value for key, value in known.items() if key in ("tries", "hints")]
    return all(0 <= value < 10**9 for value in counted) and (guess is None or abs(guess) < 1e300)


def _with_unsaved(known: dict[str, Entry]) -> dict[str, Entry]:
    merged = copy.deepcopy(known)
    for name, mine in _unsaved.items():
        theirs = merged.get(name, BLANK)
        merged[name] = {
            **theirs,
            **{key: max(mine[key], theirs[key]) for key in ("passed", "tries", "hints", "solution")},
            "guess": theirs["guess"] if mine["guess"] is None else mine["guess"],
        }
    return merged


def _move_aside(file: Path) -> Path:
    aside = file.with_suffix(".damaged.json")
    number = 1
    while aside.exists():
        number += 1
        aside = file.with_suffix(f".damaged-{number}.json")
    os.replace(file, aside)
    return aside


@contextlib.contextmanager
def _lock(file: Path) -> Iterator[None]:
    """One writer at a time; the system lets go when the process ends, however it ends.

    Raises:
        TimeoutError: another process holds the lock for longer than `PATIENCE`.
    """
    with open(file.with_suffix(".lock"), "a+b") as handle:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if os.name == "nt":
                    import msvcrt

                    handle.seek(0)
                    msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                    raise  # a file system without locks
                if time.monotonic() > until:
                    raise TimeoutError(f"another process holds {handle.name}") from None
                time.sleep(0.02)
        yield


def _trouble(what: str, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    with contextlib.suppress(RuntimeError):
        return (
            f"Your progress could not be {what} ({path()}: {reason}); it is kept until the kernel ends. "
            "Make room or set FMLIB_HOME to a folder that you can write to."
        )
    return f"Your progress could not be {what} ({reason}): set FMLIB_HOME to a folder that you can write to."
