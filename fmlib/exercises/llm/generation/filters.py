"""What is done to the logits before a token is drawn: apply_temperature and top_k_filter."""

import torch
from torch import Tensor

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import Notes
from fmlib.llm.generation.sampling import apply_temperature, top_k_filter

PROBABILITIES = "the probabilities (softmax of what is returned)"


def watch_probabilities(function, inputs) -> Notes:
    """What would be drawn: two sets of logits that give the same probabilities are equally right."""
    return _look(function, inputs)[0]


def watch_kept(function, inputs) -> Notes:
    """The same, and which tokens can be drawn at all: -20 is not minus infinity."""
    notes, returned = _look(function, inputs)
    if returned is not None:
        notes["whether each token can be drawn"] = returned.double().softmax(-1) > 0
    return notes


def _look(function, inputs) -> tuple[Notes, Tensor | None]:
    returned = function(*inputs.values())
    usable = (
        isinstance(returned, Tensor) and returned.is_floating_point() and returned.layout == torch.strided
    )
    if not usable or not returned.ndim:
        return {PROBABILITIES: returned}, None
    return {
        "whether a logit is nan": Fact(
            bool(returned.isnan().any()), "what you return has nan in it", "what you return has no nan"
        ),
        PROBABILITIES: returned.softmax(-1),
    }, returned


def logits_of(generator, batch, vocab, spread=2.0, dtype=torch.float32):
    return spread * torch.randn(batch, vocab, generator=generator, dtype=dtype)


def plain_temperature(logits, temperature):
    return logits / temperature


APPLY_TEMPERATURE = Exercise(
    name="apply_temperature",
    chapter="llm",
    title="Temperature",
    kind="write",
    difficulty=1,
    minutes=5,
    goal="""
`logits` is `[batch, vocab]`, `temperature` a positive number. Return new logits `[batch, vocab]` whose
softmax is proportional to $p^{1/T}$, where $p$ is the softmax of `logits` and $T$ the temperature. The
probabilities must be sharper below 1 and flatter above; leave `logits` itself as it is. The result has the
dtype of `logits`, float32 or float64.
""",
    starter='''
import torch


def apply_temperature(logits, temperature):
    """Logits [batch, vocab] of a sharper or flatter distribution."""
    raise NotImplementedError("write apply_temperature")
''',
    reference=apply_temperature,
    observe=watch_probabilities,
    cases=(
        Case("2 rows, temperature 0.5", lambda g: {"logits": logits_of(g, 2, 5), "temperature": 0.5}),
        Case("temperature 2", lambda g: {"logits": logits_of(g, 3, 4), "temperature": 2.0}),
        Case("temperature 0.01", lambda g: {"logits": logits_of(g, 2, 6), "temperature": 0.01}),
        Case("float64", lambda g: {"logits": logits_of(g, 1, 7, dtype=torch.float64), "temperature": 1.3}),
    ),
    misconceptions=(
        Misconception(
            "The temperature is on the wrong side. Multiplying makes a low temperature flat and a high one "
            "sharp: divide the logits by it.",
            slips(plain_temperature, {"/": "*"}),
        ),
        Misconception(
            "The temperature comes after the softmax. Probabilities divided by a number are no probabilities, "
            "and a second softmax makes nearly all of them alike: divide the logits, before any softmax.",
            slips(plain_temperature, {"logits / temperature": "logits.softmax(-1) / temperature"}),
        ),
        Misconception(
            "These are probabilities, not logits. Whoever draws applies the softmax once; twice makes nearly all "
            "tokens alike.",
            slips(plain_temperature, {"logits / temperature": "(logits / temperature).softmax(-1)"}),
        ),
        Misconception(
            "A power of the logits is not a power of the probabilities. $p$ is an exponential of the logits, so "
            "$p^{1/T}$ is what you get from dividing them by T.",
            slips(
                plain_temperature,
                {"logits / temperature": "logits ** (1 / temperature)"},
                {"logits / temperature": "logits.softmax(-1) ** (1 / temperature)"},
            ),
        ),
        Misconception(
            "The logits that came in are changed. Whoever called may still need them, e.g. for another "
            "temperature: make new ones.",
            slips(plain_temperature, {"logits / temperature": "logits.div_(temperature)"}),
        ),
    ),
    hints=(
        "The softmax is exp(logit) over a sum. What must happen to the logit for exp(logit) to become exp(logit)^(1/T)?",
        "exp(x)^(1/T) = exp(x / T).",
    ),
)


def plain_top_k(logits, k):
    k = min(k, logits.shape[-1])
    lowest = logits.topk(k, dim=-1).values[:, -1:]
    return logits.masked_fill(logits < lowest, float("-inf"))


TOP_K_FILTER = Exercise(
    name="top_k_filter",
    chapter="llm",
    title="Top-k",
    kind="write",
    difficulty=1,
    minutes=10,
    goal="""
`logits` is `[batch, vocab]`, `k` a whole number of at least 1. Return `[batch, vocab]`: in each row the
k largest logits as they are, and minus infinity for all others, so that those are never drawn. With `k`
above the size of the vocabulary everything stays. No two logits of a row are equal. Leave `logits`
itself as it is. The result has the dtype of `logits`, float32 or float64.
""",
    starter='''
import torch


def top_k_filter(logits, k):
    """The k likeliest tokens of each row keep their logits, the others get minus infinity."""
    raise NotImplementedError("write top_k_filter")
''',
    reference=top_k_filter,
    observe=watch_kept,
    cases=(
        Case("2 rows of 6, k = 3", lambda g: {"logits": logits_of(g, 2, 6), "k": 3}),
        Case("k = 1", lambda g: {"logits": logits_of(g, 3, 5), "k": 1}),
        Case("k larger than the vocabulary", lambda g: {"logits": logits_of(g, 2, 4), "k": 9}),
        Case("all logits negative", lambda g: {"logits": logits_of(g, 2, 7) - 20, "k": 4}),
        Case("float64", lambda g: {"logits": logits_of(g, 1, 8, dtype=torch.float64), "k": 2}),
    ),
    misconceptions=(
        Misconception(
            "What is left out gets 0. A logit of 0 is as good as any, exp(0) = 1: only minus infinity has "
            "probability 0.",
            slips(plain_top_k, {'float("-inf")': "0.0"}),
        ),
        Misconception(
            "The k-th token is dropped, too: it is the lowest of those that stay. Compare with `<`, not `<=`.",
            slips(plain_top_k, {"logits < lowest": "logits <= lowest"}),
        ),
        Misconception(
            "One token too many stays.",
            slips(plain_top_k, {"min(k, logits.shape[-1])": "min(k + 1, logits.shape[-1])"}),
        ),
        Misconception(
            "The k least likely tokens stay. `topk` takes the largest unless told otherwise, and what lies below the "
            "k-th of them goes.",
            slips(
                plain_top_k,
                {"topk(k, dim=-1)": "topk(k, dim=-1, largest=False)", "logits < lowest": "logits > lowest"},
                {"logits < lowest": "logits >= lowest"},
            ),
        ),
        Misconception(
            "The rows share one limit. Each row is another text: it keeps k tokens of its own.",
            slips(
                plain_top_k,
                {"logits.topk(k, dim=-1).values[:, -1:]": "logits.flatten().topk(k).values[-1]"},
                {"values[:, -1:]": "values[:, -1].min()"},
                {"values[:, -1:]": "values[:, -1].max()"},
                {"values[:, -1:]": "values[:1, -1:]"},
            ),
        ),
        Misconception(
            "Only k logits come back, or in another order. Their place says which token they belong to: return all of the "
            "vocabulary, with minus infinity for the others.",
            slips(
                plain_top_k,
                {'logits.masked_fill(logits < lowest, float("-inf"))': "logits.topk(k, dim=-1).values"},
                {
                    'logits.masked_fill(logits < lowest, float("-inf"))': "logits.sort(descending=True).values"
                    '.masked_fill(torch.arange(logits.shape[-1]) >= k, float("-inf"))'
                },
            ),
        ),
        Misconception(
            "`k` may be larger than the vocabulary, and `topk` refuses that: take the smaller of the two.",
            slips(plain_top_k, {"min(k, logits.shape[-1])": "k"}),
        ),
        Misconception(
            "These are probabilities, not logits: whoever draws applies the softmax, and a second one makes what was left "
            "out likely again.",
            slips(plain_top_k, {'float("-inf"))': 'float("-inf")).softmax(-1)'}),
        ),
        Misconception(
            "The logits that came in are changed: make new ones.",
            slips(plain_top_k, {"masked_fill(": "masked_fill_("}),
        ),
    ),
    hints=(
        "`logits.topk(k, dim=-1)` gives the k largest of each row. The smallest of those is the limit.",
        "Everything below the limit becomes minus infinity: `logits.masked_fill(where, float('-inf'))`.",
        "The limit as a column: `.values[:, -1:]`. And k at most `logits.shape[-1]`.",
    ),
)
