"""Files are whole, readable by whom a new file is, and nothing stays beside them."""

import os
import subprocess
import sys

import pytest

from fmlib._files import atomic_file, atomic_write_bytes

DIES = """
import os, signal, sys
from fmlib._files import atomic_file
with atomic_file(sys.argv[1]) as file:
    file.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process with SIGKILL")
def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path):
    for name in ("a[1].bin", "other.bin"):
        subprocess.run([sys.executable, "-c", DIES, str(tmp_path / name)], check=False)
    assert len(list(tmp_path.glob(".*.part"))) == 2
    atomic_write_bytes(tmp_path / "a[1].bin", b"whole")
    assert (tmp_path / "a[1].bin").read_bytes() == b"whole"
    assert [path.name[:10] for path in tmp_path.glob(".*.part")] == [".other.bin"]


def test_what_another_writer_is_at_stays(tmp_path):
    with atomic_file(tmp_path / "a.bin") as first:
        first.write(b"first")
        atomic_write_bytes(tmp_path / "a.bin", b"second")
        assert (tmp_path / "a.bin").read_bytes() == b"second"
    assert (tmp_path / "a.bin").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_what_fails_is_told_with_the_name_of_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/a\.bin"):
        atomic_write_bytes(tmp_path / "file" / "a.bin", b"")
    with pytest.raises(OSError, match=r"\[Errno 28\] .*a\.bin") as caught, atomic_file(tmp_path / "a.bin"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "a.bin")


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"source\.txt"), atomic_file(tmp_path / "a.bin"):
        (tmp_path / "source.txt").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="rights as posix has them")
def test_it_has_the_rights_of_a_new_file(tmp_path):
    (tmp_path / "new").write_text("")
    atomic_write_bytes(tmp_path / "a.bin", b"")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "new").stat().st_mode
