"""Lessons on a device that tensors must be moved to; apart from the commands, so that both can run at once."""

import re

import pytest
from on_another_device import HERE, python

LESSONS = sorted((HERE.parent / "notebooks").glob("*/[0-9]*.ipynb"))
WITHOUT_TRAINING = {"01_tokens", "04_generation"}  # these have nothing to put on the device


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_with_its_training_on_another_device(lesson):
    status, said = python(HERE / "pretend_device.py", lesson)
    assert status == 0, said
    operations = int(re.search(r"^(\d+) operations$", said, re.MULTILINE)[1])
    assert (operations > 1000) == (lesson.stem not in WITHOUT_TRAINING)
