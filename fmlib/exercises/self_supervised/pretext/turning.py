"""Turning pictures: turn_each, and a bug hunt, rotation_batch."""

import torch

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import changing, seed_everything, watch
from fmlib.self_supervised.pretext.rotation import turn_each


def plain_turn_each(images, turns):
    turned = [image.rot90(int(turn), (1, 2)) for image, turn in zip(images, turns, strict=True)]
    return torch.stack(turned)


def pictures_and_turns(generator, turns, channels=1, size=3, dtype=torch.float32):
    images = torch.rand(len(turns), channels, size, size, generator=generator, dtype=dtype)
    return {"images": images, "turns": torch.tensor(turns)}


TURN_EACH = Exercise(
    name="turn_each",
    chapter="self_supervised",
    title="Turn each picture by its own angle",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
`images` are square pictures `[batch, channels, size, size]`, `turns` an int64 tensor `[batch]` from 0 to 3.
Turn each picture by its own number of quarter turns, counterclockwise: after one turn, what was at the right
edge is at the top. No interpolation: every pixel keeps its value and its channel. Return a new tensor of the
same shape and dtype (float32 or float64), which shares no memory with `images`; leave `images` as they are.
""",
    starter='''
import torch


def turn_each(images, turns):
    """Picture i turned by turns[i] quarter turns against the clock."""
    raise NotImplementedError("write turn_each")
''',
    reference=turn_each,
    observe=watch(apart=("images",)),
    cases=(
        Case("2 pictures, turned by 0 and 1", lambda g: pictures_and_turns(g, [0, 1])),
        Case("4 pictures, one in each position", lambda g: pictures_and_turns(g, [3, 0, 2, 1], size=4)),
        Case("3 channels, 6 pictures", lambda g: pictures_and_turns(g, [1, 1, 3, 2, 0, 3], channels=3)),
        Case("3 channels of 3 pixels, 3 pictures", lambda g: pictures_and_turns(g, [1, 2, 3], channels=3)),
        Case("1 picture, turned by 3", lambda g: pictures_and_turns(g, [3], size=5)),
        Case("1 picture, not turned", lambda g: pictures_and_turns(g, [0])),
        Case("pictures of 1 pixel", lambda g: pictures_and_turns(g, [2, 1, 0], size=1)),
        Case("float64", lambda g: pictures_and_turns(g, [2, 1, 3], dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "Your pictures turn with the clock. After one quarter turn against it, the right edge is at "
            "the top: "
            "`torch.rot90` goes this way with a positive number and the axes (height, width).",
            slips(plain_turn_each, {"int(turn)": "-int(turn)"}, {"(1, 2)": "(2, 1)"}),
        ),
        Misconception(
            "All pictures are turned by the same number of quarters. Each has its own, `turns[i]`.",
            slips(
                plain_turn_each,
                {"int(turn)": "int(turns[0])"},
                {"int(turn)": "int(turns[-1])"},
                {"int(turn)": "1"},
            ),
        ),
        Misconception(
            "A picture is mirrored where it should be turned. A quarter turn is a transpose *and* a flip; "
            "a half "
            "turn flips both axes.",
            slips(
                plain_turn_each,
                {
                    "image.rot90(int(turn), (1, 2))": "image.mT if turn % 2 else image.flip(1) if turn else image"
                },
                {
                    "image.rot90(int(turn), (1, 2))": "image.mT if turn % 2 else image.rot90(int(turn), (1, 2))"
                },
                {
                    "image.rot90(int(turn), (1, 2))": "image.flip(1) if turn == 2 else image.rot90(int(turn), (1, 2))"
                },
                {
                    "image.rot90(int(turn), (1, 2))": "image.flip(2) if turn == 2 else image.rot90(int(turn), (1, 2))"
                },
            ),
        ),
        Misconception(
            "The axes that you turn are not height and width, so channels end up among the pixels. Of one "
            "picture "
            "[channels, height, width] they are axes 1 and 2, of a batch 2 and 3.",
            slips(plain_turn_each, {"(1, 2)": "(0, 1)"}, {"(1, 2)": "(0, 2)"}, {", (1, 2)": ""}),
        ),
        Misconception(
            "A picture is turned by the wrong number of quarters: 0 leaves it as it is, 3 is three "
            "quarters against "
            "the clock, or one with it.",
            slips(
                plain_turn_each,
                {"int(turn)": "int(turn) + 1"},
                {"int(turn)": "int(turn) % 2"},
                {"int(turn)": "min(int(turn), 2)"},
                {"int(turn)": "2 * int(turn)"},
            ),
        ),
    ),
    hints=(
        "`torch.rot90(x, k, dims)` turns by `k` quarters in the plane of two axes. Which two, and which way?",
        "Make all four versions of the whole batch and pick from them, or go picture by picture.",
        "`torch.stack([image.rot90(int(k), (1, 2)) for image, k in zip(images, turns)])`.",
    ),
)


def rotation_batch(images, generator):
    """Turned pictures in a random order, and by how many quarters each was turned."""
    batch = len(images)
    turned = torch.cat([images.rot90(turns, (2, 3)) for turns in range(4)])
    labels = torch.arange(4).repeat_interleave(batch)
    order = torch.randperm(4 * batch, generator=generator)
    return turned[order], labels[order]


REPEATED = '''
import torch


def rotation_batch(images, generator):
    """Turned pictures in a random order, and by how many quarters each was turned."""
    batch = len(images)
    turned = torch.cat([images.rot90(turns, (2, 3)) for turns in range(4)])
    labels = torch.arange(4).repeat(batch)
    order = torch.randperm(4 * batch, generator=generator)
    return turned[order], labels[order]
'''


def shuffled_in_blocks(images, generator):
    def block(turns):
        return images[torch.randperm(len(images), generator=generator)].rot90(turns, (2, 3))

    return torch.cat([block(turns) for turns in range(4)]), torch.arange(4).repeat_interleave(len(images))


def shuffled_in_fours(images, generator):
    labels = torch.cat([torch.randperm(4, generator=generator) for _ in images])
    pairs = zip(images.repeat_interleave(4, dim=0), labels, strict=True)
    return torch.stack([image.rot90(int(turns), (1, 2)) for image, turns in pairs]), labels


def shuffled_pictures(images, generator):
    order = torch.randperm(len(images), generator=generator)
    turned = torch.stack([images[order].rot90(turns, (2, 3)) for turns in range(4)], dim=1)
    return turned.flatten(0, 1), torch.arange(4).repeat(len(images))


def numbered(generator, batch, size=3, dtype=torch.float32):
    return {
        "images": torch.rand(batch, 1, size, size, generator=generator, dtype=dtype),
        "generator": generator,
    }


@changing("generator")
def labeled_pictures(function, inputs):
    """The pairs of picture and label, in an order that does not depend on the draw; and how the order was drawn."""
    images, generator = inputs.values()
    start = generator.get_state()
    result = function(images, generator)
    if not isinstance(result, tuple | list) or len(result) != 2:
        return {"how many parts you return": len(result) if isinstance(result, tuple | list) else 1}
    turned, labels = result
    if not all(isinstance(part, torch.Tensor) for part in (turned, labels)):
        return {"whether pictures and labels are tensors": False}
    notes = {"shape of the pictures": tuple(turned.shape), "shape of the labels": tuple(labels.shape)}
    if notes["shape of the pictures"][1:] != tuple(images.shape[1:]) or labels.shape != turned.shape[:1]:
        return notes
    notes["the labels' dtype"], notes["the pictures' dtype"] = str(labels.dtype), str(turned.dtype)
    upright = [
        image.rot90(-int(label), (1, 2))
        for image, label in zip(turned, labels, strict=True)
        if 0 <= label < 4
    ]
    known = [torch.equal(a, b) for a in upright for b in images]
    notes["pictures that stand upright when turned back by their label"] = sum(known)
    notes["how often each label comes"] = labels.long().clamp(0, 4).bincount(minlength=5).tolist()
    pairs = {(round(float(a.double().sum()), 5), int(label)) for a, label in zip(turned, labels, strict=True)}
    notes["how many different pictures there are with each label"] = len(pairs)
    if len(images) > 4 and len(upright) == len(turned) == 4 * len(
        images
    ):  # with fewer, chance alone may sort them
        which = torch.tensor([[torch.equal(a, b) for b in images] for a in upright]).int().argmax(dim=1)
        notes["whether pictures and positions are mixed"] = Fact(
            not _in_groups(labels.long(), 4, len(images)) and not _in_groups(which, len(images), len(images)),
            "pictures and positions come in one random order",
            "pictures or positions still come in groups, not in one random order of all rows",
        )
        later = function(images.clone(), generator)
        generator.manual_seed(1 + generator.initial_seed())
        other = function(images.clone(), generator)
        notes["whether the order goes on with the generator"] = Fact(
            not any(torch.equal(batch[0], turned) for batch in (later, other)),
            "the next batch, and that of another seed, come in another order",
            "the next batch, or that of another seed, came in the same order",
        )
    generator.set_state(start)
    seed_everything(1 + torch.initial_seed())
    again = function(images.clone(), generator)
    notes["whether a run from the same seed gives the same batch"] = torch.equal(again[0], turned)
    return notes


def _in_groups(numbers, kinds, batch):
    """Whether equal numbers lie side by side, or each comes once in every stretch: what half a shuffle leaves."""

    def alike(size):
        blocks = numbers.view(-1, size)
        return bool((blocks == blocks[:, :1]).all())

    in_turn = bool((numbers.view(-1, kinds).sort(dim=1).values == torch.arange(kinds)).all())
    return in_turn or alike(4) or alike(batch) or bool((numbers.diff() >= 0).all())


ROTATION_BATCH = Exercise(
    name="rotation_batch",
    chapter="self_supervised",
    title="A network that cannot tell up from down",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
This function prepares a batch for rotation prediction: all pictures in all four positions, in a random order,
with the number of quarter turns (counterclockwise) of each as its label. A network that is trained on it ends
close to a loss of $\\log 4$, with a quarter of the turns right. The turning is right, and so is the shuffling.
Find out what is wrong, and mend it. `images` are `[batch, 1, size, size]`, float32 or float64; return the
pictures `[4·batch, 1, size, size]` of the same dtype, each in each position once, and int64 labels `[4·batch]`.
The order comes from `generator` and from nothing else.
""",
    starter=REPEATED,
    reference=rotation_batch,
    observe=labeled_pictures,
    cases=(
        Case("3 pictures", lambda g: numbered(g, 3)),
        Case("5 pictures of 4 pixels", lambda g: numbered(g, 5, 4)),
        Case("8 pictures", lambda g: numbered(g, 8)),
        Case("1 picture", lambda g: numbered(g, 1)),
        Case("float64", lambda g: numbered(g, 4, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The labels count 0, 1, 2, 3, 0, 1, ... while the pictures come in blocks: first all upright, "
            "then all turned "
            "once. A label then says nothing about its picture. `repeat_interleave` makes blocks, "
            "`repeat` does not.",
            (
                written(REPEATED, rotation_batch),
                *slips(
                    rotation_batch,
                    {"torch.arange(4).repeat_interleave(batch)": "torch.arange(4 * batch) % 4"},
                ),
            ),
        ),
        Misconception(
            "Pictures and labels are shuffled apart: a label no longer belongs to its picture. One order "
            "must serve both.",
            slips(
                rotation_batch,
                {"labels[order]": "labels[torch.randperm(4 * batch, generator=generator)]"},
                {"labels[order]": "labels"},
                {"turned[order]": "turned"},
                {"labels[order]": "labels[order.flip(0)]"},
            ),
        ),
        Misconception(
            "The batch is not shuffled as a whole. The order was not what was wrong: keep one random order of all "
            "rows, the same for pictures and labels.",
            (
                *slips(rotation_batch, {"return turned[order], labels[order]": "return turned, labels"}),
                shuffled_in_blocks,
                shuffled_in_fours,
                shuffled_pictures,
            ),
        ),
        Misconception(
            "The labels run the other way: 1 must mean a quarter turn counterclockwise, as the pictures "
            "are turned.",
            slips(
                rotation_batch,
                {"torch.arange(4)": "(-torch.arange(4) % 4)"},
                {"images.rot90(turns, (2, 3))": "images.rot90(turns, (3, 2))"},
            ),
        ),
        Misconception(
            "The order does not come from `generator` alone, so the run cannot be repeated from its seed.",
            slips(rotation_batch, {", generator=generator": ""}),
        ),
        Misconception(
            "Every batch has the same order. Draw from `generator` as it comes in: it goes on from batch to batch, and "
            "begins with the run's seed.",
            slips(
                rotation_batch,
                {"generator=generator)": "generator=torch.Generator().manual_seed(0))"},
                {"generator=generator)": "generator=generator.manual_seed(0))"},
                {"generator=generator)": "generator=generator.manual_seed(generator.initial_seed()))"},
            ),
        ),
    ),
    hints=(
        "Leave the shuffling out and print the labels beside the pictures, for a batch of three.",
        "In `turned`, row 0 is picture 0 upright. What is row 1: picture 0 turned once, or picture 1 "
        "upright?",
        "Blocks of equal labels: `torch.arange(4).repeat_interleave(batch)`.",
    ),
)
