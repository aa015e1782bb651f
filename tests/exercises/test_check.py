"""What `check` promises whatever the exercise."""

import contextlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from right_answers import RIGHT

from fmlib.exercises import UnknownExercise, check, registry, solution
from fmlib.exercises.compare import Number, Spelled, difference
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips


def half_right(z1, z2, temperature=0.5):
    return RIGHT["nt_xent"][2](z1, z2, temperature) + 0.25


def said(result):
    """What it says, however the lines are broken."""
    return " ".join(repr(result).split())


def test_an_unknown_name_is_answered_with_the_nearest_and_all_names():
    with pytest.raises(UnknownExercise, match="did you mean 'nt_xent'") as caught:
        check("nt_xnet", half_right)
    assert all(exercise.name in str(caught.value) for exercise in registry.exercises())


@pytest.mark.parametrize("attempt", [None, 3, "nt_xent", torch.zeros(2)])
def test_what_is_no_function_is_refused_with_the_right_call(attempt, refuses):
    with refuses(TypeError, r"expected your function itself.*check\('nt_xent', nt_xent\)"):
        check("nt_xent", attempt)


def test_swapped_arguments_are_refused_with_the_right_call(refuses):
    with refuses(TypeError, r'expected a string, as in `check\("nt_xent", nt_xent\)`'):
        check(half_right, "nt_xent")


def test_an_unexplained_failure_shows_the_first_case_with_both_numbers():
    result = check("nt_xent", half_right)
    assert result.misconception is None
    assert re.search(
        r"Case “3 pictures, temperature 0.5”: the result: got \d\.\d+, expected \d\.\d+", said(result)
    )


def test_the_failing_inputs_come_with_the_result():
    result = check("nt_xent", half_right)
    assert list(result.inputs) == ["z1", "z2", "temperature"]
    assert result.inputs["z1"].shape == (3, 4)


def test_other_parameters_are_answered_with_the_signature():
    result = check("nt_xent", lambda z1: z1.sum())
    assert "nt_xent(z1, z2, temperature=0.5)" in said(result)


def test_an_attempt_that_changes_its_inputs_is_told_so_and_spoils_nothing():
    def attempt(train_features, train_labels, features, k=20, temperature=0.07):
        train_features.div_(train_features.norm(dim=1, keepdim=True))
        return RIGHT["knn_predict"][1](train_features, train_labels, features, k, temperature)

    assert "you changed `train_features` in place" in said(check("knn_predict", attempt))
    assert check("knn_predict", RIGHT["knn_predict"][1]).passed


def test_what_an_attempt_prints_is_shown_once_and_only_in_the_result():
    def attempt(z1, z2, temperature=0.5):
        print("shapes", z1.shape)
        return half_right(z1, z2, temperature)

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = check("nt_xent", attempt)
    assert out.getvalue() == ""
    assert repr(result).count("shapes") == 1


def test_a_megabyte_of_output_is_cut_short():
    def attempt(z1, z2, temperature=0.5):
        print("x" * 10**6)
        print("y" * 10**6)
        raise ValueError("z" * 10**6)

    text = said(check("nt_xent", attempt))
    assert "xxx" in text
    assert "zzz" in text
    assert "more characters" in text
    assert len(text) < 2000


def test_an_attempt_cannot_change_the_default_dtype_or_the_gradient_mode():
    def attempt(z1, z2, temperature=0.5):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return half_right(z1, z2, temperature)

    check("nt_xent", attempt)
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_a_check_under_no_grad_still_sees_gradients():
    with torch.no_grad():
        assert check("nt_xent", RIGHT["nt_xent"][2]).passed


@pytest.mark.parametrize("error", [RecursionError, SystemExit, MemoryError, AssertionError])
def test_an_attempt_may_raise_anything(error):
    def attempt(batch):
        raise error("so it is")

    assert error.__name__ in repr(check("positive_indices", attempt))


def test_interrupting_the_kernel_stops_the_check():
    def attempt(batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("positive_indices", attempt)


def test_a_part_that_is_still_unwritten_is_named():
    def positive_indices(batch):
        raise NotImplementedError

    def nt_xent(z1, z2, temperature=0.5):
        return F.cross_entropy(z1 @ z2.T, positive_indices(len(z1)))

    result = check("nt_xent", nt_xent)
    assert result.status == "not attempted"
    assert "raise NotImplementedError" in said(result)


def test_a_callable_object_is_a_function_too():
    class Loss(torch.nn.Module):
        def forward(self, z1, z2, temperature=0.5):
            return RIGHT["nt_xent"][2](z1, z2, temperature)

    assert check("nt_xent", Loss()).passed


def test_a_gradient_that_reaches_the_keys_is_seen_though_the_value_is_right():
    def attempt(query, keys, queue, temperature=0.2):
        query, keys, queue = (F.normalize(rows, dim=1) for rows in (query, keys, queue.detach()))
        logits = torch.cat([(query * keys).sum(1, keepdim=True), query @ queue.T], 1) / temperature
        return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long))

    assert "keys get a gradient" in said(check("info_nce", attempt))


def test_of_two_mistakes_one_is_told():
    def attempt(queue, keys, start):  # neither wraps nor leaves the caller's queue alone
        fits = keys[: len(queue) - start].detach()
        queue[start : start + len(fits)] = fits
        return queue, (start + len(keys)) % len(queue)

    assert check("enqueue", attempt).misconception is not None


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


@pytest.mark.parametrize("attempt", [half_right, RIGHT["nt_xent"][2]], ids=["wrong", "right"])
def test_the_card_says_the_result_in_words_and_asks_for_nothing_outside(attempt):
    result = check("nt_xent", attempt)
    markup = result._repr_html_()
    assert result.status in markup
    parsed = Tags(markup)
    assert not {"script", "img", "link", "iframe"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name in ("src", "href")]
    assert "url(" not in markup
    assert not re.search(r"(?<!-)color:#", markup.replace("border-left", ""))  # letters take the page's color


def test_html_in_an_error_is_shown_not_run():
    def attempt(batch):
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in check("positive_indices", attempt)._repr_html_()


def test_a_notebook_shows_the_result_exactly_once(tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    shell = InteractiveShell()
    with capture_output() as captured:
        shell.run_cell('from fmlib.exercises import check\ncheck("positive_indices", lambda batch: batch)')
    assert captured.stdout.count("not there yet") == 1
    assert captured.stderr == ""


def test_the_librarys_own_function_passes_but_does_not_count():
    exercise = registry.exercises()[0]
    assert "does not count" in said(check(exercise.name, exercise.reference))


def test_a_solution_is_the_source_of_the_library():
    import inspect

    for exercise in registry.exercises():
        assert inspect.getsource(exercise.reference).rstrip() in repr(solution(exercise.name))
        markup = solution(exercise.name)._repr_html_()
        assert "<pre" in markup
        assert "http" not in markup.split("</figcaption>")[0]


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        (torch.zeros(2, 3), torch.zeros(3, 2), "got shape [2, 3], expected [3, 2]"),
        (torch.zeros(2), torch.zeros(2).long(), "got dtype float32, expected int64"),
        (0.5, torch.tensor(0.5), "got the Python float 0.5, expected a scalar tensor"),
        (torch.tensor([1, 2]), torch.tensor([1, 3]), "got [1, 2], expected [1, 3]"),
        (
            torch.full((3, 4), float("nan")),
            torch.zeros(3, 4),
            "12 of 12 values differ; the first, at [0, 0], is nan",
        ),
        (True, 1, "got the Python bool True, expected the Python int 1"),
        (None, torch.zeros(3), "got none, expected a tensor of shape [3], float32"),
        ("play ", "play\n", r"got 'play ', expected 'play\n'"),
        ("[97, 98]", Spelled("[97, 98]"), "got '[97, 98]', expected [97, 98]"),
        (np.zeros(3), torch.zeros(3), "got an ndarray, expected"),
        (np.int64(3), 2, "got an int64 of 3, expected the Python int 2"),
        ([], torch.zeros(3), "got a list, expected"),
        ([4, 4.5, 3], [4, 4, 3], "got [4, 4.5, 3], expected [4, 4, 3]"),
        ([4, 4], [4, 4, 4], "got 2 items, [4, 4], expected 3, [4, 4, 4]"),
        ((2, 3), [2, 3], "got a tuple, expected a list"),
        ([*range(999), 0], [*range(1000)], "at [999] got the Python int 0, expected the Python int 999"),
        ([10**5000], [1], "got a list, expected [1]"),
        ({"a": 1}, [1], "got a dict, expected a list"),
        (Number(2), Number(3), "got 2.0000, expected 3.0000"),
        ("2", Number(2), "got '2', expected the number 2.0000"),
        pytest.param("x" * 10**6, "y", "(999,702 more characters), expected 'y'", id="a long text"),
        pytest.param(10**5000, 1, "got the Python int of thousands of digits, expected", id="a long number"),
    ],
)
def test_a_difference_is_said_in_a_few_words(got, expected, words):
    assert words in difference(got, expected, 1e-4)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (torch.tensor(3), 3),
        ([1, 2], [1, 2]),
        (Number(1e6), Number(1e6 + 1)),
        (torch.tensor([1.0, 2.0]) + 1e-6, torch.tensor([1.0, 2.0])),
        (torch.tensor([float("inf"), 1.0]), torch.tensor([float("inf"), 1.0])),
    ],
)
def test_equal_enough_is_no_difference(got, expected):
    assert difference(got, expected, 1e-4) is None


def test_an_edit_that_fits_nowhere_is_refused():
    with pytest.raises(ValueError, match="occurs 0 times in half_right: expected once"):
        slips(half_right, {"no such text": ""})


@pytest.mark.parametrize(
    ("field", "value"), [("kind", "read"), ("difficulty", 4), ("hints", ()), ("name", "two words")]
)
def test_an_exercise_that_cannot_be_is_refused(field, value, refuses):
    parts = {
        "name": "double",
        "chapter": "self_supervised",
        "title": "Double",
        "goal": "Double it.",
        "kind": "write",
        "difficulty": 1,
        "minutes": 1,
        "starter": "def double(x):\n    raise NotImplementedError",
        "reference": half_right,
        "cases": (Case("one", lambda generator: {"x": 1}),),
        "misconceptions": (Misconception("No.", (half_right,)),),
        "hints": ("Add it to itself.",),
    }
    with refuses(ValueError, "expected"):
        Exercise(**{**parts, field: value})
