"""Every pin installs on every Python and system that set-up promises."""

import json
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from urllib.error import URLError

import pins as tool
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PINS = tool.pins()
RECORD = json.loads(tool.RECORD.read_text(encoding="utf-8"))


def project() -> dict:
    return tomllib.loads((tool.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_pin_has_a_wheel_for_every_promised_machine():
    assert tool.problems(RECORD, PINS) == []


def test_a_pin_that_a_promised_python_cannot_have_is_named():
    record = RECORD | {"soupsieve": RECORD["soupsieve"] | {"requires_python": ">=3.11.5"}}
    (problem,) = tool.problems(record, PINS)
    assert problem == f"{PINS['soupsieve']} needs Python >=3.11.5, and set-up promises 3.11.0"


def test_a_system_without_a_wheel_is_named():
    wheels = [wheel for wheel in RECORD["torch"]["wheels"] if "win" not in wheel]
    found = tool.problems(RECORD | {"torch": RECORD["torch"] | {"wheels": wheels}}, PINS)
    assert [text.split(" has no wheel for ")[1] for text in found] == [
        f"Python 3.{minor}.0 on Windows x86-64" for minor in (11, 12, 13)
    ]


@pytest.mark.parametrize("minimum", ["manylinux_2_34", "macosx_15_0"])
def test_a_wheel_for_newer_systems_only_does_not_count(minimum):
    old = "manylinux_2_28" if "linux" in minimum else "macosx_14_0"
    wheels = [wheel.replace(old, minimum) for wheel in RECORD["torch"]["wheels"]]
    assert wheels != RECORD["torch"]["wheels"]
    assert tool.problems(RECORD | {"torch": RECORD["torch"] | {"wheels": wheels}}, PINS)


def test_a_pin_without_a_record_and_a_record_without_a_pin_are_named():
    record = {name: entry for name, entry in RECORD.items() if name != "numpy"} | {"gone": RECORD["numpy"]}
    first, second = tool.problems(record, PINS)
    assert first.startswith("gone is in the record")
    assert second == f"{PINS['numpy']} is not in the record: run `python tools/pins.py`"


def test_a_line_that_pins_nothing_is_refused(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy>=2\n")
    with pytest.raises(ValueError, match="'numpy>=2' does not pin one version"):
        tool.pins(tmp_path / "requirements.txt")


def wishes(name: str, extras: set[str], marks: dict[str, str]) -> list[Requirement]:
    """What an installed package asks for on a machine; nothing where it isn't installed on this one."""
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return []
    return [
        wish
        for wish in map(Requirement, lines)
        if wish.marker is None
        or any(wish.marker.evaluate(marks | {"extra": extra}) for extra in extras | {""})
    ]


@pytest.mark.parametrize("machine", tool.machines(), ids=" ".join)
def test_what_the_pins_ask_for_is_pinned_on_every_machine(machine):
    marks = tool.machines()[machine]
    wanting, todo, seen = [], [(name, frozenset()) for name in PINS if name != "torch"], set()
    while todo:  # torch alone is left out: its CUDA packages it pins itself
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for wish in wishes(name, set(extras), marks):
            other = canonicalize_name(wish.name)
            pin = PINS.get(other)
            here = pin is not None and (pin.marker is None or pin.marker.evaluate(marks))
            if not here or not wish.specifier.contains(tool.version(pin), prereleases=True):
                wanting.append(f"{name} wants {wish}, pinned: {pin}")
            elif wish.extras:
                todo.append((other, frozenset(wish.extras)))
    assert len(seen) >= len(PINS) - 1
    assert wanting == []


def test_the_pins_are_what_the_package_and_its_extras_ask_for():
    asked = project()["dependencies"] + [
        line for name in ("oracles", "book", "test") for line in project()["optional-dependencies"][name]
    ]
    wrong = [
        line
        for wish, line in ((Requirement(line), line) for line in asked)
        if not wish.specifier.contains(tool.version(PINS[canonicalize_name(wish.name)]))
    ]
    assert wrong == []


def test_the_package_names_the_promised_pythons():
    named = [line.split(" :: ")[-1] for line in project()["classifiers"] if "Python :: 3." in line]
    assert named == [f"{a}.{b}" for a, b in tool.PYTHONS]
    assert project()["requires-python"] == f">={named[0]}"


def test_the_record_is_what_the_package_index_says():
    few = {name: PINS[name] for name in ("soupsieve", "torch", "numpy")}
    try:
        now = tool.ask_all(few)
    except (URLError, TimeoutError) as error:
        pytest.skip(f"needs the package index: {error}")
    assert now == {name: RECORD[name] for name in few}
