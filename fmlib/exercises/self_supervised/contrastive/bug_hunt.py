"""A bug hunt by symptom: contrastive_step."""

import random
import time
from numbers import Real

import torch
from torch import Tensor, nn

from fmlib.exercises.compare import Fact, describe
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import Notes, changing, seed_everything
from fmlib.self_supervised.contrastive.simclr import SimCLR, SimCLRConfig, nt_xent


def contrastive_step(model, pictures, augment, generator):
    """The loss of one step: two views of every picture, drawn one after the other, must find each other."""
    view1 = augment(pictures, generator)
    view2 = augment(pictures, generator)
    return model.loss(view1, view2)


def step_by_the_clock(model, pictures, augment, generator):
    drawn = torch.Generator().manual_seed(time.time_ns() % 2**31)
    return model.loss(augment(pictures, drawn), augment(pictures, drawn))


def step_by_python(model, pictures, augment, generator):
    drawn = torch.Generator().manual_seed(random.randrange(2**31))
    return model.loss(augment(pictures, drawn), augment(pictures, drawn))


def step_that_reseeds(model, pictures, augment, generator):
    generator.seed()
    return contrastive_step(model, pictures, augment, generator)


def half_detached_step(model, pictures, augment, generator):
    z1, z2 = model(augment(pictures, generator), augment(pictures, generator))
    return nt_xent(z1, z2.detach(), model.config.temperature)


class Augment:
    """Channel 0 is the picture's number and stays, channel 1 counts how often it was augmented, channel 2 gets noise."""

    def __init__(self) -> None:
        self.unseeded = False

    def __call__(self, pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.unseeded |= generator is None
        noise = torch.randn(len(pictures), 1, 2, 2, generator=generator)
        return torch.cat([pictures[:, :1], pictures[:, 1:2] + 1, pictures[:, 2:] + noise], dim=1)


class Eye(nn.Module):
    """An encoder that remembers what it has seen."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.feature_dim = 6
        self.weight = nn.Parameter(torch.randn(12, 6, generator=generator))
        self.seen: list[Tensor] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.seen.append(pictures.detach())
        return (pictures.flatten(1) @ self.weight).tanh()


def step_inputs(generator, batch):
    model = SimCLR(
        Eye(generator), config=SimCLRConfig(hidden_dim=6, output_dim=4, temperature=0.2, norm=False)
    )
    for value in model.head.state_dict().values():
        value.copy_(torch.randn(value.shape, generator=generator))
    pictures = torch.zeros(batch, 3, 2, 2)
    pictures[:, 0] = torch.arange(batch)[:, None, None] / batch
    return {"model": model, "pictures": pictures, "augment": Augment(), "generator": generator}


@changing("generator")
def watch_step(function, inputs) -> Notes:
    """Which views the model saw in two steps, and whether the loss is theirs; in whatever order they were drawn."""
    model, pictures, augment, generator = inputs.values()
    start = generator.get_state()
    loss = function(*inputs.values())
    seen = torch.cat(model.encoder.seen) if model.encoder.seen else pictures[:0]
    if len(seen) != 2 * len(pictures):
        return {"how many views the model saw": len(seen)}
    view1, view2 = seen.chunk(2)
    got = torch.autograd.grad(loss, model.encoder.weight)[0] if _is_tied(loss) else None
    right = torch.autograd.grad(model.loss(view1, view2), model.encoder.weight)[0]
    later = _seen(function, model, pictures, augment, generator)
    generator.set_state(start)
    seed_everything(1 + torch.initial_seed())  # the run again, where all other random numbers are others
    repeated = [seen, later]
    again = [_seen(function, model, pictures, augment, generator) for _ in repeated]
    number = loss.item() if _is_scalar(loss) else loss
    right_number = model.loss(view1, view2).item()
    noise1, noise2 = view1[:, 2], view2[:, 2]
    return {
        "how many views the model saw": len(seen),
        "how often the views were augmented": ", ".join(
            sorted({f"{times:g}" for times in seen[:, 1].unique().tolist()})
        ),
        "whether row i of both views is the same picture": torch.equal(view1[:, 0], view2[:, 0]),
        "whether the two views of a picture differ": bool((noise1 != noise2).flatten(1).any(1).all()),
        "whether the next step has other views": not any(
            torch.equal(a, b) for a in (view1, view2) for b in later.chunk(2)
        ),
        "whether the same run has the same views again": Fact(
            not augment.unseeded and all(map(torch.equal, repeated, again)),
            "a run from the same seed has the same views again",
            "two runs from generators of one seed had different views",
        ),
        "whether the loss is a scalar tensor": Fact(
            _is_scalar(loss),
            "what you return is a scalar tensor",
            f"you return {describe(loss)}, not a scalar tensor through which gradients flow",
        ),
        "whether the loss is NT-Xent of the two views": isinstance(number, Real)
        and abs(number - right_number) <= 1e-4 * abs(right_number),
        "whether the gradient reaches both views' embeddings": got is not None
        and torch.allclose(got, right, rtol=1e-3, atol=1e-5),
    }


def _seen(function, model, pictures, augment, generator) -> Tensor:
    """What the model sees in one step."""
    model.encoder.seen.clear()
    function(model, pictures, augment, generator)
    return torch.cat(model.encoder.seen)


def _is_scalar(loss) -> bool:
    return isinstance(loss, Tensor) and loss.ndim == 0 and loss.layout == torch.strided


def _is_tied(loss) -> bool:
    return _is_scalar(loss) and loss.requires_grad


SAME_SEED_STEP = '''
import torch


def contrastive_step(model, pictures, augment, generator):
    """The loss of one step of SimCLR: two views of every picture must find each other."""
    seed = generator.initial_seed()  # the same views whenever the run is repeated
    view1 = augment(pictures, torch.Generator().manual_seed(seed))
    view2 = augment(pictures, torch.Generator().manual_seed(seed))
    return model.loss(view1, view2)
'''

CONTRASTIVE_STEP = Exercise(
    name="contrastive_step",
    chapter="self_supervised",
    title="A loss that falls too well",
    kind="fix",
    difficulty=3,
    minutes=15,
    goal="""
This training step runs without an error. From the first step on its loss is far lower than in the
lesson's run, and soon close to the lowest value that NT-Xent can take. Yet a probe finds its features
no better than an untrained network's. Find out why, and mend the function. `model` is a `SimCLR`,
`pictures` a batch, `augment(pictures, generator)` gives one random view of each picture, and
`generator` is the run's source of random numbers: two runs from one seed must stay the same, two steps
of a run must not.
""",
    starter=SAME_SEED_STEP,
    reference=contrastive_step,
    observe=watch_step,
    cases=(
        Case("4 pictures", lambda g: step_inputs(g, 4)),
        Case("2 pictures", lambda g: step_inputs(g, 2)),
        Case("7 pictures", lambda g: step_inputs(g, 7)),
    ),
    misconceptions=(
        Misconception(
            "Both views of a picture are the same. Equal inputs have equal embeddings, so the "
            "positive has similarity 1 whatever the encoder does: nothing about pictures needs to "
            "be learned. Every view needs random numbers of its own.",
            (
                *slips(
                    contrastive_step,
                    {"view2 = augment(pictures, generator)": "view2 = view1"},
                    {
                        "view2 =": "generator.manual_seed(generator.initial_seed())\n    view2 =",
                        "view1 =": "generator.manual_seed(generator.initial_seed())\n    view1 =",
                    },
                ),
                written(SAME_SEED_STEP, contrastive_step),
            ),
        ),
        Misconception(
            "The two views differ now, but at least one of them is the same at every step: its random numbers "
            "start anew from the seed each time. Draw both from `generator`, which goes on from step "
            "to step and still repeats when the run is repeated.",
            slips(
                contrastive_step,
                {
                    "view1 = augment(pictures, generator)": "view1 = augment(pictures, generator.manual_seed(0))",
                    "view2 = augment(pictures, generator)": "view2 = augment(pictures, generator.manual_seed(1))",
                },
                {"view1 =": "generator.manual_seed(0)\n    view1 ="},
                {
                    "view2 = augment(pictures, generator)": "view2 = augment(pictures, "
                    "torch.Generator().manual_seed(generator.initial_seed()))",
                },
            ),
        ),
        Misconception(
            "The views differ, but come from numbers that the run's seed does not reach: without "
            "`generator` as it comes in, the same run cannot be repeated.",
            (
                *slips(
                    contrastive_step,
                    {
                        "view1 = augment(pictures, generator)": "view1 = augment(pictures)",
                        "view2 = augment(pictures, generator)": "view2 = augment(pictures)",
                    },
                    {"view2 = augment(pictures, generator)": "view2 = augment(pictures)"},
                ),
                step_by_the_clock,
                step_by_python,
                step_that_reseeds,
            ),
        ),
        Misconception(
            "One view is the picture as it is, or a view of a view. Both views are augmented "
            "once, each from the picture: then neither side of a pair is easier than the other.",
            slips(
                contrastive_step,
                {"view1 = augment(pictures, generator)": "view1 = pictures"},
                {"view2 = augment(pictures, generator)": "view2 = augment(view1, generator)"},
                {"loss(view1, view2)": "loss(pictures, pictures)"},
            ),
        ),
        Misconception(
            "The views belong to different pictures: row i of both must come from picture i. The "
            "views are mixed up in order.",
            slips(
                contrastive_step,
                {"loss(view1, view2)": "loss(view1, view2.flip(0))"},
                {"loss(view1, view2)": "loss(view1, view2.roll(1, 0))"},
            ),
        ),
        Misconception(
            "The gradient reaches only part of the embeddings, or none. SimCLR has no "
            "stop-gradient: the loss is `model.loss` of both views, as it is.",
            (
                half_detached_step,
                *slips(
                    contrastive_step,
                    {"loss(view1, view2)": "loss(view1, view2).detach()"},
                    {"loss(view1, view2)": "loss(view1, view2).item()"},
                ),
            ),
        ),
        Misconception(
            "The views are right, the loss is not NT-Xent at the model's temperature: use "
            "`model.loss(view1, view2)`.",
            slips(
                contrastive_step,
                {"model.loss(view1, view2)": "nt_xent(*model(view1, view2))"},
                {"model.loss(view1, view2)": "model.loss(view1, view2) / len(pictures)"},
            ),
        ),
    ),
    hints=(
        "Look at what goes into the loss: draw `view1` and `view2` of one picture side by "
        "side, in two steps.",
        "Two generators with one seed give the same numbers. What is then left for the encoder to learn?",
        "`generator` is seeded once, for the whole run. Draw both views from it, one after the other.",
    ),
)
