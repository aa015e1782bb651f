"""Whether each pin of `requirements.txt` can be installed on every Python and system that set-up promises.

    python tools/pins.py            ask the package index about every pin and write `tools/pins.json`
    python tools/pins.py --check    ask as well, and fail where the record says something else

The record holds for every pin the Pythons that it allows and the wheels that fit the promised machines, so that the test
needs no network. The index is the one that pip is set to.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from environment import OLDEST_GLIBC, OLDEST_MACOS, PYTHONS
from packaging import tags
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
RECORD = ROOT / "tools/pins.json"
# Published as source only: plain Python without an extension, which every machine can build.
SOURCE_ONLY = {"antlr4-python3-runtime"}
SYSTEMS = {
    "Linux x86_64": {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
    },
    "Linux aarch64": {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "aarch64",
    },
    "Windows x86-64": {
        "os_name": "nt",
        "sys_platform": "win32",
        "platform_system": "Windows",
        "platform_machine": "AMD64",
    },
    "macOS arm64": {
        "os_name": "posix",
        "sys_platform": "darwin",
        "platform_system": "Darwin",
        "platform_machine": "arm64",
    },
}


def pins(path: Path = REQUIREMENTS) -> dict[str, Requirement]:
    """The lines of a requirements file: name -> requirement.

    Raises:
        ValueError: a line does not pin one version.
    """
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.split("#")[0].strip()
        if not text:
            continue
        requirement = Requirement(text)
        if [s.operator for s in requirement.specifier] != ["=="]:
            raise ValueError(f"{path.name}: {text!r} does not pin one version: expected name==version")
        found[canonicalize_name(requirement.name)] = requirement
    return found


def version(requirement: Requirement) -> str:
    (specifier,) = requirement.specifier
    return specifier.version


def machines() -> dict[tuple[str, str], dict[str, str]]:
    """Every promised (Python, system) -> the environment in which markers are read.

    A Python is its first release, the one that the fewest packages allow.
    """
    return {
        (f"{a}.{b}.0", system): {
            **default_environment(),
            **marks,
            "python_version": f"{a}.{b}",
            "python_full_version": f"{a}.{b}.0",
            "implementation_version": f"{a}.{b}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
        for a, b in PYTHONS
        for system, marks in SYSTEMS.items()
    }


def fitting_tags(python: str, system: str) -> set[tags.Tag]:
    """The tags of wheels that install on a promised machine of the oldest kind."""
    if system.startswith("Linux"):
        kind = system.split()[-1]
        named = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
        platforms = [f"manylinux_2_{minor}_{kind}" for minor in range(OLDEST_GLIBC[1], 4, -1)]
        platforms += [f"{name}_{kind}" for name in named.values()]
    elif system.startswith("macOS"):
        platforms = list(tags.mac_platforms(OLDEST_MACOS, "arm64"))
    else:
        platforms = ["win_amd64"]
    a, b = map(int, python.split(".")[:2])
    return {
        *tags.cpython_tags((a, b), platforms=platforms),
        *tags.compatible_tags((a, b), interpreter=f"cp{a}{b}", platforms=platforms),
    }


def problems(record: dict[str, dict], wanted: dict[str, Requirement]) -> list[str]:
    """What keeps a pin from a promised machine, one sentence each; empty when every pin installs everywhere."""
    found = [
        f"{name} is in the record and not in {REQUIREMENTS.name}" for name in record if name not in wanted
    ]
    fitting = {machine: fitting_tags(*machine) for machine in machines()}
    for name, requirement in wanted.items():
        entry = record.get(name)
        if entry is None or entry["version"] != version(requirement):
            found.append(f"{requirement} is not in the record: run `python tools/pins.py`")
            continue
        for (python, system), marks in machines().items():
            if requirement.marker is not None and not requirement.marker.evaluate(marks):
                continue
            if not SpecifierSet(entry["requires_python"]).contains(python):
                found.append(
                    f"{requirement} needs Python {entry['requires_python']}, and set-up promises {python}"
                )
            elif name not in SOURCE_ONLY and not any(
                tags.parse_tag(wheel) & fitting[python, system] for wheel in entry["wheels"]
            ):
                found.append(f"{requirement} has no wheel for Python {python} on {system}")
    return list(dict.fromkeys(found))


def index() -> str:
    """The address of the package index that pip uses."""
    from pip._internal.models.index import PyPI  # pip's own default

    ask = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(ask, capture_output=True, text=True)
    return (done.stdout.strip() or PyPI.simple_url).rstrip("/")


def asked(name: str, requirement: Requirement, address: str) -> dict:
    """What the index says of one pin: the Pythons it allows, and the wheels that fit a promised machine."""
    request = Request(f"{address}/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    fitting = set().union(*(fitting_tags(*machine) for machine in machines()))
    allowed, wheels = set(), set()
    for file in files:
        try:
            _, found, _, own = parse_wheel_filename(file["filename"])
        except InvalidWheelFilename:
            continue
        if str(found) == version(requirement):
            allowed.add(file.get("requires-python") or "")
            if own & fitting:
                wheels.add("-".join(file["filename"].removesuffix(".whl").split("-")[-3:]))
    if not allowed and name in SOURCE_ONLY:
        allowed = {""}
    if len(allowed) != 1:
        raise ValueError(
            f"{requirement}: its files allow {sorted(allowed)}: expected one statement of Pythons"
        )
    return {"version": version(requirement), "requires_python": allowed.pop(), "wheels": sorted(wheels)}


def ask_all(wanted: dict[str, Requirement]) -> dict[str, dict]:
    """The record of all pins, as the index has it now."""
    address = index()
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda item: asked(*item, address), wanted.items())
        return dict(sorted(zip(wanted, answers, strict=True)))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail where the record differs")
    options = parser.parse_args(arguments)
    wanted = pins()
    try:
        record = ask_all(wanted)
    except (URLError, ValueError) as error:
        print(f"the package index gave no answer to use: {error}", file=sys.stderr)
        return 2
    found = problems(record, wanted)
    if options.check:
        stored = json.loads(RECORD.read_text(encoding="utf-8"))
        found += [
            f"the record of {name} differs from the index"
            for name in wanted
            if stored.get(name) != record[name]
        ]
    else:
        rows = (f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in record.items())
        RECORD.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{len(wanted)} pins, {len(machines())} promised machines, {len(found)} problems")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
