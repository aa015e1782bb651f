"""The notebooks hold the exercises as they are registered."""

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
