"""Writing files so that a crash, a kill or a full disk never leaves half of one."""

import contextlib
import glob
import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """A file to write to that becomes `path` when all of it is on the disk: before that, the old one stays.

    What an earlier process left behind when it was killed in the middle is removed.

    Args:
        path: the file; its folder is made if it is missing.

    Raises:
        OSError: the folder cannot be made or written (full disk, read-only); names the file, and the old one is untouched.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=_prefix(target), suffix=".part")
    except OSError as error:
        raise _of(error, target) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.name == "posix":  # mkstemp makes the file private; give it the rights that open() would
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            raise _of(error, target) from error
        raise


def atomic_write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Write `data` to `path`: afterwards the file is the old one or the new one, never a part.

    Args:
        path: the file; its folder is made if it is missing.
        data: the whole content.

    Raises:
        OSError: the folder cannot be made or written (full disk, read-only); the old file is untouched.
    """
    with atomic_file(path) as file:
        file.write(data)


def atomic_write_text(path: str | os.PathLike, text: str) -> None:
    """`atomic_write_bytes` for text, in UTF-8 with the line ends as they stand."""
    atomic_write_bytes(path, text.encode("utf-8"))


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 checksum of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _of(error: OSError, target: Path) -> OSError:
    """The same error, told of the file that was to be written and not of a temporary one."""
    if error.errno is None:
        return OSError(f"{error}: {target}")
    return OSError(error.errno, error.strerror, str(target))


def _prefix(target: Path, process: int | None = None) -> str:
    machine = "".join(c if c.isalnum() else "_" for c in socket.gethostname())
    return f".{target.name}.{machine}-{os.getpid() if process is None else process}-"


def _remove_leftovers(target: Path) -> None:
    """Remove parts of this file whose writers, on this machine, are gone."""
    for part in target.parent.glob(f".{glob.escape(target.name)}.*-*-*.part"):
        process = part.name.rsplit("-", 2)[1]
        if process.isdigit() and part.name.startswith(_prefix(target, int(process))) and _gone(int(process)):
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _gone(process: int) -> bool:
    if os.name != "posix":  # a signal 0 would kill there, and a file in use cannot be removed
        return process != os.getpid()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
