"""What is stored in the notebooks is what their code gives."""

import copy

import nbformat
import pytest

import notebooks as tool
from fmlib.results import ledger

ALL = tool.notebooks()
STAMP = {"source", "scale", "device", "seconds", "date", "peak_mb"}


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_is_a_lesson():
    assert ALL


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
class TestStored:
    def test_the_outputs_are_those_of_the_code(self, path):
        notebook = read(path)
        assert notebook.metadata["fmlib"]["source"] == tool.source_hash(notebook), f"make run NOTEBOOK={path}"

    def test_the_stamp_is_whole_and_of_a_real_run(self, path):
        stamp = read(path).metadata["fmlib"]
        assert set(stamp) == STAMP
        assert stamp["scale"] in ("cpu", "gpu")

    def test_every_code_cell_ran_in_order_and_none_failed(self, path):
        cells = [c for c in read(path).cells if c.cell_type == "code"]
        assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
        failed = [c.id for c in cells for o in c.outputs if o.output_type == "error"]
        assert failed == []

    def test_no_warning_is_stored(self, path):
        cells = [c for c in read(path).cells if c.cell_type == "code"]
        assert [c.id for c in cells for o in c.outputs if o.get("name") == "stderr"] == []

    def test_cells_are_short_and_the_file_small(self, path):
        long = [c.id for c in read(path).cells if c.cell_type == "code" and len(c.source.splitlines()) > 24]
        assert long == []
        assert path.stat().st_size < tool.LARGEST

    def test_what_it_recorded_is_in_the_ledger(self, path):
        recorded = ledger.gather(read(path).cells)
        assert recorded
        stored = ledger.results()
        assert {name: stored.get(name) for name in recorded} == recorded


def test_code_decides_the_stamp_and_prose_does_not():
    notebook = read(ALL[0])
    before = tool.source_hash(notebook)
    prose = copy.deepcopy(notebook)
    next(c for c in prose.cells if c.cell_type == "markdown").source += " More words."
    assert tool.source_hash(prose) == before
    comment = copy.deepcopy(notebook)
    next(c for c in comment.cells if c.cell_type == "code").source += "\n# a comment"
    assert tool.source_hash(comment) == before
    code = copy.deepcopy(notebook)
    next(c for c in code.cells if c.cell_type == "code").source += "\nx = 1"
    assert tool.source_hash(code) != before


def test_the_address_of_the_repository_decides_no_result():
    notebook = read(ALL[0])
    moved = copy.deepcopy(notebook)
    setup = next(c for c in moved.cells if "REPOSITORY =" in c.source)
    setup.source = setup.source.replace('REPOSITORY = ""', 'REPOSITORY = "https://github.com/o/n"')
    assert setup.source != next(c for c in notebook.cells if "REPOSITORY =" in c.source).source
    assert tool.source_hash(moved) == tool.source_hash(notebook)


def test_a_progress_bar_leaves_nothing_behind():
    assert tool.settle_stream(" 50%|## | 4/9\r             \rdone\n") == "done\n"
    assert tool.settle_stream("two\nlines\n") == "two\nlines\n"


def test_a_failing_notebook_is_left_as_it_was(tmp_path):
    path = tmp_path / "broken.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])
    nbformat.write(notebook, path)
    before = path.read_bytes()
    with pytest.raises(tool.CellExecutionError, match="ZeroDivisionError"):
        tool.run(path, "smoke")
    assert path.read_bytes() == before
