"""Lessons and comparisons on a device that tensors must be moved to; apart from the commands, so that both can run at once.

Here a few lessons and one comparison, whose draw changes with every lesson that was run again; with `--every-lesson`, as
in `make devices`, all of them.
"""

import json
import random
import re

import pytest
from on_another_device import HERE, START, python

from fmlib.results import compare

LESSONS = sorted((HERE.parent / "notebooks").glob("*/[0-9]*.ipynb"))
FEW = 3
WITHOUT_TRAINING = {"01_tokens", "04_generation"}  # these have nothing to put on the device


def draw() -> random.Random:
    """Chance whose seed is made of what the lessons' stored outputs were computed from."""
    stamps = [json.loads(path.read_text(encoding="utf-8"))["metadata"]["fmlib"]["source"] for path in LESSONS]
    return random.Random("".join(stamps))


def pytest_generate_tests(metafunc):
    every = metafunc.config.getoption("every_lesson")
    if "lesson" in metafunc.fixturenames:
        lessons = LESSONS if every else sorted(draw().sample(LESSONS, FEW))
        metafunc.parametrize("lesson", lessons, ids=[f"{path.parent.name}-{path.stem}" for path in lessons])
    if "comparison" in metafunc.fixturenames:
        metafunc.parametrize(
            "comparison", list(compare.WHERE) if every else [draw().choice(list(compare.WHERE))]
        )


@pytest.mark.slow
def test_a_lesson_runs_with_its_training_on_another_device(lesson):
    status, said = python(HERE / "pretend_device.py", lesson)
    assert status == 0, said
    operations = int(re.search(r"^(\d+) operations$", said, re.MULTILINE)[1])
    assert (operations > 1000) == (lesson.stem not in WITHOUT_TRAINING)


@pytest.mark.slow
def test_the_rows_of_a_comparison_run_on_another_device(comparison):
    code = f"""
from fmlib.results import compare
for name, row in compare.load({comparison!r}).rows.items():
    print(name, flush=True)
    row(0)
assert pretend_device.operations > 1000
"""
    status, said = python("-c", START + code)
    assert status == 0, said
