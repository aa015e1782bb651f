"""The repetition penalty."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.llm.generation.filters import logits_of, watch_probabilities
from fmlib.llm.generation.sampling import repetition_penalty


def plain_penalty(logits, tokens, penalty):
    logits = logits.clone()
    for i, row in enumerate(tokens):
        for token in row.unique():
            if logits[i, token] < 0:
                logits[i, token] *= penalty
            else:
                logits[i, token] /= penalty
    return logits


def subtracted_penalty(logits, tokens, penalty):
    seen = torch.zeros_like(logits).scatter(1, tokens, 1.0)
    return logits - penalty * seen


def penalty_on_probabilities(logits, tokens, penalty):
    seen = torch.zeros_like(logits).scatter(1, tokens, 1.0).bool()
    probability = logits.softmax(-1)
    return torch.where(seen, probability / penalty, probability).log()


def penalty_in_place(logits, tokens, penalty):
    score = logits.gather(1, tokens)
    return logits.scatter_(1, tokens, torch.where(score < 0, score * penalty, score / penalty))


def penalty_inputs(generator, batch, length, vocab, penalty, shift=0.0, dtype=torch.float32):
    logits = logits_of(generator, batch, vocab, dtype=dtype) + shift
    return {
        "logits": logits,
        "tokens": torch.randint(0, vocab, (batch, length), generator=generator),
        "penalty": penalty,
    }


REPETITION_PENALTY = Exercise(
    name="repetition_penalty",
    chapter="llm",
    title="The repetition penalty",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
`logits` is `[batch, vocab]`, `tokens` is `[batch, length]`: what each row has so far. `penalty` is at
least 1. Return logits `[batch, vocab]` in which every token that its row already has is less likely: a
positive logit is divided by the penalty, a negative one multiplied by it. A token is penalized once,
however often it is there. Leave `logits` itself as it is. The result has the dtype of `logits`, float32
or float64.
""",
    starter='''
import torch
import torch.nn.functional as F


def repetition_penalty(logits, tokens, penalty):
    """Logits [batch, vocab] that are lower for what is already there."""
    raise NotImplementedError("write repetition_penalty")
''',
    reference=repetition_penalty,
    observe=watch_probabilities,
    cases=(
        Case("2 rows of 6, 3 tokens each", lambda g: penalty_inputs(g, 2, 3, 6, 1.5)),
        Case("tokens that are there many times", lambda g: penalty_inputs(g, 3, 12, 5, 1.3)),
        Case("all logits negative", lambda g: penalty_inputs(g, 2, 3, 7, 1.4, shift=-10.0)),
        Case("penalty 1", lambda g: penalty_inputs(g, 2, 4, 5, 1.0)),
        Case("float64", lambda g: penalty_inputs(g, 2, 4, 9, 1.2, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "Negative logits are divided, too. That moves them toward 0, so the token becomes *likelier*: multiply "
            "those.",
            slips(plain_penalty, {"logits[i, token] *= penalty": "logits[i, token] /= penalty"}),
        ),
        Misconception(
            "Positive logits are multiplied: that is a reward, those tokens become likelier. Divide where the logit is "
            "positive, multiply where it is negative.",
            slips(
                plain_penalty,
                {"logits[i, token] < 0": "logits[i, token] >= 0"},
                {"logits[i, token] /= penalty": "logits[i, token] *= penalty"},
            ),
        ),
        Misconception(
            "A token is penalized for each time that it is there. Common words would soon be forbidden: once is enough.",
            slips(plain_penalty, {"row.unique()": "row"}),
        ),
        Misconception(
            "A row is penalized for tokens of other rows. Each row is another text.",
            slips(plain_penalty, {"row.unique()": "tokens.unique()"}),
        ),
        Misconception(
            "Tokens are penalized that are not there.",
            slips(
                plain_penalty,
                {"row.unique()": "range(logits.shape[1])"},
                {"row.unique()": "set(range(logits.shape[1])) - set(row.tolist())"},
            ),
        ),
        Misconception(
            "Only the last token is penalized. Everything that the row has counts.",
            slips(plain_penalty, {"row.unique()": "row[-1:]"}),
        ),
        Misconception(
            "The penalty is subtracted. This rule divides or multiplies, so that a penalty of 1 changes nothing.",
            (subtracted_penalty,),
        ),
        Misconception(
            "The probabilities are divided. This rule is for logits, before the softmax.",
            (penalty_on_probabilities,),
        ),
        Misconception(
            "The logits that came in are changed: make new ones.",
            (penalty_in_place, *slips(plain_penalty, {"logits = logits.clone()": "pass"})),
        ),
    ),
    hints=(
        "Make a table [batch, vocab] that is True where a row has a token: `scatter` writes it without a loop.",
        "`torch.where(logits < 0, logits * penalty, logits / penalty)` is the penalized version of all of them.",
        "`seen = torch.zeros_like(logits, dtype=torch.bool).scatter(1, tokens, True)`, then choose with `torch.where`.",
    ),
)
