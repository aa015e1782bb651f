"""Counting with smoothing: discounted_probabilities."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.llm.pretraining.ngrams import discounted_probabilities


def plain_discounted(counts, shorter, discount):
    total = counts.sum()
    if total == 0:
        return shorter
    counts = counts.to(shorter.dtype)
    kept = (counts - discount).clamp(min=0) / total
    freed = discount * (counts > 0).sum() / total
    return kept + freed * shorter


def backing_off(counts, shorter, discount):
    """Katz: the shorter context speaks only where the longer one has seen nothing."""
    total = counts.sum()
    if total == 0:
        return shorter
    kept = (counts - discount).clamp(min=0) / total
    freed = discount * (counts > 0).sum() / total
    return torch.where(counts > 0, kept, freed * shorter)


def make(counts, discount, dtype=torch.float32):
    def case(generator):
        shorter = torch.rand(len(counts), generator=generator, dtype=dtype) + 0.1
        return {"counts": torch.tensor(counts), "shorter": shorter / shorter.sum(), "discount": discount}

    return case


DISCOUNTED_PROBABILITIES = Exercise(
    name="discounted_probabilities",
    chapter="llm",
    title="Nothing is impossible",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
After some context, `counts` (`[vocab]`, whole numbers) says how often each token followed in the training text. A token that
never did is not impossible. So every count that is not 0 gives up a `discount` $d$ (above 0, at most 1), and what they free
together is shared out as the context that is one token shorter expects it, `shorter` (`[vocab]`, sums to 1):

$$p(w) = \frac{\max(c_w - d,\, 0)}{\sum_v c_v} + \frac{d \cdot n}{\sum_v c_v} \; \text{shorter}(w)$$

with $n$ the number of *different* tokens that followed. Return `[vocab]` in the dtype of `shorter`, float32 or float64; it
sums to 1. After a context that was never seen (all counts 0), only `shorter` is left.
""",
    starter='''
import torch


def discounted_probabilities(counts, shorter, discount):
    """Probabilities of the next token, interpolated with those of a shorter context: [vocab]."""
    raise NotImplementedError("write discounted_probabilities")
''',
    reference=discounted_probabilities,
    cases=(
        Case("4 tokens, one never seen", make([3, 1, 0, 2], 0.75)),
        Case("a context that was never seen", make([0, 0, 0], 0.5)),
        Case("all tokens seen", make([5, 2, 7, 1, 1], 0.9)),
        Case("discount 1", make([1, 0, 0, 6, 1, 0], 1.0)),
        Case("only one token ever followed", make([0, 0, 9, 0], 0.3)),
        Case("float64", make([2, 0, 5], 0.6, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "A context that was never seen gives no probabilities: 0 / 0. Where the counts' sum is 0, return `shorter`.",
            slips(plain_discounted, {"    if total == 0:\n        return shorter\n": ""}),
        ),
        Misconception(
            "After a context that was never seen only the shorter one is left: return `shorter` there, not equal shares and "
            "not zeros.",
            slips(
                plain_discounted,
                {
                    "    if total == 0:\n        return shorter\n": "",
                    "counts.sum()": "counts.sum().clamp(min=1)",
                },
                {"return shorter": "return torch.full_like(shorter, 1 / len(shorter))"},
            ),
        ),
        Misconception(
            "Nothing is taken off the counts, but something is added: the probabilities sum to more than 1.",
            slips(plain_discounted, {"(counts - discount).clamp(min=0)": "counts"}),
        ),
        Misconception(
            "Counts of 0 gave up a discount, too, and became negative. Cut off at 0.",
            slips(plain_discounted, {".clamp(min=0)": ""}),
        ),
        Misconception(
            "What is freed is `discount` for each *different* token that followed, so the more of them, the more goes to "
            "the shorter context. With a fixed share the probabilities don't sum to 1.",
            slips(
                plain_discounted,
                {"discount * (counts > 0).sum() / total": "discount / total"},
                {"discount * (counts > 0).sum() / total": "discount"},
                {"discount * (counts > 0).sum() / total": "1 - discount"},
                {"(counts > 0).sum()": "len(counts)"},
                {"(counts > 0).sum()": "(counts == 0).sum()"},
            ),
        ),
        Misconception(
            "The shorter context speaks only for tokens never seen (that is *backing off*, and needs another share to sum "
            "to 1). Here it speaks for all: a count is evidence, not a verdict.",
            (backing_off,),
        ),
        Misconception(
            "What was freed is shared out evenly. The shorter context knows better: it says which tokens are frequent.",
            slips(plain_discounted, {"freed * shorter": "freed / len(counts)"}),
        ),
        Misconception(
            "What was freed is missing: unseen tokens are still impossible, and the sum is below 1.",
            slips(plain_discounted, {"return kept + freed * shorter": "return kept"}),
        ),
        Misconception(
            "You mix with a fixed weight (`discount`) and leave the counts alone. That sums to 1, but trusts a context seen "
            "once as much as one seen a thousand times.",
            slips(
                plain_discounted,
                {
                    "kept = (counts - discount).clamp(min=0) / total": "kept = (1 - discount) * counts / total",
                    "discount * (counts > 0).sum() / total": "discount",
                },
            ),
        ),
    ),
    hints=(
        "Take the case `[3, 1, 0, 2]` with a discount of 0.75. What is left of each count, and how much was freed in all?",
        "`(counts - discount).clamp(min=0) / total` is kept; `discount` times the number of counts above 0, over the total, "
        "is freed.",
        "Multiply what is freed by `shorter`, and treat a total of 0 on its own.",
    ),
)
