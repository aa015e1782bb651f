"""Judging and showing what was painted: mae_loss, undo_normalization."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch
from fmlib.self_supervised.masked.targets import mae_loss, undo_normalization


def plain_mae_loss(painted, target, hidden):
    error = (painted - target).square().mean(dim=2)
    return error[hidden].mean()


def paintings(generator, batch, patches, dim, share, dtype=torch.float32):
    hidden = torch.rand(batch, patches, generator=generator) < share
    hidden[0, 0], hidden[-1, -1] = True, False
    return {
        "painted": torch.randn(batch, patches, dim, generator=generator, dtype=dtype),
        "target": torch.rand(batch, patches, dim, generator=generator, dtype=dtype),
        "hidden": hidden,
    }


def all_hidden(generator):
    inputs = paintings(generator, 2, 4, 3, 0.5)
    return {**inputs, "hidden": torch.ones(2, 4, dtype=torch.bool)}


def uneven(generator):
    """One picture hides a single patch, the other all but one."""
    inputs = paintings(generator, 2, 6, 4, 0.0)
    inputs["hidden"][1, :5] = True
    return inputs


EVERYWHERE = '''
import torch


def mae_loss(painted, target, hidden):
    """The mean squared error of what was painted: a scalar."""
    return (painted - target).square().mean()
'''

MAE_LOSS = Exercise(
    name="mae_loss",
    chapter="self_supervised",
    title="A loss that hides the hidden",
    kind="fix",
    difficulty=1,
    minutes=10,
    goal="""
Somebody trains an autoencoder with this loss. Its value is lower than that of the lesson's run, and in the pictures
the patches that were *seen* are painted best, though nobody needs them: they could be copied. Find out why, and mend
the function.

`painted` and `target` are `[batch, patches, patch_dim]`, of one dtype, float32 or float64. `hidden` is bool
`[batch, patches]`, True where a patch was hidden; at least one is. Return the mean squared error over all
numbers of all hidden patches of the whole batch together, as a scalar tensor of that dtype. A gradient
flows to `painted`.
""",
    starter=EVERYWHERE,
    reference=mae_loss,
    observe=watch(gradient=("painted",)),
    cases=(
        Case("2 pictures of 6 patches", lambda g: paintings(g, 2, 6, 4, 0.6)),
        Case("a picture with 1 hidden patch, a picture with 5", uneven),
        Case("everything is hidden", all_hidden),
        Case("3 pictures of 16 patches, float64", lambda g: paintings(g, 3, 16, 3, 0.75, torch.float64)),
        Case("one picture, one hidden patch", lambda g: paintings(g, 1, 5, 2, 0.0)),
    ),
    misconceptions=(
        Misconception(
            "All patches count, also those that the encoder has seen. What was seen can be copied; it "
            "makes the loss small and "
            "says nothing of the hidden patches. Take `hidden` ones only.",
            (written(EVERYWHERE, mae_loss),),
        ),
        Misconception(
            "Only hidden patches count, but the sum is divided by the number of all patches, so that the "
            "loss grows with the "
            "mask ratio. Divide by the number of hidden ones.",
            slips(plain_mae_loss, {"error[hidden].mean()": "(error * hidden).mean()"}),
        ),
        Misconception(
            "You judge the visible patches: `hidden` is True where a patch was *not* seen.",
            slips(plain_mae_loss, {"error[hidden]": "error[~hidden]"}),
        ),
        Misconception(
            "Each picture's mean is taken first, so that a hidden patch counts for more in a picture with"
            " few of them. All "
            "hidden patches of the batch count alike.",
            slips(
                plain_mae_loss,
                {"error[hidden].mean()": "((error * hidden).sum(1) / hidden.sum(1).clamp(min=1)).mean()"},
            ),
        ),
        Misconception(
            "The error is summed over the numbers of a patch: take the mean, or the loss depends on the "
            "size of a patch.",
            slips(plain_mae_loss, {".mean(dim=2)": ".sum(dim=2)"}),
        ),
        Misconception(
            "That is not the squared error.",
            slips(
                plain_mae_loss,
                {".square()": ".abs()"},
                {"error[hidden].mean()": "error[hidden].mean().sqrt()"},
            ),
        ),
        Misconception(
            "No gradient flows back: nothing can be learned from this loss.",
            slips(plain_mae_loss, {"error[hidden].mean()": "error[hidden].mean().detach()"}),
        ),
    ),
    hints=(
        "Which patches can be painted without having learned anything?",
        "An error for each patch first, `[batch, patches]`; then only those of `hidden`.",
        "A bool tensor picks: `error[hidden]` is a row of all hidden patches' errors.",
    ),
)


def plain_undo_normalization(painted, patches):
    mean = patches.mean(dim=2, keepdim=True)
    variance = patches.var(dim=2, keepdim=True)
    return painted * (variance + 1e-6).sqrt() + mean


def normalized(generator, batch, patches, dim, spread=1.0, dtype=torch.float32):
    return {
        "painted": torch.randn(batch, patches, dim, generator=generator, dtype=dtype),
        "patches": 0.4 + spread * torch.rand(batch, patches, dim, generator=generator, dtype=dtype),
    }


def flat(generator):
    inputs = normalized(generator, 2, 3, 4)
    inputs["patches"][:, 1] = 0.25
    return inputs


def large(generator):
    """A hundred thousand and a little: float32 has less than two decimals left for what tells the numbers apart."""
    inputs = normalized(generator, 2, 3, 5, dtype=torch.float64)
    return {"painted": 1e6 * inputs["painted"], "patches": 1e5 + inputs["patches"]}


UNDO_NORMALIZATION = Exercise(
    name="undo_normalization",
    chapter="self_supervised",
    title="Back to pixels",
    kind="write",
    difficulty=2,
    minutes=10,
    goal=r"""
A model was trained with normalized targets: from the numbers $x$ of a true patch it should paint

$$y = \frac{x - \mu}{\sqrt{\sigma^2 + 10^{-6}}},$$

where $\mu$ and $\sigma^2$ are the mean and the variance of this one patch, the variance with $n - 1$ in the
denominator (as `torch.var` has it). To look at `painted`, `[batch, patches, patch_dim]`, turn it back into
pixels with the $\mu$ and $\sigma^2$ of the true `patches`, of the same shape. Return a tensor of that shape
and of their one dtype, float32 or float64. Leave both inputs as they are; `patch_dim` is at least 2.
""",
    starter='''
import torch


def undo_normalization(painted, patches):
    """The painted patches in pixels: [batch, patches, patch_dim]."""
    raise NotImplementedError("write undo_normalization")
''',
    reference=undo_normalization,
    observe=watch(gradient=("painted",)),
    cases=(
        Case("2 pictures of 3 patches of 4 numbers", lambda g: normalized(g, 2, 3, 4)),
        Case("a patch of one gray", flat),
        Case("patches of 2 numbers, float64", lambda g: normalized(g, 1, 5, 2, dtype=torch.float64)),
        Case("nearly flat patches", lambda g: normalized(g, 2, 4, 6, spread=2e-3, dtype=torch.float64)),
        Case("one patch of 16 numbers", lambda g: normalized(g, 1, 1, 16)),
        Case("float64, large numbers that hardly differ", large),
    ),
    misconceptions=(
        Misconception(
            "Mean and variance are those of what was painted. They must be the true patch's: the painted "
            "one knows nothing of "
            "brightness and contrast.",
            slips(
                plain_undo_normalization,
                {"patches.mean": "painted.mean", "patches.var": "painted.var"},
                {"patches.var": "painted.var"},
                {"patches.mean": "painted.mean"},
            ),
        ),
        Misconception(
            "You divide once more. To go back, multiply by the root, then add the mean.",
            slips(
                plain_undo_normalization,
                {"painted * (variance + 1e-6).sqrt() + mean": "(painted - mean) / (variance + 1e-6).sqrt()"},
                {"painted * (": "painted / ("},
            ),
        ),
        Misconception(
            "The mean is added before the multiplication. Undo the last thing first: multiply, then add.",
            slips(
                plain_undo_normalization,
                {"painted * (variance + 1e-6).sqrt() + mean": "(painted + mean) * (variance + 1e-6).sqrt()"},
            ),
        ),
        Misconception(
            "You multiply by the variance; the patch was divided by its root.",
            slips(plain_undo_normalization, {"(variance + 1e-6).sqrt()": "(variance + 1e-6)"}),
        ),
        Misconception(
            "Mean and variance are those of the whole picture, or of one pixel over the patches. Each "
            "patch has its own: the "
            "last axis.",
            slips(
                plain_undo_normalization,
                {
                    "mean(dim=2, keepdim=True)": "mean(dim=(1, 2), keepdim=True)",
                    "var(dim=2, keepdim=True)": "var(dim=(1, 2), keepdim=True)",
                },
                {
                    "mean(dim=2, keepdim=True)": "mean(dim=1, keepdim=True)",
                    "var(dim=2, keepdim=True)": "var(dim=1, keepdim=True, correction=0)",
                },
            ),
        ),
        Misconception(
            "The variance has n in the denominator here, and had n - 1 there: `torch.var` as it is.",
            slips(
                plain_undo_normalization,
                {"var(dim=2, keepdim=True)": "var(dim=2, keepdim=True, correction=0)"},
            ),
        ),
        Misconception(
            "The millionth is missing, or stands outside of the root. In patches of nearly one gray it is"
            " most of what there is.",
            slips(
                plain_undo_normalization,
                {"(variance + 1e-6).sqrt()": "variance.sqrt()"},
                {"(variance + 1e-6).sqrt()": "(variance.sqrt() + 1e-6)"},
            ),
        ),
        Misconception(
            "Mean and variance are computed in float32, where large numbers that hardly differ are rounded to the same "
            "ones. Compute in the dtype that comes in.",
            slips(
                plain_undo_normalization,
                {
                    "patches.mean(dim=2, keepdim=True)": "patches.float().mean(dim=2, keepdim=True).to(patches.dtype)",
                    "patches.var(dim=2, keepdim=True)": "patches.float().var(dim=2, keepdim=True).to(patches.dtype)",
                },
                {
                    "patches.var(dim=2, keepdim=True)": "patches.float().var(dim=2, keepdim=True).to(patches.dtype)"
                },
            ),
        ),
    ),
    hints=(
        "Solve the formula for x.",
        "Both numbers of each patch: `patches.mean(dim=2, keepdim=True)`, and the same with `var`.",
        "x = y · √(σ² + 10⁻⁶) + μ, with `keepdim=True` so that they fit the patches' shape.",
    ),
)
