"""The notebooks hold the exercises as they are registered."""

import inspect
import json
import re
from pathlib import Path

import pytest

from fmlib.exercises import cells, registry

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").rglob("*.ipynb"))


def checks(notebook):
    """(name, the cells before it, nearest first) for every check in a notebook."""
    sources = [
        (cell["cell_type"], "".join(cell["source"])) for cell in json.loads(notebook.read_text())["cells"]
    ]
    for place, (kind, source) in enumerate(sources):
        found = re.search(r'^check\("(\w+)"', source, re.MULTILINE) if kind == "code" else None
        if found:
            yield found[1], source, sources[:place][::-1]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_an_exercise_stands_as_its_author_wrote_it(notebook):
    for name, source, before in checks(notebook):
        parts = cells(name)
        assert source.strip() == parts["check"]
        assert next(text for kind, text in before if kind == "code").strip() == parts["starter"]
        assert next(text for kind, text in before if kind == "markdown").strip() == parts["markdown"]


@pytest.mark.skipif(not NOTEBOOKS, reason="no notebook yet")
@pytest.mark.parametrize("chapter", registry.CHAPTERS)
def test_every_exercise_of_a_chapter_with_notebooks_is_in_one(chapter):
    sources = "".join(notebook.read_text() for notebook in NOTEBOOKS if notebook.parent.name == chapter)
    names = [exercise.name for exercise in registry.chapter(chapter).EXERCISES]
    assert [name for name in names if f'check(\\"{name}\\"' not in sources] == []


each_exercise = pytest.mark.parametrize("exercise", registry.exercises(), ids=lambda exercise: exercise.name)


@each_exercise
def test_its_cells_run_by_themselves_in_a_fresh_kernel(exercise):
    parts, scope = cells(exercise.name), {"__name__": "__main__"}
    exec(parts["starter"], scope)
    *imports, line = parts["check"].splitlines()
    exec("\n".join(imports), scope)
    result = eval(line, scope)
    if exercise.kind == "write":
        assert result.status == "not attempted"
    else:
        assert result.misconception is exercise.misconceptions[0]
    assert eval(f'hint("{exercise.name}")', scope).heading.startswith("Hint 1")
    assert eval(f'solution("{exercise.name}")', scope).reference is exercise.reference


@each_exercise
def test_its_starter_imports_what_an_answer_needs(exercise):
    """What the hints and the goal speak of, and what the plain answers behind the listed mistakes use."""
    scope: dict = {}
    exec(exercise.starter, scope)
    code = " ".join(re.findall(r"`([^`]+)`", " ".join([exercise.goal, *exercise.hints])))
    spoken = set(re.findall(r"(?<![\w.])(F|torch|math|np|bpe)\.\w", code))
    plain = [wrong for misconception in exercise.misconceptions for wrong in misconception.wrong]
    used = {name for wrong in plain for name in inspect.unwrap(wrong).__code__.co_names} & {
        "F",
        "torch",
        "math",
    }
    assert spoken | used <= scope.keys()
