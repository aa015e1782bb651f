"""Two bug hunts by symptom: byol_step and follow."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import Notes, changing
from fmlib.self_supervised.without_negatives.byol import BYOL, BYOLConfig
from fmlib.training.ema import momentum_update


def byol_step(online, predictor, target, view1, view2):
    """The loss of one step of BYOL, in both directions: a scalar."""
    predictions = F.normalize(predictor(online(torch.cat([view1, view2]))), dim=1)
    targets = F.normalize(target(torch.cat([view2, view1])).detach(), dim=1)
    return (2 - 2 * (predictions * targets).sum(dim=1)).mean()


def step_without_any_gradient(online, predictor, target, view1, view2):
    with torch.no_grad():
        return byol_step(online, predictor, target, view1, view2)


def step_that_goes_backward(online, predictor, target, view1, view2):
    loss = byol_step(online, predictor, target, view1, view2)
    loss.backward()
    return loss.detach()


def networks(generator, batch, dtype=torch.float32, scale=1.0):
    """An online network, a predictor, and a target whose weights somebody left open to gradients."""

    def linear(size):
        layer = nn.Linear(size, 3, dtype=dtype)
        for p in layer.parameters():
            p.data.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64))
        return layer

    view1 = torch.randn(batch, 5, generator=generator, dtype=dtype) * scale
    view2 = view1 + 0.5 * torch.randn(batch, 5, generator=generator, dtype=dtype)
    parts = {"online": linear(5), "predictor": linear(3), "target": linear(5)}
    return {**parts, "view1": view1, "view2": view2}


def watch_gradients(function, inputs) -> Notes:
    """The loss, and where its gradient goes."""
    loss = function(*inputs.values())
    parts = [inputs[name] for name in ("online", "predictor", "target")]
    early = any(p.grad is not None for part in parts for p in part.parameters())
    if isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad:
        loss.backward()
    reached = {
        name: [p.grad for p in inputs[name].parameters() if p.grad is not None]
        for name in ("online", "predictor", "target")
    }
    return {
        "the loss": loss,
        "whether the function goes backward itself": Fact(
            early,
            "your function itself calls `backward`; return the loss, and whoever trains goes backward from it",
            "the function does not call `backward`",
        ),
        "whether a gradient reaches `target`": Fact(
            any(bool((g != 0).any()) for g in reached["target"]),
            "a gradient reaches the weights of `target`; none may",
            "no gradient reaches the weights of `target`",
        ),
        **{
            f"the gradient that reaches `{name}`": torch.cat([g.flatten() for g in reached[name]])
            if reached[name]
            else None
            for name in ("online", "predictor")
        },
    }


OPEN_STEP = '''
import torch
import torch.nn.functional as F


def byol_step(online, predictor, target, view1, view2):
    """The loss of one step of BYOL, in both directions: a scalar."""
    predictions = F.normalize(predictor(online(torch.cat([view1, view2]))), dim=1)
    targets = F.normalize(target(torch.cat([view2, view1])), dim=1)
    return (2 - 2 * (predictions * targets).sum(dim=1)).mean()
'''

BYOL_STEP = Exercise(
    name="byol_step",
    chapter="self_supervised",
    title="A loss that falls too fast",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
This step of BYOL runs without an error, but its loss soon falls far below that of the whole BYOL. Find out why, and mend the
function. `online`, `predictor` and `target` are `nn.Module`s, and whether their weights take gradients
(`requires_grad`) must stay as it is; `view1` and `view2` are batches of one shape, row i of both from picture i.

A prediction is made from each view and must match what the target makes of the *other* view: return the mean of
`2 - 2 * cosine` over all predictions of both directions, a scalar tensor of the dtype of `view1`. Its gradient reaches the
weights of `online` and `predictor`, and nothing else.
""",
    starter=OPEN_STEP,
    reference=byol_step,
    observe=watch_gradients,
    cases=(
        Case("3 pictures", lambda g: networks(g, 3)),
        Case("1 picture", lambda g: networks(g, 1)),
        Case("bright pictures", lambda g: networks(g, 4, scale=20.0)),
        Case("float64", lambda g: networks(g, 5, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "A gradient reaches the target's weights, so the optimizer moves them, too: the target comes to meet the "
            "prediction, and the shortest way is that both say the same of every picture. Cut the gradient, with "
            "`.detach()` or under `torch.no_grad()`.",
            (
                written(OPEN_STEP, byol_step),
                *slips(byol_step, {".detach()": " + 0"}),
            ),
        ),
        Misconception(
            "Now no gradient is left, and nothing learns: only the *targets* are without one.",
            (
                step_without_any_gradient,
                *slips(
                    byol_step,
                    {"F.normalize(predictor(": "F.normalize(predictor.requires_grad_(True)("}
                    | {
                        "return (2 - 2 * (predictions * targets)": "return (2 - 2 * (predictions.detach() * targets)"
                    },
                    {"dim=1)).mean()": "dim=1)).mean().detach()"},
                ),
            ),
        ),
        Misconception(
            "The gradient is cut between the online network and the predictor: the predictor learns, and what it "
            "is for does "
            "not.",
            slips(
                byol_step,
                {
                    "predictor(online(torch.cat([view1, view2])))": "predictor(online(torch.cat([view1, view2])).detach())"
                },
            ),
        ),
        Misconception(
            "Each prediction is compared with the target of the *same* view. That asks only to copy the target, and nothing "
            "about what two views share: the order of the views must be swapped on one side.",
            slips(byol_step, {"[view2, view1]": "[view1, view2]"}),
        ),
        Misconception(
            "Only one direction is left: one view predicts, the other is predicted. BYOL takes both.",
            slips(
                byol_step,
                {"[view1, view2]": "[view1]", "[view2, view1]": "[view2]"},
                {"[view1, view2]": "[view2]", "[view2, view1]": "[view1]"},
            ),
        ),
        Misconception(
            "The predictor is used on the target's side, too. Only the online side predicts; that is the asymmetry.",
            slips(
                byol_step,
                {
                    "target(torch.cat([view2, view1])).detach()": "predictor(target(torch.cat([view2, view1]))).detach()"
                },
            ),
        ),
        Misconception(
            "The targets come from the online network. That is another method; here `target` makes them.",
            slips(byol_step, {"target(torch.cat([view2, view1]))": "online(torch.cat([view2, view1]))"}),
        ),
        Misconception(
            "Predictions and targets must have length 1 before they are compared, else the loss can be lowered by making "
            "them shorter or longer.",
            slips(
                byol_step,
                {"F.normalize(predictor(": "(predictor(", ", dim=1)\n    targets": ")\n    targets"},
                {"F.normalize(target(": "(target(", ".detach(), dim=1)": ".detach())"},
                {
                    "F.normalize(predictor(": "(predictor(",
                    ", dim=1)\n    targets": ")\n    targets",
                    "F.normalize(target(": "(target(",
                    ".detach(), dim=1)": ".detach())",
                },
            ),
        ),
        Misconception(
            "The two directions are added up. Here the loss is the mean over all predictions.",
            slips(byol_step, {"dim=1)).mean()": "dim=1)).mean() * 2"}),
        ),
        Misconception(
            "All predictions are added up, so the loss grows with the batch. Take their mean.",
            slips(byol_step, {"dim=1)).mean()": "dim=1)).sum()"}),
        ),
        Misconception(
            "The predictor is left out. Without it both sides are alike, but for the slow copy.",
            slips(
                byol_step,
                {"predictor(online(torch.cat([view1, view2])))": "online(torch.cat([view1, view2]))"},
            ),
        ),
        Misconception(
            "The function goes backward by itself. Return the loss with its graph; whoever trains goes backward from it.",
            (step_that_goes_backward,),
        ),
    ),
    hints=(
        "Which weights have a `.grad` after `loss.backward()`? Which of them should?",
        "The target learns by following the online network slowly, never by a gradient.",
        "`target(...).detach()`, or compute it under `with torch.no_grad():`.",
    ),
)


def follow(model, momentum):
    """After an optimizer step: the target networks of BYOL follow the online ones slowly."""
    momentum_update(model.target_encoder, model.encoder, momentum)
    momentum_update(model.target_projector, model.projector, momentum)


@torch.no_grad()
def follow_without_buffers(model, momentum):
    for slow, quick in ((model.target_encoder, model.encoder), (model.target_projector, model.projector)):
        for a, b in zip(slow.parameters(), quick.parameters(), strict=True):
            a.lerp_(b, 1 - momentum)


def apart(generator, momentum):
    """A BYOL whose networks have different weights, as after some steps."""
    encoder = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    model = BYOL(encoder, 3, BYOLConfig(hidden_dim=3, output_dim=2))
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator))
    return {"model": model, "momentum": momentum}


@changing("model")
def watch_networks(function, inputs) -> Notes:
    """What became of all five networks, and of the count of steps."""
    model = inputs["model"]
    function(*inputs.values())
    parts = {
        f"the {kind} of `model.{name}`": torch.cat([t.detach().double().flatten() for t in tensors])
        for name in ("encoder", "projector", "predictor", "target_encoder", "target_projector")
        for part in (getattr(model, name),)
        for kind, tensors in (("weights", list(part.parameters())), ("buffers", list(part.buffers())))
        if tensors
    }
    return {**parts, "the count of steps, `model.done`": model.done.clone()}


BACKWARD_FOLLOW = '''
from fmlib.training.ema import momentum_update


def follow(model, momentum):
    """After an optimizer step: the target networks of BYOL follow the online ones slowly."""
    momentum_update(model.encoder, model.target_encoder, momentum)
    momentum_update(model.projector, model.target_projector, momentum)
'''

FOLLOW = Exercise(
    name="follow",
    chapter="self_supervised",
    title="A network that is held back",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
This function is called after each step of BYOL, and runs without an error. But at the end of a run the target has the
weights that it had at the start; and if you call the function after a run once more, without a further step, the *online*
network's predictions change. Find out why, and mend
the function: both target networks move a small step toward their online networks and keep the share `momentum` of their own
weights; buffers, as batch norm has them, are copied. Nothing else changes.
`model` is the lesson's `BYOL`; its networks are `encoder`, `projector`,
`predictor`, `target_encoder` and `target_projector`. `momentum_update` is the library's, see `help(momentum_update)`.
What is returned does not count.
""",
    starter=BACKWARD_FOLLOW,
    reference=follow,
    observe=watch_networks,
    cases=(
        Case("momentum 0.9", lambda g: apart(g, 0.9)),
        Case("momentum 0.25", lambda g: apart(g, 0.25)),
        Case("momentum 0: a copy", lambda g: apart(g, 0.0)),
        Case("momentum 1: at rest", lambda g: apart(g, 1.0)),
    ),
    misconceptions=(
        Misconception(
            "The wrong network moves: an online network is pulled toward its target, which itself stays. Each step undoes "
            "a part of what the optimizer has learned. The first argument of `momentum_update` is the slow network, "
            "which is changed.",
            (
                written(BACKWARD_FOLLOW, follow),
                *slips(
                    follow,
                    {"(model.target_encoder, model.encoder": "(model.encoder, model.target_encoder"},
                    {"(model.target_projector, model.projector": "(model.projector, model.target_projector"},
                ),
            ),
        ),
        Misconception(
            "The shares are exchanged: with a momentum near 1 the target keeps nearly all of itself. Yours "
            "nearly jumps to the "
            "online network.",
            slips(
                follow,
                {
                    "model.encoder, momentum": "model.encoder, 1 - momentum",
                    "model.projector, momentum": "model.projector, 1 - momentum",
                },
            ),
        ),
        Misconception(
            "The projector is forgotten: the slow encoder's features then go through a projector that was made for others.",
            slips(follow, {"momentum_update(model.target_projector, model.projector, momentum)": "pass"}),
        ),
        Misconception(
            "The encoder is forgotten: its target stays what it was at the start.",
            slips(follow, {"momentum_update(model.target_encoder, model.encoder, momentum)": "pass"}),
        ),
        Misconception(
            "The target is a copy of the online network after every step: `momentum` is not used.",
            slips(
                follow,
                {
                    "model.encoder, momentum": "model.encoder, 0.0",
                    "model.projector, momentum": "model.projector, 0.0",
                },
            ),
        ),
        Misconception(
            "Only the weights move. Batch norm's running statistics are buffers, and the target needs those, too: they are "
            "copied.",
            (follow_without_buffers,),
        ),
        Misconception(
            "The target never moves.",
            (
                lambda model, momentum: None,
                *slips(
                    follow,
                    {
                        "model.encoder, momentum": "model.encoder, 1.0",
                        "model.projector, momentum": "model.projector, 1.0",
                    },
                ),
            ),
        ),
    ),
    hints=(
        '`_.inputs["model"]` after a check is a model whose networks differ. Print a weight of its `encoder` and one of its '
        "`target_encoder` before and after the call. Which one changes?",
        "`help(momentum_update)` says which of its arguments is changed in place.",
        "`momentum_update(model.target_encoder, model.encoder, momentum)`, and the same for the projectors.",
    ),
)
