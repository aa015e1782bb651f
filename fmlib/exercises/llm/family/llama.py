"""What LLaMA changes: rms_norm, and repeat_heads as a bug hunt."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch
from fmlib.llm.family.parts import rms_norm
from fmlib.llm.family.rotary import repeat_heads


def plain_rms_norm(x, weight, eps=1e-5):
    mean_square = (x * x).mean(dim=-1, keepdim=True)
    return weight * (x / torch.sqrt(mean_square + eps))


def stream(generator, batch, length, dim, size=1.0, shift=0.0, dtype=torch.float32, **more):
    """A residual stream and a learned scale."""
    x = size * torch.randn(batch, length, dim, generator=generator, dtype=dtype) + shift
    return {"x": x, "weight": torch.randn(dim, generator=generator, dtype=dtype), **more}


RMS_NORM = Exercise(
    name="rms_norm",
    chapter="llm",
    title="RMSNorm",
    kind="write",
    difficulty=1,
    minutes=10,
    goal=r"""
LLaMA and T5 normalize without a mean and without a bias. `x` is `[batch, length, dim]` and `weight` is
`[dim]`. Return, for each position by itself,

$$w \odot \frac{x}{\sqrt{\frac{1}{d}\sum_i x_i^2 + \varepsilon}}$$

with $d$ the number of features and $\varepsilon$ the argument `eps`. `x` and `weight` have one dtype,
float32 or float64, and the result has it too. `F.rms_norm` would pass, and teach
you nothing. Half precision need not be handled.
""",
    starter='''
import torch
import torch.nn.functional as F


def rms_norm(x, weight, eps=1e-5):
    """x by its root mean square, times the weight: [batch, length, dim]."""
    raise NotImplementedError("write rms_norm")
''',
    reference=rms_norm,
    observe=watch(gradient=("x", "weight")),
    cases=(
        Case("2 rows, 3 positions, 4 features", lambda g: stream(g, 2, 3, 4)),
        Case("features whose mean is 3", lambda g: stream(g, 2, 3, 5, shift=3.0)),
        Case("small numbers, where eps counts", lambda g: stream(g, 1, 4, 6, size=2e-3)),
        Case("eps 0.5", lambda g: stream(g, 2, 2, 3, eps=0.5)),
        Case("zeros", lambda g: stream(g, 1, 2, 4, size=0.0)),
        Case("as many positions as features, float64", lambda g: stream(g, 4, 4, 4, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "You subtract the mean, as layer norm does. RMSNorm leaves it: only the size changes, which is "
            "what makes it cheaper.",
            slips(
                plain_rms_norm,
                {"mean_square = ": "x = x - x.mean(dim=-1, keepdim=True)\n    mean_square = "},
                {"(x * x).mean(dim=-1, keepdim=True)": "x.var(dim=-1, keepdim=True, unbiased=False)"},
            ),
        ),
        Misconception(
            "The root is missing: twice as large an input must give the same output, so divide by the *root* of "
            "the mean square.",
            slips(plain_rms_norm, {"torch.sqrt(mean_square + eps)": "(mean_square + eps)"}),
        ),
        Misconception(
            "You divide by the length of the vector, the root of the *sum*. With the mean, features have size "
            "1 on average however many there are.",
            slips(plain_rms_norm, {".mean(": ".sum("}),
        ),
        Misconception(
            "The mean runs over the wrong axis. Each position is normalized by itself, over its features, "
            "the last axis: otherwise later tokens would change earlier ones.",
            slips(
                plain_rms_norm,
                {"dim=-1, keepdim=True": "dim=1, keepdim=True"},
                {"dim=-1, keepdim=True": "dim=0, keepdim=True"},
                {"dim=-1, keepdim=True": "dim=(1, 2), keepdim=True"},
                {"dim=-1, keepdim=True": ""},
            ),
        ),
        Misconception(
            "The weight is not used, or added. It is a scale: multiply each feature by its own.",
            slips(plain_rms_norm, {"weight * (": "("}, {"weight * (": "weight + ("}),
        ),
        Misconception(
            "`eps` is missing: zeros then become 0 / 0, and one such position spoils the whole batch.",
            slips(plain_rms_norm, {" + eps": ""}),
        ),
        Misconception(
            "`eps` stands outside of the root, is squared, or is a lower limit. It belongs to the mean square: "
            "`sqrt(mean_square + eps)`.",
            slips(
                plain_rms_norm,
                {"torch.sqrt(mean_square + eps)": "(torch.sqrt(mean_square) + eps)"},
                {"+ eps": "+ eps**2"},
                {"torch.sqrt(mean_square + eps)": "torch.sqrt(mean_square).clamp(min=eps)"},
            ),
        ),
        Misconception(
            "You divide by the mean of the absolute values. That is another norm: squares first, then mean, then root.",
            slips(
                plain_rms_norm,
                {"(x * x).mean": "x.abs().mean", "torch.sqrt(mean_square + eps)": "(mean_square + eps)"},
            ),
        ),
        Misconception(
            "The numbers are right and the gradient is not: the mean square is detached. It depends on x, and "
            "training must know.",
            slips(plain_rms_norm, {"keepdim=True)": "keepdim=True).detach()"}),
        ),
    ),
    hints=(
        "One number for each position says how large its features are. Which axis does it come from?",
        "`x.square().mean(dim=-1, keepdim=True)` is `[batch, length, 1]`, and broadcasts.",
        "Add `eps`, take the root, divide `x` by it, multiply by `weight`.",
    ),
)


def plain_repeat_heads(x, times):
    batch, heads, length, head_dim = x.shape
    x = x[:, :, None].expand(batch, heads, times, length, head_dim)
    return x.reshape(batch, heads * times, length, head_dim)


TILING_REPEAT = '''
import torch


def repeat_heads(x, times):
    """[batch, key_heads, length, head_dim] -> [batch, key_heads * times, length, head_dim]."""
    return x.repeat(1, times, 1, 1)
'''

REPEAT_HEADS = Exercise(
    name="repeat_heads",
    chapter="llm",
    title="The right weights, and nonsense",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
In grouped-query attention, neighboring query heads share a key head and a value head. Before attention
each of these is repeated `times` times. With this function, a published model that shares its keys loads without
a complaint, all shapes fit, and it writes nonsense. Models in which every head has keys of its own, or all
share one, are fine. A model that you train from scratch with it learns as well as any. Find out why, and mend the
function. `x` is `[batch, key_heads, length, head_dim]`; the result is
`[batch, key_heads * times, length, head_dim]`, in the dtype of `x`.
""",
    starter=TILING_REPEAT,
    reference=repeat_heads,
    observe=watch(gradient=("x",)),
    cases=tuple(
        Case(
            label,
            lambda g, shape=shape, times=times: {"x": torch.randn(*shape, generator=g), "times": times},
        )
        for label, shape, times in (
            ("2 key heads for 4 query heads", (2, 2, 3, 4), 2),
            ("3 key heads for 9 query heads, as SmolLM2", (1, 3, 2, 2), 3),
            ("1 key head for 4 query heads", (2, 1, 3, 2), 4),
            ("every head its own", (1, 3, 2, 4), 1),
            ("as many positions as heads", (1, 2, 2, 2), 3),
        )
    ),
    misconceptions=(
        Misconception(
            "The heads come as 0, 1, 0, 1, so that query heads 0 and 2 share a key head. *Neighbors* must: 0, 0, 1, 1. "
            "Either order can be learned, but published weights are for this one. `repeat_interleave` repeats each, "
            "`repeat` the whole.",
            (
                written(TILING_REPEAT, repeat_heads),
                *slips(
                    plain_repeat_heads,
                    {"[:, :, None].expand(batch, heads, times": "[:, None].expand(batch, times, heads"},
                ),
            ),
        ),
        Misconception(
            "The wrong axis is repeated: heads are axis 1.",
            slips(
                plain_repeat_heads,
                {
                    "x = x[:, :, None].expand(batch, heads, times, length, head_dim)": "pass",
                    "x.reshape(batch, heads * times, length, head_dim)": "x.repeat_interleave(times, dim=2)",
                },
                {
                    "x = x[:, :, None].expand(batch, heads, times, length, head_dim)": "pass",
                    "x.reshape(batch, heads * times, length, head_dim)": "x.repeat_interleave(times, dim=0)",
                },
                {
                    "x = x[:, :, None].expand(batch, heads, times, length, head_dim)": "pass",
                    "x.reshape(batch, heads * times, length, head_dim)": "x.repeat_interleave(times, dim=3)",
                },
            ),
        ),
        Misconception(
            "Positions are mixed: the new axis stands behind the positions, and `reshape` only reads on. Put it right "
            "behind the heads.",
            slips(
                plain_repeat_heads,
                {
                    "[:, :, None]": "[:, :, :, None]",
                    "(batch, heads, times, length, head_dim)": "(batch, heads, length, times, head_dim)",
                },
            ),
        ),
        Misconception(
            "The keys are shared out, `1 / times` to each query head. Sharing costs nothing here: every query "
            "head sees the whole key.",
            slips(plain_repeat_heads, {"return x.": "return x.div(times)."}),
        ),
        Misconception(
            "The heads come in the wrong order: head 0 first.",
            slips(plain_repeat_heads, {"return x.": "return x.flip(1)."}),
        ),
        Misconception(
            "Only the first of each group gets the key, the others zeros, or no gradient passes. All of them look at "
            "the same key, and all teach it.",
            slips(
                plain_repeat_heads,
                {"return x.": "x = x * (torch.arange(times) == 0)[:, None, None]\n    return x."},
                {"return x.": "return x.detach()."},
            ),
        ),
    ),
    hints=(
        "Give it `torch.arange(2.0).view(1, 2, 1, 1)` and 2: two heads that say 0 and 1. Which of the four "
        "query heads gets which?",
        "Query head h belongs to key head `h // times`. To which does it belong in this function?",
        "`x.repeat_interleave(times, dim=1)`.",
    ),
)
