"""Heads that continue what they have seen: induction_score."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.llm.adaptation.induction import induction_score


def plain_score(maps, period):
    total = 0
    for i in range(period, 2 * period):
        total = total + maps[:, :, i, i - period + 1]
    return (total / period).mean(dim=0)


def some_maps(generator, batch, heads, period, layer="random", causal=True, dtype=torch.float32):
    logits = torch.randn(batch, heads, 2 * period, 2 * period, generator=generator, dtype=dtype)
    if layer == "induction":
        i = torch.arange(period, 2 * period)
        logits[:, 0, i, i - period + 1] += 5
    hidden = torch.ones(2 * period, 2 * period).triu(1).bool()
    return {"maps": logits.masked_fill(hidden & causal, float("-inf")).softmax(dim=-1), "period": period}


INDUCTION_SCORE = Exercise(
    name="induction_score",
    chapter="llm",
    title="Find the induction heads",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
A text of `period` tokens is read twice in a row, A B C D A B C D, so a layer's attention maps `maps` are
`[batch, heads, 2 * period, 2 * period]`; row i says where position i looks. Return a score for each head,
`[heads]` in the dtype of `maps` (float32 or float64): the weight that a position of the *second* half gives to the
place right *after* the earlier occurrence of its own token, on average over the batch and all `period`
positions of that half. At the second A this place is the first B.
""",
    starter='''
import torch


def induction_score(maps, period):
    """How much each head looks at what came next the last time: [heads]."""
    raise NotImplementedError("write induction_score")
''',
    reference=induction_score,
    cases=(
        Case("3 texts, 2 heads, 5 tokens twice", lambda g: some_maps(g, 3, 2, 5)),
        Case("a head that does it", lambda g: some_maps(g, 2, 3, 6, "induction")),
        Case("1 text, 1 head", lambda g: some_maps(g, 1, 1, 4)),
        Case("as many heads as texts", lambda g: some_maps(g, 4, 4, 3)),
        Case("heads that look ahead, too", lambda g: some_maps(g, 2, 2, 4, causal=False)),
        Case("1 token, twice", lambda g: some_maps(g, 2, 2, 1)),
        Case("float64", lambda g: some_maps(g, 2, 2, 3, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "You measure the weight on the earlier occurrence itself. That head finds the same token again, "
            "which does not say what comes next: the place one behind it does, `i - period + 1`.",
            slips(plain_score, {"i - period + 1": "i - period"}),
        ),
        Misconception(
            "The place is one too early or too far: the token at position i stood at `i - period`, and what "
            "followed it stands at `i - period + 1`.",
            slips(
                plain_score,
                {"i - period + 1": "i - period - 1"},
                {"i - period + 1": "(i - period + 2).__int__()"},
            ),
        ),
        Misconception(
            "You measure how much a head looks at the position before its own. Such heads matter too (they tell "
            "the induction head what stood where), but their score is another one.",
            slips(plain_score, {"i - period + 1]": "i - 1]"}),
        ),
        Misconception(
            "Rows and columns are swapped: the row is the position that looks, the column where it looks. With a "
            "causal mask, all that you read is zero.",
            slips(plain_score, {"i, i - period + 1]": "i - period + 1, i]"}),
        ),
        Misconception(
            "The mean runs over both halves. In the first half nothing has been seen before: those rows say "
            "nothing about induction and make every score smaller.",
            slips(plain_score, {"total / period": "total / (2 * period)"}),
        ),
        Misconception(
            "Positions are left out, or added up without dividing: average over all `period` positions of the "
            "second half.",
            slips(
                plain_score,
                {"(total / period)": "(total * 1.0)"},
                {"range(period, 2 * period)": "range(period, 2 * period - 1)"},
                {"range(period, 2 * period)": "range(period + 1, 2 * period)"},
                {
                    "range(period, 2 * period)": "range(period, 2 * period - 1)",
                    "total / period": "total / (period - 1)",
                },
            ),
        ),
        Misconception(
            "One position too many: the diagonal also holds the last position of the first half, which looks at place 0. "
            "Leave out its first number.",
            slips(
                plain_score,
                {
                    "range(period, 2 * period)": "range(period - 1, 2 * period)",
                    "total / period": "total / (period + 1)",
                },
            ),
        ),
        Misconception(
            "The heads are averaged away, or the texts are kept apart: one number for each head.",
            slips(
                plain_score,
                {".mean(dim=0)": ".mean()"},
                {".mean(dim=0)": ".mean(dim=1)"},
                {".mean(dim=0)": ""},
            ),
        ),
    ),
    hints=(
        "For the text A B C D A B C D: position 4 is the second A. Where did A stand, and what came behind it?",
        "Position i of the second half should look at `i - period + 1`. Which i are there?",
        "`rows = torch.arange(period, 2 * period)`, then `maps[:, :, rows, rows - period + 1]` is "
        "`[batch, heads, period]`.",
    ),
)
