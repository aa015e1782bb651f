"""Rates that depend on the depth: parameter_groups."""

from numbers import Real

import torch
from torch import nn

from fmlib.exercises.compare import Spelled, describe
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import Notes
from fmlib.self_supervised.adaptation.fine_tuning import parameter_groups


def plain_parameter_groups(parts, rate, decay=1.0):
    groups = []
    for place, part in enumerate(parts):
        params = [p for p in part.parameters() if p.requires_grad]
        behind = len(parts) - 1 - place
        if params:
            groups.append({"params": params, "lr": rate * decay**behind})
    return groups


def frozen_parts_do_not_count(parts, rate, decay=1.0):
    alive = [part for part in parts if any(p.requires_grad for p in part.parameters())]
    return plain_parameter_groups(alive, rate, decay)


def one_rate(parts, rate, decay=1.0):
    return plain_parameter_groups(parts, rate, 1.0)


def network(*frozen, empty=None, half=None):
    """Four parts: some are frozen as a whole, one has no weights, of one only the bias learns."""
    parts = [nn.Linear(3, 2), nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 4), nn.ReLU()), nn.Linear(4, 2)]
    for place in frozen:
        parts[place].requires_grad_(False)
    if empty is not None:
        parts[empty] = nn.ReLU()
    if half is not None:
        parts[half].weight.requires_grad_(False)
    return parts


def _is_group(group):
    if not isinstance(group, dict) or not {"params", "lr"} <= set(group):
        return False
    is_rate = isinstance(group["lr"], Real) and not isinstance(group["lr"], bool)
    return is_rate and isinstance(group["params"], (list, tuple))


def watch_groups(function, inputs) -> Notes:
    """For each group the names of its parameters and its rate; the order of parameters in a group does not count."""
    names = {
        id(p): f"parts[{i}].{name}"
        for i, part in enumerate(inputs["parts"])
        for name, p in part.named_parameters()
    }
    groups = function(*inputs.values())
    if not isinstance(groups, (list, tuple)) or not all(map(_is_group, groups)):
        return {"what was returned": Spelled(describe(groups))}
    told, rates = [], []
    for group in groups:
        params = list(group["params"])
        told.append(" ".join(sorted(names.get(id(p), "something else") for p in params)) or "nothing")
        rates.append(float(group["lr"]))
    return {
        "what was returned": Spelled("groups with params and lr"),
        "the parameters of the groups": Spelled(" | ".join(told)),
        "the rates": torch.tensor(rates, dtype=torch.float64),
    }


PARAMETER_GROUPS = Exercise(
    name="parameter_groups",
    chapter="self_supervised",
    title="The deeper, the slower",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
What is near the pictures is more general than what is near the labels, and should move less. `parts` is a list of
`nn.Module`s from the input to the output, at least one; no parameter is in two of them. The last part learns at
`rate`, a float
above 0; each part before it at `decay` times the rate of the part behind it, where `decay` is a float above 0 and at
most 1.

Return a list of dicts as optimizers take them, `{"params": [...], "lr": ...}`: one for each part, in the order of
`parts`, with those of
its parameters that take gradients (`requires_grad`), in any order, and its rate, a float. A part without any such
parameter gets no
dict, and counts as a step of the decay all the same. Change nothing in the parts.
""",
    starter='''
def parameter_groups(parts, rate, decay=1.0):
    """Groups for an optimizer, from the first part to the last."""
    raise NotImplementedError("write parameter_groups")
''',
    reference=parameter_groups,
    observe=watch_groups,
    tolerance=1e-6,
    cases=(
        Case("4 parts, decay 0.5", lambda g: {"parts": network(), "rate": 0.01, "decay": 0.5}),
        Case("the default decay", lambda g: {"parts": network(), "rate": 0.3}),
        Case("the third part is frozen", lambda g: {"parts": network(2), "rate": 1.0, "decay": 0.3}),
        Case(
            "the second part has no weights", lambda g: {"parts": network(empty=1), "rate": 0.1, "decay": 0.8}
        ),
        Case(
            "of the first part only the bias learns",
            lambda g: {"parts": network(half=0), "rate": 0.2, "decay": 0.9},
        ),
        Case("the head is frozen", lambda g: {"parts": network(3), "rate": 0.5, "decay": 0.4}),
        Case("a single part", lambda g: {"parts": network()[:1], "rate": 0.7, "decay": 0.1}),
    ),
    misconceptions=(
        Misconception(
            "The decay runs from the wrong end: the *first* part gets the full rate. The head, which is new, must "
            "learn fastest.",
            slips(plain_parameter_groups, {"behind = len(parts) - 1 - place": "behind = place"}),
        ),
        Misconception(
            "The last part already has a decay. It learns at `rate`.",
            slips(plain_parameter_groups, {"len(parts) - 1 - place": "len(parts) - place"}),
        ),
        Misconception(
            "A part that has nothing to learn does not count as a step of the decay here, and the parts before it "
            "are too fast.",
            (frozen_parts_do_not_count,),
        ),
        Misconception(
            "Parameters that take no gradient are in the groups, too.",
            slips(
                plain_parameter_groups,
                {"[p for p in part.parameters() if p.requires_grad]": "list(part.parameters())"},
            ),
        ),
        Misconception(
            "A part with nothing to learn has a group all the same; leave it out.",
            slips(plain_parameter_groups, {"if params:": "if True:"}),
        ),
        Misconception(
            "The rate falls by the same amount from part to part, not by the same factor.",
            slips(plain_parameter_groups, {"decay**behind": "(1 - (1 - decay) * behind)"}),
        ),
        Misconception(
            "`decay` is used for one step only: all parts but the last have one rate.",
            slips(plain_parameter_groups, {"decay**behind": "decay ** min(behind, 1)"}),
        ),
        Misconception(
            "All parts have one rate: `decay` is not used.",
            (one_rate,),
        ),
        Misconception(
            "The rates grow toward the input: you divide by `decay`.",
            slips(plain_parameter_groups, {"rate * decay**behind": "rate / decay**behind"}),
        ),
    ),
    hints=(
        "How many parts are behind part i? The last one has none.",
        "The rate of a part is `rate` times `decay` to the power of the number of parts behind it.",
        "`params = [p for p in part.parameters() if p.requires_grad]`, and `if params:` the dict with "
        "`rate * decay ** (len(parts) - 1 - i)`.",
    ),
)
