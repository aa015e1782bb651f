"""Right answers, each written another way: for every exercise at least two, and none is the library's.

They stand beside the tests of their lesson, in `tests/<chapter>/<lesson>/right_answers.py`.
"""

import importlib.util
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent


def of_lesson(chapter: str, lesson: str) -> dict:
    """Exercise -> right answers, of one lesson."""
    path = TESTS / chapter / lesson / "right_answers.py"
    spec = importlib.util.spec_from_file_location(f"right_answers_{chapter}_{lesson}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RIGHT


RIGHT = {
    name: answers
    for path in sorted(TESTS.glob("*/*/right_answers.py"))
    for name, answers in of_lesson(*path.parent.relative_to(TESTS).parts).items()
}
