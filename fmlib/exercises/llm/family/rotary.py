"""What LLaMA changes: rotary positions."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.llm.family.rotary import rotary


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

Return the shape and the dtype of `x`, float32 or float64. `head_dim` is even.
""",
    starter='''
import torch


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
            (pairs_rotary,),
        ),
        Misconception(
            "Features change their places: each of a pair must come back where it was. Halves go back with `torch.cat`, "
            "neighbors with `torch.stack` and `flatten`; here the pairs are halves.",
            (
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
            ),
        ),
        Misconception(
            "All rows get the positions of the first. With padding in front each row has its own: "
            "`positions[:, None, :, None]`.",
            slips(plain_rotary, {"positions[:, None, :, None]": "positions[:1, None, :, None]"}),
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
