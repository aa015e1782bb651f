"""Top-p: top_p_filter."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.llm.generation.filters import logits_of, watch_kept
from fmlib.llm.generation.sampling import top_p_filter


def plain_top_p(logits, p):
    ordered, order = logits.sort(dim=-1, descending=True)
    probability = ordered.softmax(-1)
    before = probability.cumsum(-1) - probability
    outside = before >= p if p < 1 else torch.zeros_like(before, dtype=torch.bool)
    outside = torch.zeros_like(outside).scatter(-1, order, outside)
    return logits.masked_fill(outside, float("-inf"))


TOP_P_FILTER = Exercise(
    name="top_p_filter",
    chapter="llm",
    title="The nucleus",
    kind="write",
    difficulty=2,
    minutes=20,
    goal="""
`logits` is `[batch, vocab]`, `p` a number in (0, 1]. In each row keep the *nucleus*: go through the tokens
from the likeliest down, and stop with the one with which their probabilities together reach `p`; that one
still belongs to it. Return `[batch, vocab]`, each logit in its own place, with minus infinity outside the
nucleus. With `p = 1` everything stays. No two logits of a row are equal. Leave `logits` itself as it is. The
result has the dtype of `logits`, float32 or float64.
""",
    starter='''
import torch
import torch.nn.functional as F


def top_p_filter(logits, p):
    """The fewest tokens that together reach probability p keep their logits, the others get minus infinity."""
    raise NotImplementedError("write top_p_filter")
''',
    reference=top_p_filter,
    observe=watch_kept,
    cases=(
        Case("2 rows of 6, p = 0.8", lambda g: {"logits": logits_of(g, 2, 6), "p": 0.8}),
        Case("one token has more than p", lambda g: {"logits": logits_of(g, 3, 5, 8.0), "p": 0.3}),
        Case("p = 1", lambda g: {"logits": logits_of(g, 2, 7, 4.0), "p": 1.0}),
        Case(
            "p = 1, logits far apart",
            lambda g: {"logits": torch.tensor([[0.0, -20.0, -40.0], [-35.0, 0.0, -200.0]]), "p": 1.0},
        ),
        Case("nearly flat rows, p = 0.5", lambda g: {"logits": logits_of(g, 4, 9, 0.2), "p": 0.5}),
        Case("p = 0.95", lambda g: {"logits": logits_of(g, 3, 12), "p": 0.95}),
        Case("float64", lambda g: {"logits": logits_of(g, 1, 8, dtype=torch.float64), "p": 0.7}),
    ),
    misconceptions=(
        Misconception(
            "The token that crosses p is dropped. A token that alone has more than p then goes as well, though it is the "
            "likeliest of all, and nothing is left to draw. What counts is how much stands *before* a token.",
            slips(
                plain_top_p,
                {"probability.cumsum(-1) - probability": "probability.cumsum(-1)"},
                {
                    "probability.cumsum(-1) - probability": "probability.cumsum(-1)",
                    "before >= p if": "before > p if",
                },
            ),
        ),
        Misconception(
            "p = 1 needs a line of its own: rounded sums reach 1 before the last token, and the unlikeliest are lost.",
            slips(plain_top_p, {" if p < 1 else torch.zeros_like(before, dtype=torch.bool)": ""}),
        ),
        Misconception(
            "The likeliest token of all is dropped, whatever p is: shifting the marks by one place must not touch the "
            "first.",
            slips(
                plain_top_p,
                {
                    "outside = torch.zeros_like(outside)": "outside[..., 0] = True\n    outside = torch.zeros_like(outside)"
                },
            ),
        ),
        Misconception(
            "The wrong side is kept: the tail is left and the nucleus is gone.",
            slips(
                plain_top_p,
                {"before >= p if": "before < p if"},
                {"masked_fill(outside,": "masked_fill(~outside,"},
                {"descending=True": "descending=False"},
            ),
        ),
        Misconception(
            "The order of the sort is not undone. Places in the sorted row are not tokens: bring the marks back with "
            "`scatter` and the indices that `sort` gave.",
            (
                *slips(
                    plain_top_p,
                    {"torch.zeros_like(outside).scatter(-1, order, outside)": "outside"},
                    {"torch.zeros_like(outside).scatter(-1, order, outside)": "outside.gather(-1, order)"},
                    {
                        "torch.zeros_like(outside).scatter(-1, order, outside)": "outside",
                        "return logits.masked_fill": "return ordered.masked_fill",
                    },
                ),
            ),
        ),
        Misconception(
            "Each token's own probability is compared with p. The nucleus is what the likeliest tokens reach *together*: "
            "add up first.",
            slips(
                plain_top_p,
                {"probability.cumsum(-1) - probability": "1 - probability"},
                {"before >= p if": "probability < p if"},
                {"before >= p if": "probability < 1 - p if"},
            ),
        ),
        Misconception(
            "The sum runs over logits. Only probabilities add up to 1: apply the softmax before the sum.",
            slips(plain_top_p, {"ordered.softmax(-1)": "ordered"}),
        ),
        Misconception(
            "The sum runs over the batch. Each row is another text with a nucleus of its own: add along the vocabulary.",
            slips(
                plain_top_p,
                {"cumsum(-1)": "cumsum(0)"},
                {"ordered.softmax(-1)": "ordered.softmax(0)"},
                {"cumsum(-1)": "flatten().cumsum(0).view_as(probability)"},
            ),
        ),
        Misconception(
            "What is left out gets 0. A logit of 0 is as good as any, exp(0) = 1: only minus infinity has "
            "probability 0.",
            slips(plain_top_p, {'float("-inf")': "0.0"}),
        ),
        Misconception(
            "These are probabilities, not logits: whoever draws applies the softmax, and a second one makes what was left "
            "out likely again.",
            slips(plain_top_p, {'float("-inf"))': 'float("-inf")).softmax(-1)'}),
        ),
        Misconception(
            "The logits that came in are changed: make new ones.",
            slips(plain_top_p, {"masked_fill(": "masked_fill_("}),
        ),
    ),
    hints=(
        "Sort each row from the largest logit down, take the softmax, and add up along the row.",
        "A token is out when those before it already reach p: `cumsum - probability >= p`. For the first that is 0.",
        "`torch.zeros_like(outside).scatter(-1, order, outside)` brings the marks back to the tokens' own places.",
    ),
)
