"""Make the environment `.venv`, or bring it up to date: Python, the pinned packages, and fmlib from this folder.

    python tools/environment.py               what `make env` runs; the same on Windows
    python tools/environment.py --with pip    don't use uv, even where it is on the PATH

Nothing is needed but a Python that the book supports. Where `uv` is on the PATH it does the installing, else pip does.
"""

from __future__ import annotations  # an older Python must come as far as the sentence that refuses it

import argparse
import ast
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
READY = ".ready"  # inside the environment: it is whole, and this is where it was made
PYTHONS = ((3, 11), (3, 12), (3, 13))
OLDEST_GLIBC = (2, 28)
OLDEST_MACOS = (14, 0)
ELSEWHERE = "Open the notebooks in Colab or Binder instead, which need only a browser."
# What pip is told -> how uv is told the same. uv reads none of pip's settings.
SAME_FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
}


class SetUpError(Exception):
    """The environment can't be made; the message is for who runs the command."""


def this_machine() -> dict:
    """What decides which wheels fit: the running Python and the system below it."""
    return {
        "python": sys.version_info[:2],
        "implementation": sys.implementation.name,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "system": platform.system(),
        # On Windows the Python's own kind counts: one for x86-64 also runs on ARM.
        "machine": sysconfig.get_platform().split("-")[-1] if os.name == "nt" else platform.machine(),
        "macos": platform.mac_ver()[0],
        "libc": platform.libc_ver(),
    }


def unsupported(machine: dict) -> str | None:
    """Why the book can't be set up on a machine, or None: every sentence says what came and what is needed."""
    python = ".".join(map(str, machine["python"]))
    versions = ", ".join(f"{a}.{b}" for a, b in PYTHONS[:-1]) + f" or {PYTHONS[-1][0]}.{PYTHONS[-1][1]}"
    if machine["python"] not in PYTHONS:
        return (
            f"This is Python {python}, and the book needs Python {versions}. Name one that you have: "
            "`make env PYTHON=python3.11`, on Windows `py -3.11 tools\\environment.py`."
        )
    if machine["implementation"] != "cpython" or machine["free_threaded"]:
        kind = "a free-threaded Python" if machine["free_threaded"] else machine["implementation"]
        return f"This is {kind}, and PyTorch needs the usual CPython {versions}."
    if machine["bits"] != 64:
        return f"This is a 32-bit Python, and PyTorch needs a 64-bit one. Install a 64-bit Python {versions}."
    system, kind = machine["system"], machine["machine"].lower()
    if system == "Darwin":
        if kind != "arm64":
            return (
                f"This is a Python for {kind}, and PyTorch has builds for Apple silicon (arm64) only, no longer for Intel. "
                f"{ELSEWHERE}"
            )
        if number(machine["macos"]) < OLDEST_MACOS:
            return f"This is macOS {machine['macos']}, and PyTorch needs macOS {OLDEST_MACOS[0]} or later. {ELSEWHERE}"
    elif system == "Windows":
        if kind not in ("amd64", "x86_64"):
            return f"This is a Python for Windows on {kind}, and the pinned PyTorch has builds for x86-64 only. {ELSEWHERE}"
    elif system == "Linux":
        if kind not in ("x86_64", "aarch64"):
            return f"PyTorch has builds for x86_64 and aarch64, and this machine is {kind}. {ELSEWHERE}"
        name, version = machine["libc"]
        if name != "glibc":
            return f"PyTorch needs a Linux with glibc, and this one has another C library (as Alpine has musl). {ELSEWHERE}"
        if number(version) < OLDEST_GLIBC:
            needed = ".".join(map(str, OLDEST_GLIBC))
            return f"This Linux has glibc {version}, and PyTorch needs {needed} or later (as in Debian 10). {ELSEWHERE}"
    else:
        return f"PyTorch has builds for Linux, Windows and macOS, and this system is {system!r}. {ELSEWHERE}"
    return None


def number(version: str) -> tuple[int, ...]:
    """ "14.2.1" -> (14, 2, 1)."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def starts(python: Path) -> bool:
    """Whether there is a Python at this path, and it runs."""
    try:
        return subprocess.run([str(python), "-c", "import sys"], capture_output=True).returncode == 0
    except OSError:
        return False


def made_at(environment: Path) -> str | None:
    """Where a whole environment was made, or None: programs inside it hold this path, so it can't be moved."""
    ready = environment / READY
    return (os.fsdecode(ready.read_bytes()).strip() or None) if ready.exists() else None


def check_owner(environment: Path, root: Path) -> None:
    """A link to another clone's environment is left alone: what we install there would be the other's.

    Raises:
        SetUpError: the environment is a link, and where it leads another clone has made it.
    """
    real = environment.resolve()
    if (
        environment.is_symlink()
        and real.parent != root.resolve()
        and (real.parent / "pyproject.toml").exists()
    ):
        raise SetUpError(
            f"{environment} is a link to {real}, which belongs to the clone there: run `make env` in {real.parent}."
        )


def make(environment: Path, uv: str | None) -> None:
    """An environment whose Python starts and that lies where it was made: the one that is there, or a new one."""
    came_from = made_at(environment)
    if environment.exists():
        if came_from and came_from != str(environment.resolve()):
            say(
                f"{environment} was made as {came_from} and has been moved since. "
                "Its programs would not start, so it is made anew."
            )
        elif not starts(python_of(environment)):
            say(f"The Python in {environment} does not start, so the environment is made anew.")
        else:
            return
        if environment.is_symlink() or not (environment / "pyvenv.cfg").exists():
            raise SetUpError(
                f"{environment} is not an environment that this command has made: remove it yourself, then run it again."
            )
        shutil.rmtree(environment)
    command = (
        [uv, "venv", "--quiet", "--seed", "--python", sys.executable]
        if uv
        else [sys.executable, "-m", "venv"]
    )
    if subprocess.run([*command, str(environment)]).returncode:
        shutil.rmtree(environment, ignore_errors=True)
        raise SetUpError(
            "No environment could be made; the reason stands above. (Debian and Ubuntu: apt-get install python3-venv)"
        )


def pip_settings() -> dict[str, str]:
    """Where pip is told to look for packages, in its files and in PIP_ variables: name -> value."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    settings: dict[str, tuple[int, str]] = {}
    for line in done.stdout.splitlines():
        where, _, value = line.partition("=")
        section, _, name = where.rpartition(".")
        rank = {"global": 0, "install": 1, ":env:": 2}.get(section)
        if name in SAME_FOR_UV and rank is not None and rank >= settings.get(name, (0, ""))[0]:
            settings[name] = rank, ast.literal_eval(value)
    return {name: value for name, (_, value) in settings.items()}


def for_uv(settings: dict[str, str], variables: dict[str, str]) -> dict[str, str]:
    """The variables with which uv looks where pip would; what is set for uv itself stays."""
    same = {SAME_FOR_UV[name]: " ".join(value.split()) for name, value in settings.items()}
    if "UV_FIND_LINKS" in same:
        same["UV_FIND_LINKS"] = same["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_INDEX" in same:
        same["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip's way: the best version of all indexes
    return same | variables


def install(environment: Path, uv: str | None, requirements: Path) -> None:
    """The pinned packages, by uv or by pip."""
    python = str(python_of(environment))
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", python, "-r", str(requirements)]
        if subprocess.run(command, env=for_uv(pip_settings(), dict(os.environ))).returncode == 0:
            return
        say("uv could not install the packages, so pip tries.")
    command = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        str(requirements),
    ]
    if subprocess.run(command).returncode:
        raise SetUpError(
            "The packages could not be installed; the reason stands above. What was downloaded is kept: run it again."
        )


def link(environment: Path, root: Path) -> Path:
    """Let the environment's Python find fmlib in the clone -> the file that says so.

    The path is relative, so its letters are plain (Python 3.12 and older read such files in the locale's encoding), and
    it stays right when clone and environment are moved together.
    """
    python = str(python_of(environment))
    ask = "import sysconfig; print(ascii(sysconfig.get_path('purelib')))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    packages = Path(ast.literal_eval(done.stdout.strip()))
    # What an installation by pip has left; `fmlib` there would be a namespace package that hides a missing one.
    for old in (*packages.glob("fmlib-*.dist-info"), packages / "fmlib"):
        shutil.rmtree(old, ignore_errors=True)
    for old in packages.glob("*editable_impl_fmlib.*"):
        old.unlink()
    path = packages / "fmlib.pth"
    path.write_text(Path(os.path.relpath(root, packages)).as_posix() + "\n", encoding="ascii")
    return path


def say(sentence: str) -> None:
    print(sentence, flush=True)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--with", dest="installer", choices=("uv", "pip"), help="default: uv where it is on the PATH"
    )
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a folder's name need not fit the terminal's encoding
    uv = None if options.installer == "pip" else shutil.which("uv")
    try:
        reason = unsupported(this_machine())
        if reason is None and options.installer == "uv" and uv is None:
            reason = "uv is not on the PATH: `pip install uv` installs it."
        if reason:
            raise SetUpError(reason)
        check_owner(ENVIRONMENT, ROOT)
        make(ENVIRONMENT, uv)
        (ENVIRONMENT / READY).unlink(missing_ok=True)
        say(
            f"Installing the packages with {'uv' if uv else 'pip'} into {ENVIRONMENT}. The first time, that takes minutes."
        )
        install(ENVIRONMENT, uv, ROOT / "requirements.txt")
        link(ENVIRONMENT, ROOT)
        (ENVIRONMENT / READY).write_bytes(os.fsencode(f"{ENVIRONMENT.resolve()}\n"))
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
