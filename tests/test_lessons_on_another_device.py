"""Lessons on a device that tensors must be moved to; apart from the commands, so that both can run at once.

Here a few of them, whose draw changes with every lesson that was run again; with `--every-lesson`, as in `make devices`,
all of them.
"""

import json
import random
import re

import pytest
from on_another_device import HERE, python

LESSONS = sorted((HERE.parent / "notebooks").glob("*/[0-9]*.ipynb"))
FEW = 3
WITHOUT_TRAINING = {"01_tokens", "04_generation"}  # these have nothing to put on the device


def a_few() -> list:
    """Lessons drawn with a seed made of what their stored outputs were computed from."""
    stamps = [json.loads(path.read_text(encoding="utf-8"))["metadata"]["fmlib"]["source"] for path in LESSONS]
    return sorted(random.Random("".join(stamps)).sample(LESSONS, FEW))


def pytest_generate_tests(metafunc):
    if "lesson" in metafunc.fixturenames:
        every = metafunc.config.getoption("every_lesson")
        lessons = LESSONS if every else a_few()
        metafunc.parametrize("lesson", lessons, ids=[f"{path.parent.name}-{path.stem}" for path in lessons])


@pytest.mark.slow
def test_a_lesson_runs_with_its_training_on_another_device(lesson):
    status, said = python(HERE / "pretend_device.py", lesson)
    assert status == 0, said
    operations = int(re.search(r"^(\d+) operations$", said, re.MULTILINE)[1])
    assert (operations > 1000) == (lesson.stem not in WITHOUT_TRAINING)
