"""Progress lasts: across kernels, beside other kernels, and through a damaged, full or read-only disk."""

import errno
import json
import os
import subprocess
import sys

import pytest
from right_answers import RIGHT

from fmlib.exercises import check, hint, predict, progress, registry, reveal, solution, store


@pytest.fixture(autouse=True)
def _nothing_unsaved():
    store._unsaved.clear()
    yield
    store._unsaved.clear()


def said(card):
    return " ".join(repr(card).split())


def row(name):
    return next(row for row in progress().rows if row[1] == name)


def in_another_kernel(*lines, home=None, wait=True):
    script = "\n".join(["import random, torch", "from fmlib.exercises import *", *lines])
    environment = {**os.environ, **({"FMLIB_HOME": str(home)} if home else {})}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if not wait:
        return process
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return out


def test_progress_lasts_across_kernels_and_random_numbers_are_left_alone():
    out = in_another_kernel(
        "f = lambda batch: torch.rand(1) + random.random()",
        "state = random.getstate(), torch.get_rng_state()",
        "check('positive_indices', f); hint('positive_indices'); solution('nt_xent')",
        "print(random.getstate() == state[0], torch.equal(torch.get_rng_state(), state[1]))",
    )
    assert out.strip() == "True True"
    assert row("positive_indices")[2:] == ("attempted", "1", "1 hint")
    assert row("nt_xent")[2:] == ("open", "0", "solution")


def test_what_is_passed_stays_done():
    check("positive_indices", RIGHT["positive_indices"][0])
    check("positive_indices", lambda batch: None)
    assert row("positive_indices")[2:4] == ("done", "2")


def test_an_unwritten_starter_leaves_no_trace():
    def nt_xent(z1, z2, temperature=0.5):
        raise NotImplementedError

    check("nt_xent", nt_xent)
    predict("first_loss", None)
    progress()
    assert not store.path().exists()


def test_the_librarys_own_function_leaves_no_trace():
    found = next(item for item in registry.exercises() if item.name == "positive_indices")
    check("positive_indices", found.reference)
    assert row("positive_indices")[2] == "open"


@pytest.mark.parametrize("exercise", registry.exercises(), ids=lambda exercise: exercise.name)
def test_hints_go_up_one_by_one_and_the_last_one_stays(exercise):
    total = len(exercise.hints)
    shown = [hint(exercise.name) for _ in range(total + 2)]
    assert [card.lines[0] for card in shown] == [*exercise.hints, exercise.hints[-1], exercise.hints[-1]]
    assert f"Hint {total} of {total}" in repr(shown[-1])


def test_two_kernels_that_write_at_once_lose_nothing():
    home = store.path().parent
    lines = ["from fmlib.exercises import store", "def more(entry): entry['tries'] += 1"]
    lines.append(
        "for i in range(40): trouble = store.update('nt_xent', more)[1]; assert not trouble, trouble"
    )
    kernels = [in_another_kernel(*lines, home=home, wait=False) for _ in range(2)]
    for kernel in kernels:
        assert kernel.wait(timeout=120) == 0, kernel.stderr.read()
        kernel.stdout.close()
        kernel.stderr.close()
    assert row("nt_xent")[3] == "80"


@pytest.mark.parametrize(
    "content",
    [
        "{half a fi",
        "[]",
        '{"version": 1}',
        '{"version": 1, "exercises": {"nt_xent": {"tries": "two"}}}',
        '{"version": 1, "exercises": {"nt_xent": {"hints": -5}}}',
        '{"version": 1, "exercises": {"nt_xent": {"tries": -1}}}',
        '{"version": 1, "exercises": {"first_loss": {"guess": NaN}}}',
        '{"version": 1, "exercises": {"first_loss": {"guess": 1e999}}}',
        "\udcff",
    ],
)
def test_a_damaged_file_is_moved_aside_and_named(content):
    store.path().write_bytes(content.encode("utf-8", "surrogateescape"))
    card = hint("nt_xent")
    assert "was damaged" in said(card)
    aside = store.path().with_suffix(".damaged.json")
    assert aside.read_bytes() == content.encode("utf-8", "surrogateescape")
    assert "damaged" not in said(hint("nt_xent"))
    assert row("nt_xent")[4] == "2 hints"


def test_a_second_damaged_file_does_not_overwrite_the_first():
    for content in ("one", "two"):
        store.path().write_text(content)
        progress()
    kept = sorted(file.read_text() for file in store.path().parent.glob("*damaged*"))
    assert kept == ["one", "two"]


def test_a_file_of_a_newer_fmlib_is_left_alone():
    newer = json.dumps({"version": store.VERSION + 1, "exercises": {}})
    store.path().write_text(newer)
    assert "update fmlib" in said(hint("nt_xent"))
    assert store.path().read_text() == newer


def test_entries_of_exercises_unknown_here_are_kept():
    store.path().write_text(json.dumps({"version": 1, "exercises": {"of_a_later_lesson": {"passed": True}}}))
    hint("nt_xent")
    assert json.loads(store.path().read_text())["exercises"]["of_a_later_lesson"]["passed"] is True


@pytest.mark.skipif(os.name != "posix", reason="takes the lock as POSIX does")
def test_a_lock_that_another_process_keeps_is_given_up_with_a_message(monkeypatch):
    import fcntl

    monkeypatch.setattr(store, "PATIENCE", 0.1)
    hint("nt_xent")
    with open(store.path().with_suffix(".lock"), "a+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        card = hint("nt_xent")
    assert card.heading.startswith("Hint 2")
    assert "another process holds" in said(card)
    assert "kept until the kernel ends" in said(card)
    hint("nt_xent")
    assert row("nt_xent")[4] == "3 hints"


def full_disk(path, text):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_on_a_full_disk_the_result_is_shown_and_progress_goes_on_in_memory(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(store, "atomic_write_text", full_disk)
        result = check("positive_indices", RIGHT["positive_indices"][0])
        assert result.passed
        assert "No space left on device" in said(result)
        assert "FMLIB_HOME" in said(result)
        assert hint("positive_indices").heading.startswith("Hint 1")
        assert hint("positive_indices").heading.startswith("Hint 2")
        assert row("positive_indices")[2:] == ("done", "1", "2 hints")
    hint("nt_xent")  # room again: everything is written
    store._unsaved.clear()
    assert row("positive_indices")[2:] == ("done", "1", "2 hints")
    assert row("nt_xent")[4] == "1 hint"


def test_a_folder_that_cannot_be_made_is_said_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FMLIB_HOME", str(tmp_path / "file" / "below"))
    for card in (
        check("positive_indices", RIGHT["positive_indices"][0]),
        hint("nt_xent"),
        solution("nt_xent"),
        progress(),
    ):
        assert "progress could not be" in said(card)
        assert "set FMLIB_HOME" in said(card)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_read_only_folder_is_said(monkeypatch):
    home = store.path().parent
    home.chmod(0o500)
    try:
        assert "Permission denied" in said(hint("nt_xent"))
    finally:
        home.chmod(0o700)


def test_the_home_may_start_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("FMLIB_HOME", "~/mine")
    assert store.path() == tmp_path / "mine" / "progress.json"
    monkeypatch.delenv("FMLIB_HOME")
    assert store.path() == tmp_path / ".fmlib" / "progress.json"


def test_the_table_has_every_exercise_and_headers_for_a_screen_reader():
    table = progress()
    chapters = [registry.chapter(name) for name in registry.CHAPTERS]
    names = [item.name for chapter in chapters for item in (*chapter.EXERCISES, *chapter.PREDICTIONS)]
    assert sorted(names) == sorted(i.name for i in (*registry.exercises(), *registry.predictions()))
    assert [entry[1] for entry in table.rows] == names
    for each in (table._repr_html_(), repr(table)):
        assert all(name in each for name in names)
    columns = len(table.HEAD) - 1  # the chapter is in the line above
    assert table._repr_html_().count('scope="col"') == columns * len(registry.CHAPTERS)


def test_a_chapter_unfolds_when_something_in_it_is_begun():
    assert "<details open>" not in progress()._repr_html_()
    predict("first_loss", 3)
    shown = progress()._repr_html_()
    assert shown.count("<details open>") == 1
    assert "<details open><summary>self_supervised: 0 of " in shown
    reveal("first_loss", 6.2)
    assert "<details open><summary>self_supervised: 1 of " in progress()._repr_html_()


def test_a_guess_is_kept_and_shown_beside_the_measured_number():
    predict("first_loss", 3)
    assert row("first_loss")[2] == "attempted"
    assert "Your guess, 3, was too low" in said(reveal("first_loss", 6.2))
    assert row("first_loss")[2] == "done"


@pytest.mark.parametrize(("guess", "words"), [(6.0, "was close"), (9.0, "was too high")])
def test_a_guess_is_judged(guess, words):
    predict("first_loss", guess)
    assert words in said(reveal("first_loss", 6.2))


def test_without_a_guess_the_number_is_shown_and_nothing_is_done():
    assert "No guess yet" in said(predict("first_loss", None))
    assert "You made no guess" in said(reveal("first_loss", 6.2))
    assert row("first_loss")[2] == "open"


@pytest.mark.parametrize(
    ("guess", "error"), [("six", TypeError), (True, TypeError), (float("nan"), ValueError)]
)
def test_a_guess_that_is_no_number_is_refused(guess, error, refuses):
    with refuses(error, "expected a"):
        predict("first_loss", guess)
