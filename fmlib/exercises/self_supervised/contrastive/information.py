"""A bug hunt by symptom: a bound on information that is above its ceiling."""

import math

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.self_supervised.contrastive.information import information_bound


def plain_information_bound(scores):
    queries, candidates = scores.shape
    loss = torch.nn.functional.cross_entropy(scores, torch.arange(queries))
    return math.log(candidates) - loss


def scores(generator, queries, candidates, size=1.0, dtype=torch.float32):
    """Partners fit somewhat better than others."""
    drawn = torch.randn(queries, candidates, generator=generator, dtype=dtype)
    return {"scores": size * (drawn + 1.5 * torch.eye(queries, candidates, dtype=dtype))}


ABOVE_THE_CEILING = '''
import math

import torch


def information_bound(scores):
    """What a query tells about its partner, in nats, at least; scores [queries, candidates]."""
    queries, candidates = scores.shape
    positive = scores.diagonal()
    others = scores.masked_fill(torch.eye(queries, candidates, dtype=torch.bool), float("-inf"))
    return math.log(candidates) + (positive - others.logsumexp(dim=1)).mean()
'''

INFORMATION_BOUND = Exercise(
    name="information_bound",
    chapter="self_supervised",
    title="More than there can be",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal=r"""
`scores` is `[queries, candidates]`, float32 or float64, with at least two candidates and at least as many candidates
as queries: row i says how well each candidate fits query i, and its partner is candidate i.
This function is to compute the bound of the lesson, $\log K - L$, where $K$ is the number of candidates and $L$
InfoNCE, the mean cross-entropy in nats of picking the partner among *all* $K$ of them.

Symptom: with scores that put every partner 40 above all 15 others, it says 40. But with 16 candidates it can never
say more
than $\log 16 = 2.8$. Find out why, and mend it. It returns a scalar tensor of the dtype of `scores`.
""",
    starter=ABOVE_THE_CEILING,
    reference=information_bound,
    cases=(
        Case("4 queries, 4 candidates", lambda g: scores(g, 4, 4)),
        Case("3 queries, 7 candidates", lambda g: scores(g, 3, 7)),
        Case("1 query, 2 candidates", lambda g: scores(g, 1, 2)),
        Case("scores so large that exp overflows", lambda g: scores(g, 5, 5, size=200.0)),
        Case("float64", lambda g: scores(g, 6, 8, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The partner is missing from the denominator. Without it there is no ceiling: a partner that fits far "
            "better than all "
            "others gives as much as you like, and it bounds nothing. A query picks among all K candidates, its "
            "partner included.",
            (written(ABOVE_THE_CEILING, information_bound),),
        ),
        Misconception(
            "The logarithm is of the number of negatives, K - 1. A query that cannot tell at all has a loss of log "
            "K, and must give a bound of 0.",
            slips(plain_information_bound, {"math.log(candidates)": "math.log(candidates - 1)"}),
        ),
        Misconception(
            "The logarithm is of the number of queries. What sets the ceiling is among how many each of them picks: "
            "the candidates.",
            slips(plain_information_bound, {"math.log(candidates)": "math.log(queries)"}),
        ),
        Misconception(
            "The sign is wrong: a lower loss means more information, log K minus the loss.",
            slips(
                plain_information_bound,
                {"math.log(candidates) - loss": "math.log(candidates) + loss"},
                {"math.log(candidates) - loss": "loss - math.log(candidates)"},
            ),
        ),
        Misconception(
            "Bits and nats are mixed: cross-entropy is in nats, so the logarithm is the natural one.",
            slips(
                plain_information_bound,
                {"math.log(candidates)": "math.log2(candidates)"},
                {"math.log(candidates)": "math.log10(candidates)"},
            ),
        ),
        Misconception(
            "That is the loss, or its negative: log K is missing.",
            slips(
                plain_information_bound,
                {"math.log(candidates) - loss": "loss"},
                {"math.log(candidates) - loss": "-loss"},
            ),
        ),
        Misconception(
            "The loss is summed over the queries. The bound is about one pair: take the mean.",
            slips(
                plain_information_bound,
                {"torch.arange(queries))": "torch.arange(queries), reduction='sum')"},
            ),
        ),
    ),
    hints=(
        "Work it out for two candidates: what is the largest value that log 2 minus a cross-entropy can have? And "
        "what does the function give when the partner's score is huge?",
        "Compare its denominator with that of a softmax.",
        "`torch.nn.functional.cross_entropy(scores, torch.arange(queries))` is the loss.",
    ),
)
