"""Refresh or check the files of other projects that the web book serves itself.

    python tools/vendor.py             fetch the versions named below with npm, write them and their checksums
    python tools/vendor.py --check     compare the committed files with their checksums, with no network

Readers need no Node: what the site takes from npm is committed. `book/static/vendor/vendor.json` says of each
package its version, license, what it is for and the SHA-256 of every file.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fmlib._files import atomic_write_text, sha256

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "book/static/vendor/vendor.json"


class VendorError(RuntimeError):
    """A package or a committed file is not what it should be; the message says how to mend it."""


@dataclass(frozen=True)
class Package:
    """One npm package: which files of it we serve, and where they go.

    Args:
        name, version: as on npm; the version is exact.
        license: the SPDX expression that its package.json must declare.
        folder: where the files go, relative to the repository.
        use: what the book needs it for, in a few words.
        files: pattern inside the package -> folder below `folder` ("" for `folder` itself).
    """

    name: str
    version: str
    license: str
    folder: str
    use: str
    files: dict[str, str] = field(default_factory=dict)


PACKAGES = (
    Package(
        "mathjax",
        "3.2.2",
        "Apache-2.0",
        "book/static/vendor/mathjax",
        "sets the formulas",
        {
            "LICENSE": "",
            "es5/tex-mml-chtml.js": "",
            "es5/input/tex/extensions/*.js": "input/tex/extensions",
            "es5/output/chtml/fonts/woff-v2/*.woff": "output/chtml/fonts/woff-v2",
        },
    ),
    Package(
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        "tests/book/vendor/axe-core",
        "checks the built pages for accessibility; part of the tests, not of the site",
        {"LICENSE": "", "LICENSE-3RD-PARTY.txt": "", "axe.min.js": ""},
    ),
)


def fetch(package: Package, workdir: Path) -> tuple[Path, str]:
    """Download one package with `npm pack` -> (its unpacked folder, npm's integrity string)."""
    npm = shutil.which("npm")
    if npm is None:
        raise VendorError("npm was not found: install Node.js, which is needed only to refresh these files")
    command = [npm, "pack", f"{package.name}@{package.version}", "--json", "--pack-destination", str(workdir)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=workdir)
    if done.returncode != 0:
        raise VendorError(
            f"npm could not fetch {package.name}@{package.version}: {done.stderr.strip()[-500:]}"
        )
    reply = json.loads(done.stdout)
    entry = reply[0] if isinstance(reply, list) else next(iter(reply.values()))
    target = workdir / package.name.replace("/", "-").lstrip("@")
    with tarfile.open(workdir / entry["filename"].replace("@", "").replace("/", "-")) as archive:
        archive.extractall(target, filter="data")
    (folder,) = [path for path in target.iterdir() if path.is_dir()]
    return folder, entry["integrity"]


def collect(package: Package, source: Path, staging: Path) -> dict[str, str]:
    """Copy the files that we serve into `staging` -> path relative to the repository: SHA-256."""
    declared = json.loads((source / "package.json").read_text(encoding="utf-8")).get("license")
    if declared != package.license:
        raise VendorError(
            f"{package.name} {package.version} declares the license {declared!r}, not {package.license!r}: "
            "read it, then correct PACKAGES in tools/vendor.py"
        )
    sums = {}
    for pattern, below in package.files.items():
        found = sorted(source.glob(pattern))
        if not found:
            raise VendorError(
                f"{package.name} {package.version} has no file like {pattern}: correct PACKAGES"
            )
        for path in found:
            relative = PurePosixPath(package.folder, below, path.name)
            copy(path, staging / relative)
            sums[str(relative)] = sha256(path)
    return sums


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def recorded() -> dict:
    """The committed manifest, or an empty one."""
    return json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}


def refresh() -> None:
    """Fetch everything, then swap it in: nothing is touched before all of it is there and checked."""
    before, manifest = recorded(), {}
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".vendor-") as temporary:
        staging, workdir = Path(temporary, "new"), Path(temporary, "npm")
        workdir.mkdir()
        for package in PACKAGES:
            source, integrity = fetch(package, workdir)
            known = before.get(package.name, {})
            if known.get("version") == package.version and known["integrity"] != integrity:
                raise VendorError(f"{package.name} {package.version} is not the file it was: {integrity}")
            manifest[package.name] = {
                "version": package.version,
                "license": package.license,
                "use": package.use,
                "integrity": integrity,
                "files": collect(package, source, staging),
            }
            print(f"{package.name} {package.version}: {len(manifest[package.name]['files'])} files")
        for package in PACKAGES:
            swap(staging / package.folder, ROOT / package.folder, Path(temporary))
    atomic_write_text(MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def swap(new: Path, target: Path, temporary: Path) -> None:
    """Put folder `new` in the place of `target`; both lie on one disk, so each step is a rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        os.replace(target, temporary / f"old-{target.name}")
    os.replace(new, target)


def check() -> list[str]:
    """Every way in which the committed files differ from the manifest; empty when there is none."""
    manifest, problems, expected = recorded(), [], set()
    for package in PACKAGES:
        entry = manifest.get(package.name)
        if entry is None or entry["version"] != package.version:
            known = entry and entry["version"]
            problems.append(f"{package.name}: the manifest has {known}, the tool {package.version}")
            continue
        for relative, wanted in entry["files"].items():
            path = ROOT / relative
            expected.add(path)
            found = sha256(path) if path.exists() else "missing"
            if found != wanted:
                problems.append(f"{relative}: expected {wanted}, found {found}")
        for path in (ROOT / package.folder).rglob("*"):
            if path.is_file() and path not in expected:
                problems.append(f"{path.relative_to(ROOT)}: not in the manifest")
    problems += [f"{name}: in the manifest only" for name in manifest.keys() - {p.name for p in PACKAGES}]
    return problems


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only compare checksums")
    if parser.parse_args(arguments).check:
        problems = check()
        for problem in problems:
            print(problem, file=sys.stderr)
        if problems:
            print("Restore the files from git, or refresh them with: python tools/vendor.py", file=sys.stderr)
        return bool(problems)
    try:
        refresh()
    except VendorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
