"""How slow the target is: momentum_at."""

import math

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.numbers import one_number
from fmlib.self_supervised.without_negatives.byol import momentum_at


def plain_momentum_at(step, steps, base=0.99):
    left = (math.cos(math.pi * step / steps) + 1) / 2
    return 1 - (1 - base) * left


def at(step, steps, *base):
    return lambda g: {"step": step, "steps": steps, **({"base": base[0]} if base else {})}


MOMENTUM_AT = Exercise(
    name="momentum_at",
    chapter="self_supervised",
    title="A target that comes to rest",
    kind="write",
    difficulty=1,
    minutes=5,
    goal=r"""
BYOL's target follows slower and slower. When `step` of the run's `steps` are done (0 to `steps`), its momentum is

$$m = 1 - (1 - m_0)\,\frac{\cos(\pi k / K) + 1}{2}$$

with $m_0$ the `base`, $k$ the `step` and $K$ the `steps`. Return one number: a `float`, or a tensor
with one number.
""",
    starter='''
import math


def momentum_at(step, steps, base=0.99):
    """The momentum of the target: a float from base to 1."""
    raise NotImplementedError("write momentum_at")
''',
    reference=momentum_at,
    observe=one_number,
    tolerance=1e-6,
    cases=(
        Case("a quarter of the run, base 0.9", at(25, 100, 0.9)),
        Case("before the first step, base 0.9", at(0, 10, 0.9)),
        Case("half of the run, base 0.5", at(4, 8, 0.5)),
        Case("the end, base 0.5", at(8, 8, 0.5)),
        Case("the default base", at(3, 7)),
        Case("base 0", at(1, 3, 0.0)),
        Case("base 1: it never moves", at(1, 3, 1.0)),
        Case("a run of one step", at(1, 1, 0.8)),
    ),
    misconceptions=(
        Misconception(
            "It runs backward: the target starts at rest and ends at `base`. At step 0 the cosine is 1, and the momentum "
            "must be `base`.",
            slips(
                plain_momentum_at,
                {"(math.cos(math.pi * step / steps) + 1)": "(1 - math.cos(math.pi * step / steps))"},
            ),
        ),
        Misconception(
            "That is 1 minus the momentum: the share that the target takes, not the share that it keeps.",
            slips(plain_momentum_at, {"return 1 - (1 - base) * left": "return (1 - base) * left"}),
        ),
        Misconception(
            "The momentum ends at 0, not at 1: `base` itself is faded out. What fades out is the distance to 1.",
            slips(plain_momentum_at, {"1 - (1 - base) * left": "base * left"}),
        ),
        Misconception(
            "It ends above 1: the cosine goes from 1 to -1, and only half of (cosine + 1) goes from 1 to 0.",
            slips(
                plain_momentum_at,
                {"(math.cos(math.pi * step / steps) + 1) / 2": "math.cos(math.pi * step / steps)"},
            ),
        ),
        Misconception(
            "It does not begin at `base`: cosine + 1 goes from 2 to 0, and only half of it from 1 to 0.",
            slips(
                plain_momentum_at,
                {"(math.cos(math.pi * step / steps) + 1) / 2": "math.cos(math.pi * step / steps) + 1"},
            ),
        ),
        Misconception(
            "It rises in a straight line. The cosine begins and ends gently.",
            slips(plain_momentum_at, {"(math.cos(math.pi * step / steps) + 1) / 2": "1 - step / steps"}),
        ),
        Misconception(
            "The cosine gets to another place at the end than half way round: its angle runs from 0 to pi over the `steps`.",
            slips(
                plain_momentum_at,
                {"math.pi * step": "2 * math.pi * step"},
                {"math.pi * step": "math.pi / 2 * step"},
            ),
        ),
    ),
    hints=(
        "What is the cosine at step 0, at half of the run, at the end? And half of (cosine + 1)?",
        "1 - base is the distance to 1. It is multiplied by what falls from 1 to 0.",
        "`1 - (1 - base) * (math.cos(math.pi * step / steps) + 1) / 2`",
    ),
)
