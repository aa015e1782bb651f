"""A budget that is counted wrongly: pictures_seen."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as every_module

from fmlib.exercises.compare import Fact, Spelled, describe
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import Notes
from fmlib.self_supervised.comparison.counting import pictures_seen


def plain_pictures_seen(network, step):
    seen = 0

    def look(module, inputs, output):
        nonlocal seen
        if torch.is_grad_enabled():
            seen += len(inputs[0])

    hook = network.register_forward_hook(look)
    step()
    hook.remove()
    return seen


class Step:
    """Passes through networks, some of them without a gradient; knows how often it was taken and what came out."""

    def __init__(self, *passes):
        self.passes, self.taken, self.given = passes, 0, []

    def __call__(self):
        self.taken += 1
        for network, batch, learning in self.passes:
            with contextlib.nullcontext() if learning else torch.no_grad():
                self.given.append(network(batch))


def network(generator, kind="linear"):
    if kind == "linear":
        return nn.Linear(5, 2)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 2 * 2, 3))


def passes(generator, *sizes, kind="linear", other=(), same=False):
    """A step with a pass for each size, without a gradient where it is negative.

    Those of `other` go through another network. With `same`, all passes get one and the same batch.
    """
    mine, second = network(generator, kind), network(generator, kind)
    shape = (5,) if kind == "linear" else (1, 4, 4)
    batches = [torch.rand(abs(size), *shape, generator=generator) for size in (*sizes, *other)]
    networks = [mine] * len(sizes) + [second] * len(other)
    every = [
        (where, batches[0] if same else batch, size > 0)
        for where, batch, size in zip(networks, batches, (*sizes, *other), strict=True)
    ]
    return {"network": mine, "step": Step(*every)}


def in_evaluation_mode(inputs):
    inputs["network"].eval()
    return inputs


def with_a_hook(inputs):
    inputs["network"].register_forward_hook(lambda module, batch, output: None)
    return inputs


HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def hooks_of(net):
    """The numbers of all hooks that hang on a network or on its parts."""
    return {(i, kind, n) for i, p in enumerate(net.modules()) for kind in HOOKS for n in getattr(p, kind)}


def hooks_of_all():
    """The dictionaries of hooks that hang on all modules there are, with the numbers of the hooks in them."""
    found = [value for name, value in vars(every_module).items() if name.startswith("_global_")]
    return [(value, set(value)) for value in found if isinstance(value, dict)]


def watch_count(function: Callable, inputs: dict[str, Any]) -> Notes:
    """How often the step was taken, the count, what came out of the networks, and whether all is as it was."""
    net, step = inputs["network"], inputs["step"]
    parts = list(net.modules())
    own, everywhere = hooks_of(net), hooks_of_all()
    named, modes = [set(vars(part)) for part in parts], [part.training for part in parts]
    try:
        found = function(net, step)
    finally:
        left = [hooks.pop(number) for hooks, before in everywhere for number in set(hooks) - before]
    extra = sorted(
        {name for part, before in zip(parts, named, strict=True) for name in set(vars(part)) - before}
    )
    strange = [describe(out) for out in step.given if not isinstance(out, Tensor)]
    outputs = [out for out in step.given if isinstance(out, Tensor)]
    return {
        "how often `step` was called": step.taken,
        "what a call of the network returned": Spelled(strange[0] if strange else "a tensor"),
        "the result": found,
        "what the networks returned, added up": sum(
            (out.detach().double().sum() for out in outputs), torch.zeros((), dtype=torch.float64)
        ),
        "for how many outputs a gradient was recorded": sum(out.requires_grad for out in outputs),
        "whether a hook stays on the network": Fact(
            bool(hooks_of(net) - own),
            "what you hung on the network still hangs there, and is called in every later step; remove it",
            "no hook of yours stays on the network",
        ),
        "whether a hook stays on all modules": Fact(
            bool(left),
            "what you hung on all modules still hangs there, and is called in every pass of any network; remove it",
            "no hook of yours stays on all modules",
        ),
        "whether another's hook is gone": Fact(
            bool(own - hooks_of(net)),
            "a hook that hung on the network before is gone; take off your own only",
            "the hooks that hung on the network before still hang there",
        ),
        "whether the network has an attribute more": Fact(
            bool(extra),
            f"{' and '.join(f'`{name}`' for name in extra)} stays on the network as an attribute that it did not have "
            "before; take it off again with `del`",
            "the network has no further attribute",
        ),
        "whether the network is in another mode": Fact(
            [part.training for part in parts] != modes,
            "the network is in another mode than before (`training`); leave that as it is",
            "the network is in the mode that it was in",
        ),
    }


EVERY_PASS = '''
import torch


def pictures_seen(network, step):
    """How many pictures the network learns from in one step: an int."""
    seen = 0

    def look(module, inputs, output):
        nonlocal seen
        seen += len(inputs[0])

    network.register_forward_hook(look)
    step()
    return seen
'''

WITH_A_GRADIENT = "if torch.is_grad_enabled():"
REMOVED = "    hook.remove()\n"
COUNTED = "            seen += len(inputs[0])\n"

PICTURES_SEEN = Exercise(
    name="pictures_seen",
    chapter="self_supervised",
    title="A budget of too many pictures",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
This function is to count the pictures that a network learns from in one step. It was tried on a run that measures itself:
in each step the network learns from 256 pictures, and then embeds 2,000 validation pictures without a gradient, to see
how it is doing. The function says 2,256. And the more often you have counted, the longer a step takes. Find out why, and
mend the function.

`network` is an `nn.Module` that gets a batch as its only argument, by position. `step` is called once, without arguments;
in it the network may be called several times or not at all, and other networks may be, too. Return an `int`: the number
of rows of all batches that went through `network` while gradients were recorded (`torch.is_grad_enabled()`). Afterward
the network is as it was before, with nothing of yours hung on it. You need not handle a `step` that raises.
""",
    starter=EVERY_PASS,
    reference=pictures_seen,
    observe=watch_count,
    cases=(
        Case("one pass of 6", lambda g: passes(g, 6)),
        Case("6 with a gradient, 20 without", lambda g: passes(g, 6, -20)),
        Case("two views of 4 in two passes", lambda g: passes(g, 4, 4)),
        Case("3, then 5 without a gradient, then 2", lambda g: passes(g, 3, -5, 2)),
        Case("another network sees 7 more", lambda g: passes(g, 4, other=(7,))),
        Case("the network is not called", lambda g: passes(g, other=(3,))),
        Case("a network of several layers", lambda g: passes(g, 4, 3, -2, kind="layers")),
        Case("a single picture", lambda g: passes(g, 1)),
        Case("a network in evaluation mode", lambda g: in_evaluation_mode(passes(g, 5))),
        Case("another's hook hangs there already", lambda g: with_a_hook(passes(g, 5, -3))),
        Case("the same batch in two passes", lambda g: passes(g, 3, 3, same=True)),
    ),
    misconceptions=(
        Misconception(
            "Two things are wrong. Pictures that the network looks at without a gradient are counted, though it learns "
            "nothing from them: in the hook, ask `torch.is_grad_enabled()`. And the hook stays on the network after you "
            "have counted: what `register_forward_hook` returns has a `remove()`.",
            (
                written(EVERY_PASS, pictures_seen),
                *slips(plain_pictures_seen, {WITH_A_GRADIENT: "if True:", REMOVED: ""}),
            ),
        ),
        Misconception(
            "Pictures that the network looks at without a gradient are counted, too. It learns nothing from them: in the "
            "hook, ask `torch.is_grad_enabled()`.",
            slips(plain_pictures_seen, {WITH_A_GRADIENT: "if True:"}),
        ),
        Misconception(
            "The hook stays on the network after you have counted, and is called in every later step. What "
            "`register_forward_hook` returns has a `remove()`.",
            slips(plain_pictures_seen, {REMOVED: ""}),
        ),
        Misconception(
            "Your hook returns something, and torch takes that for the network's output, or for its input. A hook that "
            "only looks returns nothing.",
            slips(
                plain_pictures_seen,
                {COUNTED: COUNTED + "        return seen\n"},
                {COUNTED: COUNTED + "            return seen\n"},
                {COUNTED: COUNTED + "            return output.detach()\n"},
                {"_forward_hook(": "_forward_pre_hook(", "inputs, output": "inputs"}
                | {COUNTED: COUNTED + "        return seen\n"},
            ),
        ),
        Misconception(
            "Only the last pass is counted: add up the rows of all passes.",
            slips(plain_pictures_seen, {"seen += len": "seen = len"}),
        ),
        Misconception(
            "You count the passes, not the pictures in them.",
            slips(plain_pictures_seen, {"seen += len(inputs[0])": "seen += 1"}),
        ),
        Misconception(
            "You count the numbers in the batches. A picture is a row, however many pixels it has.",
            slips(plain_pictures_seen, {"len(inputs[0])": "inputs[0].numel()"}),
        ),
        Misconception(
            "`step` is called twice, so that the network learns twice.",
            slips(plain_pictures_seen, {"    step()\n": "    step()\n    step()\n"}),
        ),
        Misconception(
            "`step` is never called, so there is nothing to count.",
            slips(plain_pictures_seen, {"    step()\n": ""}),
        ),
        Misconception(
            "Only the passes *without* a gradient are counted: it is the other way round.",
            slips(plain_pictures_seen, {WITH_A_GRADIENT: "if not torch.is_grad_enabled():"}),
        ),
    ),
    hints=(
        "A forward hook is called in every pass. In which of them does the network learn?",
        "`torch.is_grad_enabled()` is False inside `torch.no_grad()`, also within the hook.",
        "Keep what `register_forward_hook` returns, and call its `remove()` after the step.",
    ),
)
