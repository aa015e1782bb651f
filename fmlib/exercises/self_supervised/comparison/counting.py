"""A budget that is counted wrongly: pictures_seen."""

import torch
from torch import nn

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
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
            with torch.set_grad_enabled(learning):
                self.given.append(network(batch).detach())


def network(generator, kind="linear"):
    if kind == "linear":
        return nn.Linear(5, 2)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 2 * 2, 3))


def passes(generator, *sizes, kind="linear", other=()):
    """A step with a pass for each size, without a gradient where it is negative; `other` ones go through another "
    "network."""
    mine, second = network(generator, kind), network(generator, kind)
    shape = (5,) if kind == "linear" else (1, 4, 4)

    def batch(size):
        return torch.rand(abs(size), *shape, generator=generator)

    every = [(mine, batch(size), size > 0) for size in sizes] + [
        (second, batch(size), True) for size in other
    ]
    return {"network": mine, "step": Step(*every)}


def watch_count(function, inputs):
    """The count, how often the step was taken, and whether the network is as it was."""
    net, step = inputs["network"], inputs["step"]
    found = function(net, step)
    hooks = sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in net.modules())
    return {
        "the result": found,
        "how often `step` was called": step.taken,
        "what the networks gave, added up": torch.stack([out.double().sum() for out in step.given]).sum(),
        "whether the network is left as it was": Fact(
            hooks > 0 or "forward" in vars(net),
            "what you hung on the network still hangs there, and is called in every later step; remove it",
            "the network is as it was",
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

PICTURES_SEEN = Exercise(
    name="pictures_seen",
    chapter="self_supervised",
    title="A budget of too many pictures",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
This function is to count the pictures that a network learns from in one step. It was tried on a run that measures itself:
in each step the network learns from 256 pictures, and then embeds 2,000 validation pictures without a gradient, to
see how
it is doing. The function says 2,256. And the more often you have counted, the longer a step takes. Find out why, and mend
the function.

`network` is an `nn.Module` that gets a batch as its only argument, by position. `step` is called once, without
arguments; in
it the network may be called several times or not at all, and other networks may be, too. Return an `int`: the number
of rows
of all batches that went through `network` while gradients were recorded (`torch.is_grad_enabled()`). Afterward the
network
is as it was before, with nothing hung on it. You need not handle a `step` that raises.
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
    ),
    misconceptions=(
        Misconception(
            "Pictures that the network looks at without a gradient are counted, too. It learns nothing from them: ask "
            "`torch.is_grad_enabled()` in the hook.",
            (
                *slips(
                    plain_pictures_seen,
                    {"if torch.is_grad_enabled():": "if True:"},
                    {"if torch.is_grad_enabled():": "if True:", "    hook.remove()\n": ""},
                ),
                written(EVERY_PASS, pictures_seen),
            ),
        ),
        Misconception(
            "The hook stays on the network after you have counted, and is called in every later step. What "
            "`register_forward_hook` returns has a `remove()`.",
            slips(plain_pictures_seen, {"    hook.remove()\n": ""}),
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
            "Only the passes *without* a gradient are counted: it is the other way round.",
            slips(plain_pictures_seen, {"if torch.is_grad_enabled():": "if not torch.is_grad_enabled():"}),
        ),
    ),
    hints=(
        "A forward hook is called in every pass. In which of them does the network learn?",
        "`torch.is_grad_enabled()` is False inside `torch.no_grad()`, also within the hook.",
        "Keep what `register_forward_hook` returns, and call its `remove()` after the step.",
    ),
)
