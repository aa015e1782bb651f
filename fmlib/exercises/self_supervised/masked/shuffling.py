"""Hiding patches and putting them back: split_patches, restore_order."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch
from fmlib.self_supervised.masked.hiding import restore_order, split_patches


def plain_split_patches(noise, keep):
    order = noise.argsort(dim=1)
    visible = order[:, :keep]
    hidden = torch.ones_like(noise, dtype=torch.bool)
    hidden.scatter_(1, visible, False)
    restore = order.argsort(dim=1)
    return visible, hidden, restore


def draws(generator, batch, patches, keep, dtype=torch.float32):
    return {"noise": torch.rand(batch, patches, generator=generator, dtype=dtype), "keep": keep}


def close_draws(generator):
    ranks = torch.stack([torch.randperm(7, generator=generator) for _ in range(2)])
    return {"noise": 0.5 + 1e-12 * ranks.double(), "keep": 3}


SPLIT_PATCHES = Exercise(
    name="split_patches",
    chapter="self_supervised",
    title="Which patches stay",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
`noise` is `[batch, patches]`, a random number for each patch of each picture, no two in a row equal. In
each row the `keep` patches with the lowest noise stay visible (`keep` is from 1 to `patches`). Return three
tensors:

- `visible`, int64 `[batch, keep]`: the numbers of the patches that stay, the one with the lowest noise
  first;
- `hidden`, bool `[batch, patches]`: True where a patch is hidden, in the picture's order;
- `restore`, int64 `[batch, patches]`: sort all patches by their noise; where in that order does each patch
  of the picture stand, counted from 0?

`noise` is of any float dtype.
""",
    starter='''
import torch


def split_patches(noise, keep):
    """Numbers of the visible patches, which are hidden, and the way back."""
    raise NotImplementedError("write split_patches")
''',
    reference=split_patches,
    observe=watch(result=("the visible patches", "which are hidden", "the way back")),
    cases=(
        Case("2 pictures of 6 patches, 2 stay", lambda g: draws(g, 2, 6, 2)),
        Case("3 pictures of 9 patches, 4 stay", lambda g: draws(g, 3, 9, 4)),
        Case("all of 5 patches stay", lambda g: draws(g, 2, 5, 5)),
        Case("1 of 16 patches stays, float64", lambda g: draws(g, 3, 16, 1, torch.float64)),
        Case("a single patch", lambda g: draws(g, 2, 1, 1)),
        Case(
            "49 patches, 12 stay, negative noise",
            lambda g: {"noise": -draws(g, 4, 49, 12)["noise"], "keep": 12},
        ),
        Case("float64, numbers that differ by a trillionth", close_draws),
        Case("float16", lambda g: {"noise": (torch.randperm(8, generator=g)[None] / 8).half(), "keep": 3}),
    ),
    misconceptions=(
        Misconception(
            "`restore` is the order itself. The order says which patch comes first; the way back says "
            "where each patch went: "
            "the inverse of a permutation, which a second `argsort` gives.",
            slips(plain_split_patches, {"restore = order.argsort(dim=1)": "restore = order"}),
        ),
        Misconception(
            "The patches with the *highest* noise stay.",
            slips(
                plain_split_patches,
                {"noise.argsort(dim=1)": "noise.argsort(dim=1, descending=True)"},
                {"order[:, :keep]": "order[:, -keep:].flip(1)"},
            ),
        ),
        Misconception(
            "`hidden` stands in shuffled order: its first `keep` columns are False in every row. It must "
            "be in the picture's "
            "order, so that a loss can be masked by it.",
            slips(
                plain_split_patches,
                {"hidden.scatter_(1, visible, False)": "hidden[:, :keep] = False"},
            ),
        ),
        Misconception(
            "`hidden` is True where a patch is visible: it is the other way round.",
            slips(
                plain_split_patches,
                {"ones_like": "zeros_like", "visible, False": "visible, True"},
            ),
        ),
        Misconception(
            "All pictures hide the same patches: every row of `noise` has an order of its own.",
            slips(
                plain_split_patches,
                {"noise.argsort(dim=1)": "noise[:1].argsort(dim=1).repeat(len(noise), 1)"},
                {"noise.argsort(dim=1)": "noise.mean(0, keepdim=True).argsort(dim=1).repeat(len(noise), 1)"},
            ),
        ),
        Misconception(
            "The visible patches are sorted by their numbers. They come in the order of the noise, lowest"
            " first, or "
            "`restore` does not fit them.",
            slips(
                plain_split_patches,
                {"visible = order[:, :keep]": "visible = order[:, :keep].sort(dim=1).values"},
            ),
        ),
        Misconception(
            "You keep the wrong number: `keep` patches stay, the others are hidden.",
            slips(
                plain_split_patches,
                {"order[:, :keep]": "order[:, keep:]"},
                {"order[:, :keep]": "order[:, : keep + 1]"},
                {"order[:, :keep]": "order[:, : max(1, noise.shape[1] - keep)]"},
            ),
        ),
    ),
    hints=(
        "`noise.argsort(dim=1)` is a random permutation in each row: the number of the patch with the "
        "lowest noise, then of "
        "the next one.",
        "Its first `keep` columns are `visible`. A permutation's own `argsort` is its inverse.",
        "A patch is hidden if its place in the shuffled order is `keep` or later: `restore >= keep`.",
    ),
)


def plain_restore_order(seen, mask_token, restore):
    batch, keep, dim = seen.shape
    blanks = mask_token.expand(batch, restore.shape[1] - keep, dim)
    shuffled = torch.cat([seen, blanks], dim=1)
    return shuffled.gather(1, restore[:, :, None].expand(-1, -1, dim))


def shuffled_patches(generator, batch, patches, keep, dim, dtype=torch.float32):
    noise = torch.rand(batch, patches, generator=generator)
    return {
        "seen": torch.randn(batch, keep, dim, generator=generator, dtype=dtype),
        "mask_token": torch.randn(dim, generator=generator, dtype=dtype),
        "restore": noise.argsort(dim=1).argsort(dim=1),
    }


UNSHUFFLED = '''
import torch


def restore_order(seen, mask_token, restore):
    """What the decoder reads: a vector for each patch of the picture."""
    batch, keep, dim = seen.shape
    blanks = mask_token.expand(batch, restore.shape[1] - keep, dim)
    return torch.cat([seen, blanks], dim=1)
'''


def watch_order(function, inputs):
    """As `watch`; where no patch is hidden, a mask token that is left out counts as one with a gradient of zeros."""
    notes = watch(gradient=("seen", "mask_token"))(function, inputs)
    gradient = "the gradient that reaches `mask_token`"
    if inputs["seen"].shape[1] == inputs["restore"].shape[1] and notes[gradient] is None:
        notes[gradient] = torch.zeros_like(inputs["mask_token"])
    return notes


RESTORE_ORDER = Exercise(
    name="restore_order",
    chapter="self_supervised",
    title="Always the first patches",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
A trained autoencoder is put to use with this function between encoder and decoder. For patches that were seen, its
decoder paints nothing useful, since nobody asks for them; that is as it should be. But whichever patches are seen, it
is now always the *first* ones of the picture that come out so. Find out why, and mend the function.

`seen` is `[batch, keep, dim]`: what the encoder says of the visible patches, in *shuffled* order, the patch
with the lowest noise first. `mask_token` is `[dim]`, and stands for every hidden patch. `restore`, int64
`[batch, patches]`, says for each patch of the picture where in the shuffled order it stands; the visible
ones have the places 0 to `keep - 1`. Return `[batch, patches, dim]`, in the picture's order, in the one
dtype (float32 or float64) that `seen` and `mask_token` have. Gradients flow to both.
""",
    starter=UNSHUFFLED,
    reference=restore_order,
    observe=watch_order,
    cases=(
        Case("2 pictures of 5 patches, 2 seen", lambda g: shuffled_patches(g, 2, 5, 2, 3)),
        Case("3 pictures of 9 patches, 4 seen", lambda g: shuffled_patches(g, 3, 9, 4, 2)),
        Case("all of 6 patches seen", lambda g: shuffled_patches(g, 2, 6, 6, 3)),
        Case("1 of 7 patches seen, float64", lambda g: shuffled_patches(g, 2, 7, 1, 4, torch.float64)),
        Case("one picture, 1 feature", lambda g: shuffled_patches(g, 1, 8, 3, 1)),
    ),
    misconceptions=(
        Misconception(
            "The tokens are still in shuffled order. The decoder then adds the position of patch 0 to "
            "whichever patch had the "
            "lowest noise: it takes what it knows of one patch for another. `restore` says which of them belongs "
            "where: `gather` with it.",
            (written(UNSHUFFLED, restore_order),),
        ),
        Misconception(
            "You apply the permutation where its inverse is needed. Row p of the result is the shuffled "
            "row `restore[p]`: "
            "`gather`, not `scatter`.",
            slips(
                plain_restore_order,
                {"restore[:, :, None].expand": "restore.argsort(dim=1)[:, :, None].expand"},
                {
                    "shuffled.gather(1, restore": "torch.zeros_like(shuffled).scatter(1, restore",
                    "-1, dim))": "-1, dim), shuffled)",
                },
            ),
        ),
        Misconception(
            "The mask tokens stand in front. In the shuffled order the visible patches come first, the "
            "hidden ones after them.",
            slips(plain_restore_order, {"[seen, blanks]": "[blanks, seen]"}),
        ),
        Misconception(
            "Every picture is put in the order of the first one: `restore` has a row for each.",
            slips(
                plain_restore_order,
                {"restore[:, :, None].expand(-1, -1, dim)": "restore[:1, :, None].expand(batch, -1, dim)"},
            ),
        ),
        Misconception(
            "Hidden patches are zeros. They get the mask token, which is learned, and so a gradient must "
            "reach it.",
            slips(
                plain_restore_order,
                {"mask_token.expand(": "torch.zeros_like(mask_token).expand("},
            ),
        ),
        Misconception(
            "No gradient reaches the mask token. It is learned like any weight: use it as it is, without `detach`.",
            slips(plain_restore_order, {"mask_token.expand(": "mask_token.detach().expand("}),
        ),
    ),
    hints=(
        "Which patch of the picture does row 0 of what the decoder gets belong to? Follow the one with "
        "the lowest noise.",
        "The rows are right, only their order is not. `restore[b, p]` is the row that belongs to patch p.",
        "`torch.gather(x, 1, index)` takes for each place p the row `index[:, p]`; the index needs as "
        "many features as `x`.",
    ),
)
