"""The files of other projects are what their manifest says."""

import json
import shutil

import pytest
import vendor


def test_the_committed_files_match_their_checksums():
    assert vendor.check() == []


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of everything vendored that a test may spoil."""
    for package in vendor.PACKAGES:
        shutil.copytree(vendor.ROOT / package.folder, tmp_path / package.folder)
    manifest = tmp_path / vendor.MANIFEST.relative_to(vendor.ROOT)
    shutil.copy(vendor.MANIFEST, manifest)
    monkeypatch.setattr(vendor, "ROOT", tmp_path)
    monkeypatch.setattr(vendor, "MANIFEST", manifest)
    return tmp_path


def test_a_changed_file_is_named(copy):
    with open(copy / "book/static/vendor/mathjax/tex-mml-chtml.js", "a") as file:
        file.write("// changed")
    (problem,) = vendor.check()
    assert problem.startswith("book/static/vendor/mathjax/tex-mml-chtml.js: expected")


def test_a_missing_file_is_named(copy):
    (copy / "book/static/vendor/mathjax/LICENSE").unlink()
    (problem,) = vendor.check()
    assert "mathjax/LICENSE" in problem
    assert problem.endswith("missing")


def test_a_file_that_nobody_declared_is_named(copy):
    (copy / "book/static/vendor/mathjax/extra.js").write_text("1")
    assert vendor.check() == ["book/static/vendor/mathjax/extra.js: not in the manifest"]


def test_the_check_ends_with_a_remedy(copy, capsys):
    (copy / "book/static/vendor/mathjax/LICENSE").unlink()
    assert vendor.main(["--check"]) == 1
    assert "python tools/vendor.py" in capsys.readouterr().err


def test_every_package_carries_its_license():
    for package in vendor.PACKAGES:
        names = [path.name for path in (vendor.ROOT / package.folder).iterdir()]
        assert any(name.startswith("LICENSE") for name in names), package.name


def test_a_package_under_another_license_is_refused(tmp_path):
    (tmp_path / "package.json").write_text(json.dumps({"license": "GPL-3.0"}))
    with pytest.raises(vendor.VendorError, match=r"declares the license 'GPL-3.0', not 'Apache-2.0'"):
        vendor.collect(vendor.PACKAGES[0], tmp_path, tmp_path / "staging")


def test_without_npm_the_tool_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    assert vendor.main([]) == 1
    assert "install Node.js" in capsys.readouterr().err
