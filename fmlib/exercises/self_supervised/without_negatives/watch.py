"""A detector of collapse that needs no labels: effective_rank."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.without_negatives.watch import effective_rank


def plain_effective_rank(z):
    centered = z - z.mean(dim=0)
    sizes = torch.linalg.svdvals(centered)
    total = sizes.sum()
    if total == 0:
        return total
    shares = sizes / total
    shares = shares[shares > 0]
    return (-(shares * shares.log()).sum()).exp()


def cloud(generator, rows, dim, directions, away=0.0, dtype=torch.float32):
    """Rows that use so many directions, the first ones more than the last, around a point."""
    sizes = torch.linspace(3, 1, directions, dtype=dtype)
    z = torch.randn(rows, directions, generator=generator, dtype=dtype) * sizes
    return {"z": z @ torch.randn(directions, dim, generator=generator, dtype=dtype) + away}


def cross(dim, away, dtype=torch.float32):
    """One step along each axis, there and back: as many directions as features, all alike."""
    return {"z": torch.cat([torch.eye(dim, dtype=dtype), -torch.eye(dim, dtype=dtype)]) + away}


EFFECTIVE_RANK = Exercise(
    name="effective_rank",
    chapter="self_supervised",
    title="How many directions are left",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
A spread above zero is no proof of health: embeddings may still lie on a line. Count the directions that they use. `z` is
`[batch, dim]`, float32 or float64, at least two rows. Subtract the mean over the batch, take the singular values
$\sigma_1, \sigma_2, \dots$ of what is left (`torch.linalg.svdvals`), turn them into shares
$p_i = \sigma_i / \sum_j \sigma_j$, and return

$$\exp\Big(-\sum_i p_i \log p_i\Big)$$

as a scalar tensor of the dtype of `z`. A share of 0 adds 0 to the sum. If all rows are equal, there is no direction: return
a zero.
""",
    starter='''
import torch


def effective_rank(z):
    """How many directions the rows of z use: a scalar tensor, 0 where all are equal."""
    raise NotImplementedError("write effective_rank")
''',
    reference=effective_rank,
    observe=watch(),
    tolerance=1e-3,
    cases=(
        Case("4 directions, all alike", lambda g: cross(4, 0.0)),
        Case("20 rows, 5 features", lambda g: cloud(g, 20, 5, 5)),
        Case("4 directions, far from the origin", lambda g: cross(4, 2.0)),
        Case("40 rows, 6 features, 2 directions", lambda g: cloud(g, 40, 6, 2, dtype=torch.float64)),
        Case("fewer rows than features", lambda g: cloud(g, 4, 8, 8, away=1.0, dtype=torch.float64)),
        Case("two rows", lambda g: {"z": torch.tensor([[1.0, 2.0], [3.0, 5.0]])}),
        Case("all rows equal", lambda g: {"z": torch.full((4, 3), 2.0)}),
        Case("all zeros, float64", lambda g: {"z": torch.zeros(3, 4, dtype=torch.float64)}),
        Case("one feature", lambda g: {"z": torch.tensor([[0.0], [1.0], [4.0]])}),
        Case(
            "a feature that is always 0", lambda g: {"z": torch.tensor([[1.0, 0.0], [-1.0, 0.0], [3.0, 0.0]])}
        ),
    ),
    misconceptions=(
        Misconception(
            "The mean is still in it: where all embeddings lie far from the origin, their common direction counts as the "
            "largest, though it tells no picture from another. Subtract the mean of each feature first.",
            slips(
                plain_effective_rank,
                {"z - z.mean(dim=0)": "z"},
            ),
        ),
        Misconception(
            "You subtract the mean of each row. The mean of each *feature*, over the batch, is what all pictures share: "
            "`z.mean(dim=0)`.",
            slips(plain_effective_rank, {"z.mean(dim=0)": "z.mean(dim=1, keepdim=True)"}),
        ),
        Misconception(
            "The shares are of the squared singular values, which are variances. Here they are of the singular values "
            "themselves.",
            slips(
                plain_effective_rank,
                {"torch.linalg.svdvals(centered)": "torch.linalg.svdvals(centered).square()"},
            ),
        ),
        Misconception(
            "That is the entropy. Its exponential is a number of directions: n equal shares have entropy log n.",
            slips(plain_effective_rank, {".sum()).exp()": ".sum())"}),
        ),
        Misconception(
            "The sign is missing: logarithms of shares are negative, and the entropy is minus their weighted sum.",
            slips(plain_effective_rank, {"return (-(shares": "return ((shares"}),
        ),
        Misconception(
            "A share of 0 makes the result no number: 0 times minus infinity. Leave such shares out.",
            slips(plain_effective_rank, {"    shares = shares[shares > 0]\n": ""}),
        ),
        Misconception(
            "Where all rows are equal, there is no direction: the result is 0, not 1.",
            slips(plain_effective_rank, {"return total": "return total + 1"}),
        ),
        Misconception(
            "You count the singular values that are not zero. A direction that is hardly used then counts as much as any "
            "other.",
            (lambda z: torch.linalg.matrix_rank(z - z.mean(dim=0)).to(z.dtype),),
        ),
    ),
    hints=(
        "Four equal shares of 1/4: what is their entropy, and what is its exponential?",
        "`torch.special.entr(p)` is -p log p, and 0 at p = 0.",
        "`sizes = torch.linalg.svdvals(z - z.mean(dim=0))`; a zero if `(z == z[0]).all()`, else "
        "`torch.special.entr(sizes / sizes.sum()).sum().exp()`.",
    ),
)
