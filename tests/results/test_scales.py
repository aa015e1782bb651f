"""The ledger keeps what real runs gave: smoke never touches it, rows say their scale, an installed package is left alone."""

import json

import pytest

from fmlib.results import compare, ledger


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The package in a clone, with a book beside it."""
    (tmp_path / "fmlib").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "results.json").write_text("{}")
    monkeypatch.delenv("FMLIB_LEDGER", raising=False)
    monkeypatch.setattr(ledger, "PACKAGE", tmp_path / "fmlib")
    return tmp_path / "book" / "results.json"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package from a wheel, which brings the book's results along."""
    package = tmp_path / "site-packages" / "fmlib"
    package.mkdir(parents=True)
    (package / "results.json").write_text(
        json.dumps({"a/b/theirs": entry("cpu", 1.0), "a/b/both": entry("cpu", 1.0)})
    )
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("FMLIB_LEDGER", raising=False)
    monkeypatch.setattr(ledger, "PACKAGE", package)
    return package


def entry(scale, value):
    return ledger.summarize([value, value + 1], "%", 60.0, "CPU") | {"scale": scale}


@pytest.fixture
def toy(monkeypatch):
    rows = {"first": lambda seed: {"first_probe": 70.0 + seed}, "second": lambda seed: {"second_probe": 60.0}}
    comparison = compare.Comparison("chapter/lesson", rows)
    monkeypatch.setitem(compare.WHERE, "toy", "somewhere")
    monkeypatch.setattr(compare, "load", lambda what: comparison)


def at(monkeypatch, scale):
    monkeypatch.setenv("FMLIB_SCALE", scale)


def test_smoke_does_not_touch_the_ledger(clone, toy, tmp_path, monkeypatch):
    at(monkeypatch, "cpu")
    compare.run("toy", folder=tmp_path)
    before, said = clone.read_bytes(), []
    at(monkeypatch, "smoke")
    entries = compare.run("toy", ["first"], folder=tmp_path, say=said.append)
    assert entries["chapter/lesson/first_probe"]["scale"] == "smoke"
    assert clone.read_bytes() == before
    assert said[-1].startswith("first: not written into the ledger")
    ledger.write({"chapter/lesson/other": entry("smoke", 1.0)})
    assert clone.read_bytes() == before


def test_a_row_of_another_scale_says_so(clone, toy, tmp_path, monkeypatch):
    at(monkeypatch, "cpu")
    compare.run("toy", folder=tmp_path)
    rows = {"First": ["first_probe"], "Second": ["second_probe"], "Third": ["third_probe"]}
    told = compare.table("toy", rows, ["probe"])
    assert "at scale cpu." in told.text
    assert "First: 71.0 ± 1.0" in told.text
    ledger.write({"chapter/lesson/second_probe": entry("gpu", 80.0)})
    told = compare.table("toy", rows, ["probe"])
    assert "at scales cpu and gpu, which do not compare." in told.text
    assert "First (scale cpu): 71.0 ± 1.0" in told.text
    assert "Second (scale gpu): 80.5 ± 0.7" in told.text
    assert "Third: not yet run" in told.text
    assert '<th scope="row">Second (scale gpu)</th>' in told.markup


def test_to_compute_a_row_at_another_scale_is_told(clone, toy, tmp_path, monkeypatch):
    ledger.write({"chapter/lesson/first_probe": entry("gpu", 80.0)})
    at(monkeypatch, "cpu")
    said = []
    compare.run("toy", ["first"], folder=tmp_path, say=said.append)
    assert said[-1] == "first: the ledger had it at scale gpu, now it is cpu"


def test_an_installed_package_is_not_written_into(installed, toy, tmp_path, monkeypatch):
    before = (installed / "results.json").read_bytes()
    ledger.write({"a/b/both": entry("cpu", 5.0)})
    assert (installed / "results.json").read_bytes() == before
    assert list(json.loads((tmp_path / "here/runs/results.json").read_text())) == ["a/b/both"]
    assert {name: found["mean"] for name, found in ledger.results().items()} == {
        "a/b/theirs": 1.5,
        "a/b/both": 5.5,
    }


@pytest.mark.parametrize("content", ["{", "[]", '{"numbers": {}}'])
def test_a_damaged_seed_is_told_by_its_file(clone, toy, tmp_path, content):
    compare.run("toy", ["first"], folder=tmp_path)
    next(tmp_path.rglob("first-1.json")).write_text(content)
    with pytest.raises(ValueError, match=r"first-1\.json is damaged .*remove it"):
        compare.run("toy", ["first"], folder=tmp_path)


def test_the_command_ends_in_one_line(clone, toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        compare.main(["toy", "--rows", "nope"])
    assert "no row 'nope'" in capsys.readouterr().err

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(compare, "run", stop)
    assert compare.main(["toy"]) == 130
    said = capsys.readouterr().err
    assert said == "python -m fmlib.results: stopped: what is done is kept: the same command goes on\n"
    at(monkeypatch, "bogus")
    with pytest.raises(SystemExit):
        compare.main(["toy"])
    assert "FMLIB_SCALE is 'bogus': expected one of" in capsys.readouterr().err
