"""Colors: rebalancing_weights."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.pretext.colorization import rebalancing_weights


def plain_weights(frequencies, uniform=0.5):
    share = frequencies / frequencies.sum()
    mixed = (1 - uniform) * share + uniform / len(share)
    weights = 1 / mixed
    return weights / (share * weights).sum()


def frequencies(generator, colors, uniform=None, dtype=torch.float32):
    drawn = torch.rand(colors, generator=generator, dtype=dtype) ** 3 + 0.01
    given = {} if uniform is None else {"uniform": uniform}
    return {"frequencies": drawn / drawn.sum(), **given}


REBALANCING_WEIGHTS = Exercise(
    name="rebalancing_weights",
    chapter="self_supervised",
    title="Weights for rare colors",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
Most pixels are dull, so a network that is asked for colors learns to be dull. Zhang et al. weigh each pixel by

$$w_q \\propto \\Big((1 - \\lambda)\\,p_q + \\frac{\\lambda}{Q}\\Big)^{-1}, \\qquad \\sum_q p_q w_q = 1,$$

with $p_q$ the share of the pixels that has color $q$ of $Q$ colors, and $\\lambda$ between 0 and 1 (above 0
where a share is 0). `frequencies` are `[Q]`, float32 or float64, not negative; scale them to sum to 1 first,
since counts may come in. Return the weights `[Q]` in the same dtype; `uniform` is $\\lambda$.
""",
    starter='''
import torch


def rebalancing_weights(frequencies, uniform=0.5):
    """A weight for each color, whose mean over pixels is 1."""
    raise NotImplementedError("write rebalancing_weights")
''',
    reference=rebalancing_weights,
    observe=watch(),
    cases=(
        Case("3 colors", lambda g: frequencies(g, 3)),
        Case("5 colors, uniform 0.2", lambda g: frequencies(g, 5, 0.2)),
        Case(
            "counts, one color rare",
            lambda g: {"frequencies": torch.tensor([900.0, 90.0, 10.0]), "uniform": 0.3},
        ),
        Case(
            "a color that never comes",
            lambda g: {"frequencies": torch.tensor([0.7, 0.0, 0.3]), "uniform": 0.1},
        ),
        Case("uniform 1: all alike", lambda g: frequencies(g, 4, 1.0)),
        Case("uniform 0: one over the share", lambda g: frequencies(g, 4, 0.0)),
        Case("a single color", lambda g: {"frequencies": torch.tensor([7.0])}),
        Case("float64", lambda g: frequencies(g, 6, 0.4, torch.float64)),
        Case(
            "float64, a share of 1e-60 and uniform 0",
            lambda g: {"frequencies": torch.tensor([0.75, 0.25, 1e-60], dtype=torch.float64), "uniform": 0.0},
        ),
    ),
    misconceptions=(
        Misconception(
            "The weights are scaled to another sum. Their mean *over pixels* must be 1, so each counts as "
            "often as its color comes: "
            "divide by `(share * weights).sum()`.",
            slips(
                plain_weights,
                {"(share * weights).sum()": "weights.mean()"},
                {"(share * weights).sum()": "weights.sum()"},
                {"weights / (share * weights).sum()": "weights"},
                {"(share * weights).sum()": "(mixed * weights).sum()"},
            ),
        ),
        Misconception(
            "The two parts of the mixture are swapped: `uniform` is the share of the uniform "
            "distribution, 1 / Q.",
            slips(
                plain_weights,
                {
                    "(1 - uniform) * share + uniform / len(share)": "uniform * share + (1 - uniform) / len(share)"
                },
            ),
        ),
        Misconception(
            "The uniform part is not a distribution over the Q colors: each has the share 1 / Q of it.",
            slips(
                plain_weights,
                {"uniform / len(share)": "uniform"},
                {"uniform / len(share)": "uniform * len(share)"},
                {"uniform / len(share)": "uniform / (len(share) - 1 or 1)"},
            ),
        ),
        Misconception(
            "Common colors get the larger weights. It is the rare ones that must count more: take one "
            "over the mixture.",
            slips(plain_weights, {"1 / mixed": "mixed"}, {"1 / mixed": "1 - mixed"}),
        ),
        Misconception(
            "Counts are taken as they come. Scale `frequencies` to sum to 1 before the uniform part is "
            "mixed in.",
            slips(plain_weights, {"frequencies / frequencies.sum()": "frequencies"}),
        ),
        Misconception(
            "You compute in float32, in which a share of 1e-60 is 0, and one over it infinite. Compute in the dtype that "
            "comes in.",
            slips(
                plain_weights,
                {
                    "frequencies / frequencies.sum()": "frequencies.float() / frequencies.float().sum()",
                    "weights / (share * weights).sum()": "(weights / (share * weights).sum()).to(frequencies.dtype)",
                },
            ),
        ),
    ),
    hints=(
        "Four lines: shares, mixture, one over it, and the scale.",
        "The mixture is `(1 - uniform) * share + uniform / len(share)`.",
        "The scale: `weights / (share * weights).sum()`, the mean over pixels.",
    ),
)
