"""Find a Chromium for the browser tests, or install one with apt where that is possible.

Exit status 0 where there is one. Where there is none: a sentence that says how to get it, and status 1 in CI, else 0 (the
browser tests are then skipped, saying the same).
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)
HOW = (
    "No Chromium was found. Install one (Debian and Ubuntu: apt-get install chromium; macOS: brew install --cask chromium; "
    "Windows: Google Chrome), or set FMLIB_CHROMIUM to the program's path."
)


def find() -> str | None:
    """The path of a Chromium: `FMLIB_CHROMIUM`, else the first one on the system.

    Raises:
        FileNotFoundError: `FMLIB_CHROMIUM` names no program.
    """
    given = os.environ.get("FMLIB_CHROMIUM")
    if given:
        if not os.access(given, os.X_OK):
            raise FileNotFoundError(f"FMLIB_CHROMIUM is {given!r}: expected the path of a program")
        return given
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or next((path for path in PLACES if os.access(path, os.X_OK)), None)


def install() -> None:
    """Try Debian's package, as root only: a reader's machine is changed by nobody else."""
    if shutil.which("apt-get") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
    ):
        print("+", *command, flush=True)
        if subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        ).returncode:
            return


def main() -> int:
    if find() is None:
        install()
    found = find()
    print(f"Chromium: {found}" if found else HOW)
    return 1 if found is None and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
