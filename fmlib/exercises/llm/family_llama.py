"""What LLaMA changes: rms_norm, rotary, and repeat_heads as a bug hunt."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch
from fmlib.llm.parts import rms_norm
from fmlib.llm.rotary import repeat_heads, rotary


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

with $d$ the number of features and $\varepsilon$ the argument `eps`. `F.rms_norm` would pass, and teach
you nothing. Half precision need not be handled.
""",
    starter='''
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
            "`eps` stands outside of the root, or is squared. It belongs to the mean square: "
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


def plain_rotary(x, positions, theta=10_000.0):
    half = x.shape[-1] // 2
    speed = theta ** (-torch.arange(half) / half)
    angle = positions[:, None, :, None] * speed
    cos, sin = torch.cos(angle), torch.sin(angle)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def pairs_rotary(x, positions, theta=10_000.0):
    half = x.shape[-1] // 2
    speed = theta ** (-torch.arange(half) / half)
    angle = positions[:, None, :, None] * speed
    cos, sin = torch.cos(angle), torch.sin(angle)
    first, second = x[..., 0::2], x[..., 1::2]
    return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1).flatten(-2)


def placed(generator, positions, head_dim, heads=2, dtype=torch.float32, **more):
    """Queries of two rows that stand at these positions."""
    positions = torch.tensor(positions)
    x = torch.randn(2, heads, positions.shape[1], head_dim, generator=generator, dtype=dtype)
    return {"x": x, "positions": positions, **more}


ROTARY = Exercise(
    name="rotary",
    chapter="llm",
    title="Rotary positions",
    kind="write",
    difficulty=3,
    minutes=25,
    goal=r"""
`x` has queries or keys, `[batch, heads, length, head_dim]`, and `positions` says where each stands,
`[rows, length]` with `rows` the batch or 1. Turn every *pair* of features by an angle that grows with the
position. With $d$ the `head_dim`, feature $i$ and feature $i + d/2$ are a pair, for $i = 0, \dots, d/2 - 1$,
and at position $m$ it turns by $\alpha = m \, \theta^{-2i/d}$:

$$x_i' = x_i \cos\alpha - x_{i+d/2} \sin\alpha, \qquad x_{i+d/2}' = x_{i+d/2} \cos\alpha + x_i \sin\alpha$$

Return as `x`. `head_dim` is even.
""",
    starter='''
def rotary(x, positions, theta=10000.0):
    """Every pair of features turned by its position: [batch, heads, length, head_dim]."""
    raise NotImplementedError("write rotary")
''',
    reference=rotary,
    observe=watch(gradient=("x",)),
    cases=(
        Case("4 positions, 6 features", lambda g: placed(g, [[0, 1, 2, 3]], 6)),
        Case("2 features: one pair", lambda g: placed(g, [[0, 1, 2]], 2)),
        Case("theta 100", lambda g: placed(g, [[0, 1, 2, 3, 4]], 8, theta=100.0)),
        Case("one new token behind a cache of 37", lambda g: placed(g, [[37]], 4)),
        Case("each row at its own positions", lambda g: placed(g, [[0, 0, 0, 1], [0, 1, 2, 3]], 4, heads=3)),
        Case("position 0 only", lambda g: placed(g, [[0]], 4)),
        Case("float64", lambda g: placed(g, [[5, 6]], 10, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "Neighbors, features 2i and 2i + 1, are your pairs. That is the paper's layout, and as good; but "
            "here, and in transformers' checkpoints, the *halves* are paired: i with i + head_dim / 2. With weights "
            "of the other layout a model talks nonsense, though every shape fits.",
            (
                pairs_rotary,
                *slips(pairs_rotary, {"torch.stack": "torch.cat", ".flatten(-2)": ""}),
                *slips(plain_rotary, {"torch.cat": "torch.stack", "dim=-1)": "dim=-1).flatten(-2)"}),
            ),
        ),
        Misconception(
            "You turn the other way. Two turned vectors would still see only their distance, but weights that "
            "were trained turning forwards would not fit.",
            slips(
                plain_rotary,
                {"first * cos - second * sin": "first * cos + second * sin", "cos + first": "cos - first"},
            ),
        ),
        Misconception(
            "This is no rotation: the two sines need opposite signs, minus in the first half, plus in the second. "
            "A rotation keeps the length of every pair.",
            slips(
                plain_rotary,
                {"first * cos - second * sin": "first * cos + second * sin"},
                {"cos + first": "cos - first"},
                {"second * cos + first * sin": "second * cos + second * sin"},
                {
                    "first * cos - second * sin": "first * cos - first * sin",
                    "second * cos + first * sin": "second * cos + second * sin",
                },
            ),
        ),
        Misconception(
            "Sine and cosine are swapped: at position 0 nothing may turn, and cos(0) = 1.",
            slips(plain_rotary, {"torch.cos(angle), torch.sin(angle)": "torch.sin(angle), torch.cos(angle)"}),
        ),
        Misconception(
            "All pairs turn equally fast. Pair i turns by theta^(-2i / head_dim) a position: fast ones for near "
            "distances, slow ones for far.",
            slips(
                plain_rotary,
                {"theta ** (-torch.arange(half) / half)": "torch.ones(half)"},
                {"-torch.arange(half)": "-torch.ones(half)"},
            ),
        ),
        Misconception(
            "The exponent runs to one half, or to two, instead of one: with i = 0, 1, ..., head_dim / 2 - 1 it is "
            "-2i / head_dim, so divide i by *half* of head_dim.",
            slips(
                plain_rotary,
                {"(half) / half": "(half) / x.shape[-1]"},
                {"(half) / half": "(half) * 2 / half"},
                {"(half) / half": "(half)"},
            ),
        ),
        Misconception(
            "Pairs get faster and faster: the exponent is negative, so that the first pair turns by 1 and later ones "
            "turn less.",
            slips(
                plain_rotary,
                {"-torch.arange": "torch.arange"},
                {"-torch.arange(half)": "-torch.arange(half).flip(0)"},
            ),
        ),
        Misconception(
            "The positions that come in are not used: you count from 0. With a cache the new token stands behind it, "
            "and in a padded row the first token stands at 0 wherever the padding ends.",
            slips(
                plain_rotary,
                {"positions[:, None, :, None]": "torch.arange(x.shape[2])[:, None]"},
                {"positions[:, None, :, None]": "positions[:1, None, :, None]"},
            ),
        ),
        Misconception(
            "The count begins with 1: position 0 must stay as it is.",
            slips(plain_rotary, {"positions[:, None, :, None]": "(1 + positions[:, None, :, None])"}),
        ),
        Misconception(
            "The angle grows with the head instead of the position: positions belong to axis 2 of `x`, "
            "`positions[:, None, :, None]`.",
            slips(
                plain_rotary,
                {"positions[:, None, :, None]": "torch.arange(x.shape[1])[:, None, None]"},
            ),
        ),
        Misconception(
            "Only one half of the features is turned. Both numbers of a pair change.",
            slips(
                plain_rotary,
                {"second * cos + first * sin": "second"},
                {"first * cos - second * sin": "first"},
            ),
        ),
    ),
    hints=(
        "First the speeds, `[head_dim / 2]`; then the angles, positions times speeds; then their cosine and sine.",
        "`positions[:, None, :, None] * speed` is `[rows, 1, length, head_dim / 2]` and fits the halves of `x`.",
        "`first, second = x.chunk(2, dim=-1)`; the result is `torch.cat([first * cos - second * sin, ...], dim=-1)`.",
    ),
)


def plain_repeat_heads(x, times):
    batch, heads, length, head_dim = x.shape
    x = x[:, :, None].expand(batch, heads, times, length, head_dim)
    return x.reshape(batch, heads * times, length, head_dim)


TILING_REPEAT = '''
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
`[batch, key_heads * times, length, head_dim]`.
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
