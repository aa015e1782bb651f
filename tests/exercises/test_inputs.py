"""What is seen of inputs that were changed in place, at any depth of lists and dicts."""

import pytest
import torch

from fmlib.exercises.observe import changing, run, watch

NAMES = {"views": "in a list", "parts": "in a dict", "deep": "in lists in a dict in a list"}
PICK = {
    "views": lambda views: views[1],
    "parts": lambda parts: parts["b"],
    "deep": lambda deep: deep[0]["rows"][0][1],
}


def nested():
    return {
        "views": [torch.ones(2), torch.full((2,), 2.0)],
        "parts": {"a": torch.ones(2), "b": torch.full((2,), 3.0)},
        "deep": [{"rows": [[torch.ones(2), torch.full((2,), 4.0)]]}],
    }


def notes_of(change, observe=None):
    def total(views, parts, deep):
        result = sum(views) + sum(parts.values()) + sum(deep[0]["rows"][0])
        change({"views": views, "parts": parts, "deep": deep})
        return result

    return run(total, nested(), observe or watch())[0]


def told(change, observe=None):
    """The notes that differ from those of a function that leaves everything as it is."""
    before, after = notes_of(lambda inputs: None, observe), notes_of(change, observe)
    assert before.keys() == after.keys()
    return [
        key for key in before if getattr(before[key], "value", None) is not getattr(after[key], "value", None)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_that_is_changed_in_place_is_seen(name):
    assert told(lambda inputs: PICK[name](inputs[name]).add_(1)) == [f"whether `{name}` was changed in place"]


@pytest.mark.parametrize("name", NAMES)
def test_what_takes_gradients_is_no_change_of_the_content(name):
    assert told(lambda inputs: PICK[name](inputs[name]).requires_grad_()) == [
        f"whether `{name}` still takes gradients as before"
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda inputs: inputs["views"].append(torch.ones(2)),
        lambda inputs: inputs["views"].reverse(),
        lambda inputs: inputs["views"].__setitem__(0, torch.zeros(2)),
    ],
)
def test_a_list_that_is_changed_in_place_is_seen(change):
    assert "whether `views` was changed in place" in told(change)


WITH_GRADIENTS = watch(gradient=("views", "deep"), no_gradient=("parts",))


@pytest.mark.parametrize("name", NAMES)
def test_changes_are_seen_where_the_observer_hands_on_copies(name):
    def change(inputs):
        with torch.no_grad():
            PICK[name](inputs[name]).add_(1)

    assert told(change, WITH_GRADIENTS) == [f"whether `{name}` was changed in place"]
    assert told(lambda inputs: inputs[name].clear(), WITH_GRADIENTS)[0] == (
        f"whether `{name}` was changed in place"
    )


def test_copies_that_take_gradients_are_what_the_function_was_given():
    notes = notes_of(lambda inputs: None, WITH_GRADIENTS)
    assert all(notes[f"whether `{name}` still takes gradients as before"].value for name in NAMES)
    assert not any(notes[f"whether `{name}` was changed in place"].value for name in NAMES)


def test_gradients_are_noted_for_each_tensor_in_a_list():
    def second(views, parts, deep):
        return 3 * views[1] + parts["b"].detach()

    notes = run(second, nested(), WITH_GRADIENTS)[0]
    assert notes["the gradient that reaches `views[0]`"].tolist() == [0, 0]
    assert notes["the gradient that reaches `views[1]`"].tolist() == [3, 3]
    assert notes["the gradient that reaches `deep[0]['rows'][0][1]`"].tolist() == [0, 0]
    assert not notes["whether a gradient reaches `parts`"].value
    reached = run(lambda views, parts, deep: parts["b"] + views[0], nested(), WITH_GRADIENTS)[0]
    assert reached["whether a gradient reaches `parts`"].value


def test_a_change_before_an_error_is_named():
    def breaks(views, parts, deep):
        parts["a"].zero_()
        raise ValueError("no")

    assert run(breaks, nested(), watch())[0].changed == ("parts",)


def test_an_input_that_has_to_change_is_left_to_its_observer():
    @changing("views")
    def observe(function, inputs):
        return {"the result": function(*inputs.values())}

    assert told(lambda inputs: inputs["views"].clear(), observe) == [
        "whether `views` still takes gradients as before"
    ]
