"""The loss with a queue: info_nce."""

import torch
import torch.nn.functional as F

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.contrastive.moco import info_nce


def plain_info_nce(query, keys, queue, temperature=0.2):
    query = F.normalize(query, dim=1)
    keys = F.normalize(keys.detach(), dim=1)
    negatives = F.normalize(queue.detach(), dim=1)
    positive = torch.einsum("bd,bd->b", query, keys)[:, None]
    logits = torch.cat([positive, query @ negatives.T], dim=1) / temperature
    target = torch.zeros(len(query), dtype=torch.long)
    return F.cross_entropy(logits, target)


def queries_keys_queue(generator, batch, size, dim, dtype=torch.float32, length=1.0):
    """Queries with keys that agree in part, and a queue that has nothing to do with them."""
    query = torch.randn(batch, dim, generator=generator, dtype=dtype)
    keys = query + torch.randn(batch, dim, generator=generator, dtype=dtype)
    queue = torch.randn(size, dim, generator=generator, dtype=dtype)
    return {"query": query, "keys": keys * length, "queue": queue / length}


INFO_NCE = Exercise(
    name="info_nce",
    chapter="self_supervised",
    title="MoCo's loss",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
`query` and `keys` are `[batch, dim]`, row i of both from picture i; `queue` is `[size, dim]`, keys of
earlier batches; all of any length. Each query must pick its own key among that key and everything in
the queue: `1 + size` candidates, scored by cosine similarity divided by `temperature`. Return the mean
cross-entropy as a scalar. A gradient reaches `query` only: the key encoder learns by the momentum
update, and the queue is the past. All three inputs have one dtype, float32 or float64, and the
result has it too.
""",
    starter='''
import torch
import torch.nn.functional as F


def info_nce(query, keys, queue, temperature=0.2):
    """Mean cross-entropy of each query finding its key among the queue: a scalar."""
    raise NotImplementedError("write info_nce")
''',
    reference=info_nce,
    observe=watch(gradient=("query",), no_gradient=("keys", "queue")),
    cases=(
        Case(
            "3 queries, a queue of 5, temperature 0.2",
            lambda g: {**queries_keys_queue(g, 3, 5, 4), "temperature": 0.2},
        ),
        Case("1 query, a queue of 1", lambda g: {**queries_keys_queue(g, 1, 1, 3), "temperature": 0.5}),
        Case(
            "more queries than the queue has rows",
            lambda g: {**queries_keys_queue(g, 5, 2, 4), "temperature": 0.5},
        ),
        Case("the default temperature", lambda g: queries_keys_queue(g, 4, 6, 8)),
        Case(
            "keys ten times as long",
            lambda g: {**queries_keys_queue(g, 3, 4, 4, length=10.0), "temperature": 0.5},
        ),
        Case("float64", lambda g: {**queries_keys_queue(g, 4, 7, 5, torch.float64), "temperature": 0.3}),
    ),
    misconceptions=(
        Misconception(
            "The keys get a gradient. In MoCo only the queries learn from the loss; the key "
            "encoder follows by momentum. Detach the keys, or its weights are pulled twice.",
            slips(
                plain_info_nce,
                {"keys.detach()": "keys"},
                {"keys.detach()": "keys", "queue.detach()": "queue"},
            ),
        ),
        Misconception(
            "The queue gets a gradient. Its rows come from earlier steps, whose graphs are gone: detach it.",
            slips(plain_info_nce, {"queue.detach()": "queue"}),
        ),
        Misconception(
            "The queries get no gradient, so nothing learns: detach keys and queue only, and "
            "return the tensor itself.",
            slips(
                plain_info_nce,
                {"F.normalize(query, dim=1)": "F.normalize(query.detach(), dim=1)"},
                {"(logits, target)": "(logits, target).detach()"},
                {"(logits, target)": "(logits, target).item()"},
            ),
        ),
        Misconception(
            "Not everything is normalized. Queries, keys and queue all get rows of length 1, else "
            "a long key wins whatever its direction.",
            slips(
                plain_info_nce,
                {
                    "F.normalize(query, dim=1)": "query",
                    "F.normalize(keys.detach(), dim=1)": "keys.detach()",
                    "F.normalize(queue.detach(), dim=1)": "queue.detach()",
                },
                {
                    "F.normalize(keys.detach(), dim=1)": "keys.detach()",
                    "F.normalize(queue.detach(), dim=1)": "queue.detach()",
                },
                {"F.normalize(query, dim=1)": "query"},
                {"F.normalize(keys.detach(), dim=1)": "keys.detach()"},
                {"F.normalize(queue.detach(), dim=1)": "queue.detach()"},
            ),
        ),
        Misconception(
            "The temperature is on the wrong side: similarities are divided by it.",
            slips(plain_info_nce, {"/ temperature": "* temperature"}),
        ),
        Misconception(
            "Only some logits are divided by the temperature, or none: positives and negatives "
            "must be on one scale.",
            slips(
                plain_info_nce,
                {"/ temperature": "/ 1.0"},
                {"keys)[:, None]": "keys)[:, None] / temperature", ", dim=1) / temperature": ", dim=1)"},
                {"query @ negatives.T], dim=1) / temperature": "query @ negatives.T / temperature], dim=1)"},
            ),
        ),
        Misconception(
            "The target is not where the positive is. If the positive is the first column, its "
            "class is 0 for every row.",
            slips(
                plain_info_nce,
                {"torch.zeros(len(query), dtype=torch.long)": "torch.full((len(query),), len(queue))"},
                {"[positive, query @ negatives.T]": "[query @ negatives.T, positive]"},
            ),
        ),
        Misconception(
            "Every query is scored against all keys of the batch. Its positive is one number, the "
            "similarity with its own key; the negatives are the queue.",
            slips(
                plain_info_nce,
                {'torch.einsum("bd,bd->b", query, keys)[:, None]': "query @ keys.T"},
                {
                    'torch.einsum("bd,bd->b", query, keys)[:, None]': "query @ keys.T",
                    "torch.zeros(len(query), dtype=torch.long)": "torch.arange(len(query))",
                },
            ),
        ),
        Misconception(
            "The queue is not used: those are the batch's own keys as negatives, as in SimCLR. "
            "MoCo takes them from the queue.",
            slips(
                plain_info_nce,
                {
                    "torch.cat([positive, query @ negatives.T], dim=1)": "query @ keys.T",
                    "torch.zeros(len(query), dtype=torch.long)": "torch.arange(len(query))",
                },
            ),
        ),
        Misconception(
            "The positive is missing from the denominator: the softmax runs over the key and the queue.",
            slips(
                plain_info_nce,
                {"F.cross_entropy(logits, target)": "(logits[:, 1:].logsumexp(dim=1) - logits[:, 0]).mean()"},
            ),
        ),
        Misconception(
            "The loss is summed where it should be averaged over the queries.",
            slips(plain_info_nce, {"(logits, target)": "(logits, target, reduction='sum')"}),
        ),
    ),
    hints=(
        "One logit for the positive, `[batch, 1]`, then one for each row of the queue, "
        "`[batch, size]`, side by side.",
        "The positive of row i is the dot product of row i of `query` and row i of `keys`, "
        "once all rows have length 1: multiply and sum over `dim=1`, keeping the dimension.",
        "With the positive in column 0, the target is a tensor of zeros. `keys.detach()` and "
        "`queue.detach()` keep the gradient out; divide all logits by the temperature.",
    ),
)
