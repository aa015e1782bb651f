"""Set-up: who is refused and how, and how the environment finds fmlib."""

import os
import subprocess
import sys
from pathlib import Path

import environment as tool
import pytest

LINUX = {
    "python": (3, 11),
    "implementation": "cpython",
    "free_threaded": False,
    "bits": 64,
    "system": "Linux",
    "machine": "x86_64",
    "macos": "",
    "libc": ("glibc", "2.36"),
}
MAC = LINUX | {"system": "Darwin", "machine": "arm64", "macos": "14.5", "libc": ("", "")}
WINDOWS = LINUX | {"system": "Windows", "machine": "amd64", "libc": ("", "")}


@pytest.mark.parametrize("machine", [LINUX, LINUX | {"machine": "aarch64"}, MAC, WINDOWS])
@pytest.mark.parametrize("python", tool.PYTHONS)
def test_a_promised_machine_is_not_refused(machine, python):
    assert tool.unsupported(machine | {"python": python}) is None


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (LINUX | {"python": (3, 10)}, "This is Python 3.10, and the book needs Python 3.11, 3.12 or 3.13"),
        (LINUX | {"python": (3, 14)}, "This is Python 3.14"),
        (LINUX | {"implementation": "pypy"}, "This is pypy, and PyTorch needs the usual CPython"),
        (LINUX | {"free_threaded": True}, "a free-threaded Python"),
        (WINDOWS | {"bits": 32}, "32-bit"),
        (LINUX | {"machine": "ppc64le"}, "this machine is ppc64le"),
        (LINUX | {"libc": ("", "")}, "glibc"),
        (LINUX | {"libc": ("glibc", "2.17")}, "This Linux has glibc 2.17, and PyTorch needs 2.28"),
        (MAC | {"machine": "x86_64"}, "no longer for Intel"),
        (MAC | {"macos": "12.7.6"}, "This is macOS 12.7.6, and PyTorch needs macOS 14"),
        (WINDOWS | {"machine": "arm64"}, "Windows on arm64"),
        (LINUX | {"system": "FreeBSD"}, "this system is 'FreeBSD'"),
    ],
)
def test_any_other_machine_is_refused_with_a_reason(machine, said):
    assert said in tool.unsupported(machine)


def test_the_machine_of_this_test_is_described():
    assert set(tool.this_machine()) == set(LINUX)
    assert tool.this_machine()["python"] == sys.version_info[:2]


def test_an_older_python_can_read_the_refusal():
    source = Path(tool.__file__).read_text(encoding="utf-8")
    compile(source, "environment.py", "exec", flags=0, dont_inherit=True)
    import ast

    ast.parse(source, feature_version=(3, 8))


def bare(folder: Path) -> Path:
    """An environment without packages, below a folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)
    return folder / ".venv"


def where_is_fmlib(environment: Path, **variables: str) -> str:
    ask = "import fmlib; print(ascii(fmlib.__file__))"
    done = subprocess.run(
        [str(tool.python_of(environment)), "-c", ask],
        capture_output=True,
        text=True,
        cwd=environment,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables,
    )
    return done.stdout.strip().replace("\\\\", "/") or done.stderr


@pytest.fixture
def clone(tmp_path):
    """A clone in a folder with a letter outside ASCII, with a package that imports nothing."""
    root = tmp_path / "Übung"
    (root / "fmlib").mkdir(parents=True)
    (root / "fmlib/__init__.py").write_text("")
    return root


def test_fmlib_is_found_in_a_folder_with_any_name_and_in_any_locale(clone):
    environment = bare(clone)
    tool.link(environment, clone)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert where_is_fmlib(environment).endswith("bung/fmlib/__init__.py'")
    assert where_is_fmlib(environment, **plain).endswith("bung/fmlib/__init__.py'")


def test_fmlib_is_found_after_clone_and_environment_moved_and_nowhere_without_the_clone(clone):
    environment = bare(clone)
    tool.link(environment, clone)
    moved = clone.rename(clone.parent / "moved")
    assert where_is_fmlib(moved / ".venv") == ascii((moved / "fmlib/__init__.py").as_posix())
    (moved / "fmlib").rename(moved / "elsewhere")
    assert "No module named 'fmlib'" in where_is_fmlib(moved / ".venv")


def test_what_an_installation_by_pip_left_is_removed(clone):
    environment = bare(clone)
    packages = tool.link(environment, clone).parent
    (packages / "fmlib").mkdir()
    (packages / "fmlib/results.json").write_text("{}")
    (packages / "_editable_impl_fmlib.pth").write_text(str(clone))
    (packages / "fmlib-0.1.0.dist-info").mkdir()
    tool.link(environment, clone)
    assert [path.name for path in packages.iterdir() if "fmlib" in path.name] == ["fmlib.pth"]


def test_a_moved_environment_is_made_anew_and_says_so(clone, capsys):
    environment = bare(clone)
    (environment / tool.READY).write_text(f"{environment}\n", encoding="utf-8")
    (environment / "mark").touch()
    tool.make(environment, uv=None)
    assert (environment / "mark").exists(), "one that lies where it was made stays"
    moved = clone.rename(clone.parent / "moved") / ".venv"
    tool.make(moved, uv=None)
    assert not (moved / "mark").exists()
    assert tool.starts(tool.python_of(moved))
    assert f"{moved} was made as {environment} and has been moved since" in capsys.readouterr().out


def test_an_environment_whose_python_has_gone_is_made_anew(clone):
    environment = bare(clone)
    tool.python_of(environment).unlink()
    tool.make(environment, uv=None)
    assert tool.starts(tool.python_of(environment))


def test_a_folder_that_is_no_environment_is_not_removed(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/precious").touch()
    with pytest.raises(tool.SetUpError, match="not an environment that this command has made"):
        tool.make(tmp_path / ".venv", uv=None)
    assert (tmp_path / ".venv/precious").exists()


def test_a_link_to_another_clones_environment_is_left_alone(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").touch()
    bare(tmp_path / "one")
    (tmp_path / "two/.venv").symlink_to(tmp_path / "one/.venv")
    with pytest.raises(tool.SetUpError, match="belongs to the clone there"):
        tool.check_owner(tmp_path / "two/.venv", tmp_path / "two")
    tool.check_owner(tmp_path / "one/.venv", tmp_path / "one")


@pytest.fixture
def commands(monkeypatch):
    """Every command that set-up would run, and a status for each program."""
    ran, status = [], {}

    def run(command, **options):
        ran.append((command, options.get("env")))
        done = subprocess.CompletedProcess(command, status.get(Path(command[0]).name, 0))
        done.stdout, done.stderr = "", ""
        return done

    monkeypatch.setattr(tool.subprocess, "run", run)
    return ran, status


def test_with_uv_the_packages_come_by_uv(commands, tmp_path):
    tool.install(tmp_path / ".venv", "/somewhere/uv", tmp_path / "requirements.txt")
    installs = [command for command, _ in commands[0] if "install" in command]
    assert [command[:3] for command in installs] == [["/somewhere/uv", "pip", "install"]]
    assert str(tool.python_of(tmp_path / ".venv")) in installs[0]


def test_without_uv_or_where_it_fails_they_come_by_pip(commands, tmp_path):
    ran, status = commands
    pip = [str(tool.python_of(tmp_path / ".venv")), "-m", "pip", "install"]
    tool.install(tmp_path / ".venv", None, tmp_path / "requirements.txt")
    assert [command[:4] for command, _ in ran] == [pip]
    status["uv"] = 2
    ran.clear()
    tool.install(tmp_path / ".venv", "/somewhere/uv", tmp_path / "requirements.txt")
    assert ran[-1][0][:4] == pip


def test_a_failed_installation_is_told(commands, tmp_path):
    commands[1][tool.python_of(tmp_path).name] = 1
    with pytest.raises(tool.SetUpError, match="could not be installed"):
        tool.install(tmp_path, None, tmp_path / "requirements.txt")


def test_uv_looks_where_pip_is_told_to_look(monkeypatch):
    said = "\n".join(
        [
            ":env:.find-links='/mine'",
            "global.extra-index-url='file:///one file:///two'",
            "global.find-links='/ours'",
            "global.timeout='60'",
            "install.constraint='/c.txt'",
        ]
    )
    monkeypatch.setattr(
        tool.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 0, stdout=said, stderr="")
    )
    settings = tool.pip_settings()
    assert settings == {
        "find-links": "/mine",
        "extra-index-url": "file:///one file:///two",
        "constraint": "/c.txt",
    }
    assert tool.for_uv(settings, {"UV_CONSTRAINT": "/own.txt", "HOME": "/h"}) == {
        "UV_FIND_LINKS": "/mine",
        "UV_INDEX": "file:///one file:///two",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_CONSTRAINT": "/own.txt",
        "HOME": "/h",
    }
