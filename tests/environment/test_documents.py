"""What README, the set-up page and CONTRIBUTING tell to type is there, and the workflows run it."""

import importlib.util
import re
from pathlib import Path

import environment
import pytest
import yaml

from fmlib.results import compare
from fmlib.self_supervised.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "CONTRIBUTING.md", "book/setup.md", "book/how_to_use.md")
}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/workflows").glob("*.yml")
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_that_is_named_exists(name):
    fences = re.findall(r"```\w+\n(.*?)```", TEXTS[name], re.DOTALL)
    inline = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", TEXTS[name], flags=re.DOTALL))
    code = "\n".join(fences + inline)
    targets = set(re.findall(r"^\s*(?:\w+=\w+ )?make ([a-z]+)\b", code, re.MULTILINE))
    files = {found.replace("\\", "/") for found in re.findall(r"\b(?:tools|tests)[/\\]\w+\.py\b", code)}
    modules = set(re.findall(r"-m (fmlib[\w.]*)", code))
    assert targets <= TARGETS
    assert [file for file in files if not (ROOT / file).is_file() and "<" not in file] == []
    assert [module for module in modules if importlib.util.find_spec(module) is None] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_place_that_is_named_exists(name):
    # Places with a <chapter> or <lesson> in them are tried with one that is there.
    text = TEXTS[name].replace("<chapter>", "llm").replace("NN_<lesson>", "02_gpt").replace("<lesson>", "gpt")
    places = set(re.findall(r"(?<![\w/.])(?:fmlib|tests|notebooks|book|tools|benchmarks)/[\w/.]*[\w/]", text))
    places = {
        place for place in places if "<" not in place and not place.endswith(("build_", "load_", "test_"))
    }
    assert len(places) >= 15
    assert [place for place in sorted(places) if not (ROOT / place).exists()] == []


def test_readme_names_every_comparison():
    (row,) = (
        line
        for line in TEXTS["README.md"].splitlines()
        if line.startswith("| `make compare") and "ledger" in line
    )
    assert [name for name in compare.WHERE if f"`{name}`" not in row] == []


def test_readme_and_the_chapters_page_name_every_method_of_the_quick_start():
    (row,) = (line for line in TEXTS["README.md"].splitlines() if "-m fmlib.self_supervised`" in line)
    assert [name for name in METHODS if f"`{name}`" not in row] == ["simclr"]  # the default, by its own name
    page = (ROOT / "book/self_supervised/index.md").read_text(encoding="utf-8")
    (named,) = (part for part in page.split("\n\n") if "python -m fmlib.self_supervised METHOD" in part)
    assert re.findall(r"`(\w+)`", named) == list(METHODS)


@pytest.mark.parametrize("name", ["README.md", "book/setup.md"])
def test_the_promised_machines_are_those_that_set_up_takes(name):
    text = " ".join(TEXTS[name].split())
    first, last = environment.PYTHONS[:-1], environment.PYTHONS[-1]
    assert f"Python {', '.join(f'{a}.{b}' for a, b in first)} or {last[0]}.{last[1]}" in text
    assert f"| Linux | x86_64, aarch64 | glibc {'.'.join(map(str, environment.OLDEST_GLIBC))}" in text
    assert f"| macOS | Apple silicon | macOS {environment.OLDEST_MACOS[0]} |" in text
    assert "| Windows | x86-64 |" in text


def test_on_the_setup_page_each_systems_commands_stand_under_its_name():
    tabs = re.findall(r":::\{tab-item\} (.*?)\n(.*?)\n:::\n", TEXTS["book/setup.md"], re.DOTALL)
    assert {title for title, _ in tabs} == {"Linux and macOS", "Windows"}
    for title, body in tabs:
        assert ("\\Scripts\\" in body) == (title == "Windows")
    rest = re.sub(r"::::\{tab-set\}.*?\n::::\n", "", TEXTS["book/setup.md"], flags=re.DOTALL)
    assert ".venv/bin/" not in rest
    assert sum("git clone <address> foundation-models" in body for _, body in tabs) == 2


def test_the_address_is_put_where_the_page_says_how_to_clone(monkeypatch):
    import sys
    from types import SimpleNamespace

    monkeypatch.syspath_prepend(str(ROOT / "book/_ext"))
    import fmlib_book

    for address, shown in (("https://github.com/o/n", "https://github.com/o/n"), ("", "<address>")):
        source = [TEXTS["book/setup.md"]]
        app = SimpleNamespace(config=SimpleNamespace(fmlib_repository=address))
        fmlib_book.fill_in_address(app, "book/setup", source)
        assert source[0].count(f"git clone {shown} foundation-models") == 2
    assert "fmlib_book" in sys.modules


def steps(job: dict) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_ci_runs_the_two_commands_and_the_workflows_run_ci():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert [line for line in script if line.startswith("make")] == ["make book", "make test"]
    assert "bash .ci/run" in steps(WORKFLOWS["test"]["jobs"]["test"])
    assert "bash .ci/run" in steps(WORKFLOWS["gpu"]["jobs"]["gpu"])


def test_what_is_sampled_runs_whole_beside():
    job = WORKFLOWS["test"]["jobs"]["samples"]
    assert job["strategy"]["matrix"]["all"] == ["devices", "mutants"]
    assert "make ${{ matrix.all }}" in steps(job)


def test_the_gpu_workflow_does_nothing_without_a_runner_and_nothing_for_strangers():
    job = WORKFLOWS["gpu"]["jobs"]["gpu"]
    assert job["if"] == "${{ vars.GPU_RUNNER != '' }}"
    assert job["runs-on"] == ["self-hosted", "${{ vars.GPU_RUNNER }}"]
    assert "pull_request" not in WORKFLOWS["gpu"][True]  # YAML reads the key `on` as true
    assert "torch.cuda.is_available()" in steps(job)


def test_the_wheel_holds_the_ledger_and_an_editable_installation_no_copy(monkeypatch):
    import sys
    from types import ModuleType

    interface = ModuleType("hatchling.builders.hooks.plugin.interface")
    interface.BuildHookInterface = object
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "tools/hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for version, included in (("standard", {"book/results.json": "fmlib/results.json"}), ("editable", {})):
        data = {"force_include": {}}
        module.LedgerHook().initialize(version, data)
        assert data["force_include"] == included
