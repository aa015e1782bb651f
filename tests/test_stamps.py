"""What makes stored outputs stale: a function behind a lesson, and nothing else."""

import pytest
import stamps

FILES = {
    "__init__": "",
    "lesson/__init__": "from fmlib.lesson.model import Model, unused",
    "lesson/model": """
        from fmlib import parts
        from fmlib.parts import helper as help_out

        SIZE = 3
        OTHER = 4

        class Model:
            def run(self, x: int) -> int:
                "Double it."
                return parts.double(x) + SIZE

        def unused():
            return OTHER

        def lazy():
            from fmlib.far import constant

            return help_out(constant)
        """,
    "parts": """
        def double(x):
            return 2 * x

        def helper(x):
            return x

        def never(x):
            return -x
        """,
    "far": "constant = 1",
    "command": """
        from fmlib.far import constant

        def main():
            return constant
        """,
}
CELLS = ["from fmlib.lesson import Model\n\nModel().run(1)"]


def write(folder, files):
    import textwrap

    for name, source in files.items():
        path = folder / "fmlib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))


@pytest.fixture
def hashed(tmp_path):
    """The hash of cells on the package above, with some files written otherwise; None takes a file away."""
    count = 0

    def find(cells=CELLS, **changed):
        nonlocal count
        count += 1
        files = FILES | {name.replace("__of__", "/"): source for name, source in changed.items()}
        write(tmp_path / str(count), {name: source for name, source in files.items() if source is not None})
        return stamps.source_hash(cells, stamps.Package(tmp_path / str(count)))

    return find


def edited(name, old, new):
    source = FILES[name]
    assert old in source
    return {name.replace("/", "__of__"): source.replace(old, new)}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("lesson/model", "parts.double(x) + SIZE", "parts.double(x) - SIZE"),
        ("lesson/model", "SIZE = 3", "SIZE = 5"),
        ("parts", "2 * x", "3 * x"),
        ("lesson/__init__", "lesson.model import Model", "parts import double as Model"),
    ],
)
def test_a_changed_function_behind_a_lesson_makes_it_stale(hashed, name, old, new):
    assert hashed(**edited(name, old, new)) != hashed()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("parts", "-x", "-2 * x"),  # never named
        ("parts", "return x\n", "return 5\n"),  # named only by a function that is not named itself
        ("lesson/model", "OTHER = 4", "OTHER = 6"),
        ("far", "constant = 1", "constant = 2"),
        ("lesson/model", '"Double it."', '"Twice as much."'),
        ("lesson/model", "x: int) -> int", "x: float) -> float"),
        ("lesson/model", "class Model:", "class Model:  # a comment"),
    ],
)
def test_what_a_lesson_never_uses_and_what_decides_nothing_do_not(hashed, name, old, new):
    assert hashed(**edited(name, old, new)) == hashed()


def test_a_file_that_moves_or_is_renamed_changes_nothing(hashed):
    moved = {
        "lesson__of__model": None,
        "rooms__of__network": FILES["lesson/model"]
        .replace("fmlib.parts", "fmlib.rooms.tools")
        .replace("from fmlib import parts", "from fmlib.rooms import tools as parts"),
        "parts": None,
        "rooms__of__tools": FILES["parts"],
        "rooms__of____init__": "",
        "lesson__of____init__": "from fmlib.rooms.network import Model, unused",
    }
    assert hashed(**moved) == hashed()
    assert hashed(["from fmlib.rooms.network import Model\n\nModel().run(1)"], **moved) == hashed()


def test_imports_inside_of_functions_count(hashed):
    cells = ["from fmlib.lesson.model import lazy\nlazy()"]
    assert hashed(cells, far="constant = 2") != hashed(cells)
    assert hashed(cells, **edited("parts", "return x\n", "return 5\n")) != hashed(cells)


def test_a_module_counts_by_what_is_taken_from_it(hashed):
    cells = ["from fmlib import lesson\nlesson.Model()"]
    assert hashed(cells, **edited("parts", "2 * x", "3 * x")) != hashed(cells)
    assert hashed(cells, far="constant = 2") == hashed(cells)


def test_a_module_that_a_cell_runs_by_its_name_counts_whole(hashed):
    cells = ['import subprocess, sys\nsubprocess.run([sys.executable, "-m", "fmlib.command"])']
    assert hashed(cells, far="constant = 2") != hashed(cells)
    assert hashed(cells, **edited("parts", "2 * x", "3 * x")) == hashed(cells)


def test_a_list_of_modules_that_grows_does_not_and_any_other_list_does(hashed):
    cells = ["from fmlib import lists\n\nlists.CHAPTERS, lists.WHERE, lists.SIZES, lists.MIXED"]
    lists = """
        CHAPTERS = ("lesson", "parts")
        WHERE = {"far away": "fmlib.far"}
        SIZES = ["large", "small"]
        MIXED = ("parts", 3)
        """
    before = hashed(cells, lists=lists)
    assert hashed(cells, lists=lists.replace('"parts")', '"parts", "far")')) == before
    assert hashed(cells, lists=lists.replace('"fmlib.far"', '"fmlib.far", "near": "fmlib.parts"')) == before
    assert hashed(cells, lists=lists.replace('"large"', '"huge"')) != before
    assert hashed(cells, lists=lists.replace("3", "4")) != before
    assert hashed(cells, lists=lists.replace('"parts")', '"nowhere")')) != before


def test_a_changed_cell_makes_a_lesson_stale_and_a_comment_or_magic_does_not(hashed):
    assert hashed(["from fmlib.lesson import Model\n\nModel().run(2)"]) != hashed()
    assert (
        hashed(["%matplotlib inline\nfrom fmlib.lesson import Model  # ours\n\nModel().run(1)"]) == hashed()
    )


def test_modules_that_import_each_other_are_read_once(hashed):
    a, b = "from fmlib.b import g\ndef f(): return g\n", "from fmlib.a import f\ndef g(): return f\n"
    cells = ["from fmlib.a import f\nf()"]
    assert hashed(cells, a=a, b=b) != hashed(cells, a=a, b=b.replace("return f", "return 1"))
