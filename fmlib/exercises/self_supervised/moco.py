"""MoCo's parts: info_nce, enqueue and momentum_update."""

import torch
import torch.nn.functional as F
from torch import nn

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import Notes, watch
from fmlib.self_supervised.moco import enqueue, info_nce, momentum_update


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
update, and the queue is the past.
""",
    starter='''
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
            slips(plain_info_nce, {"keys.detach()": "keys"}),
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


def plain_enqueue(queue, keys, start):
    rows = [(start + i) % len(queue) for i in range(len(keys))]
    queue = queue.clone()
    queue[rows] = keys.detach()
    return queue, (start + len(keys)) % len(queue)


def queue_and_keys(generator, size, batch, start, dtype=torch.float32):
    queue = torch.randn(size, 2, generator=generator, dtype=dtype)
    return {"queue": queue, "keys": torch.randn(batch, 2, generator=generator, dtype=dtype), "start": start}


ENQUEUE = Exercise(
    name="enqueue",
    chapter="self_supervised",
    title="The MoCo queue",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
MoCo's queue is a ring: `queue` is `[size, dim]`, `start` the row of its oldest key. Write the new
`keys`, `[batch, dim]`, over the oldest ones, from row `start` on; after the last row comes row 0.
Return the new queue and the row where the next batch goes. Leave the caller's queue alone, and store
the keys without their gradient. `batch` is at most `size`.
""",
    starter='''
def enqueue(queue, keys, start):
    """The queue with the oldest rows replaced by keys, and the next start."""
    raise NotImplementedError("write enqueue")
''',
    reference=enqueue,
    observe=watch(result=("the new queue", "the new start"), no_gradient=("keys",)),
    cases=(
        Case("5 rows, 2 keys, start 1", lambda g: queue_and_keys(g, 5, 2, 1)),
        Case("5 rows, 3 keys, start 4: over the end", lambda g: queue_and_keys(g, 5, 3, 4)),
        Case("4 rows, 2 keys, start 2: just to the end", lambda g: queue_and_keys(g, 4, 2, 2)),
        Case("3 rows, 3 keys, start 1: all are replaced", lambda g: queue_and_keys(g, 3, 3, 1)),
        Case("1 row, 1 key", lambda g: queue_and_keys(g, 1, 1, 0)),
        Case("float64", lambda g: queue_and_keys(g, 7, 4, 5, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The queue does not wrap round: keys that do not fit before its end must go on at row "
            "0. Take the row numbers modulo `len(queue)`.",
            slips(
                plain_enqueue,
                {"queue[rows] = keys": "queue[start : start + len(keys)] = keys"},
                {"(start + i) % len(queue)": "start + i"},
                {"queue[rows] = keys": "queue[start:][: len(keys)] = keys[: len(queue) - start]"},
                {"(start + i) % len(queue)": "min(start + i, len(queue) - 1)"},
                {"rows =": "start = start if start + len(keys) <= len(queue) else 0\n    rows ="},
            ),
        ),
        Misconception(
            "The new start runs past the end of the queue: when it reaches `len(queue)`, it is 0 again.",
            slips(plain_enqueue, {"(start + len(keys)) % len(queue)": "start + len(keys)"}),
        ),
        Misconception(
            "The start does not move by the number of keys, so the next batch would overwrite the "
            "newest keys, not the oldest.",
            slips(
                plain_enqueue,
                {"(start + len(keys)) % len(queue)": "start"},
                {"(start + len(keys)) % len(queue)": "(start + 1) % len(queue)"},
                {"(start + len(keys)) % len(queue)": "(start + len(keys) - 1) % len(queue)"},
                {"return queue, (start + len(keys)) % len(queue)": "return queue, 0"},
            ),
        ),
        Misconception(
            "The caller's queue was changed in place. The loss of this step may still need the "
            "old keys: work on `queue.clone()`.",
            slips(plain_enqueue, {"queue.clone()": "queue"}),
        ),
        Misconception(
            "The stored keys still hang on their graph: each step would keep all earlier steps in "
            "memory. Store `keys.detach()`.",
            slips(plain_enqueue, {"keys.detach()": "keys"}),
        ),
        Misconception(
            "You move the whole queue along to make room at one end. Rows stay where they are: "
            "only those from `start` on are overwritten, which copies `batch` rows, not all.",
            slips(
                plain_enqueue,
                {"queue[rows] = keys.detach()": "queue = torch.cat([queue[len(keys):], keys.detach()])"},
                {
                    "queue[rows] = keys.detach()": "queue = torch.cat([keys.detach(), queue[:len(queue) - len(keys)]])"
                },
                {
                    "queue[rows] = keys.detach()": "queue = queue.roll(-len(keys), 0); queue[rows] = keys.detach()"
                },
            ),
        ),
        Misconception(
            "The queue grows. It keeps its size: each new key replaces an old one.",
            (
                *slips(
                    plain_enqueue,
                    {"queue[rows] = keys.detach()": "queue = torch.cat([queue, keys.detach()])"},
                ),
                lambda queue, keys, start: (
                    torch.cat([queue, keys.detach()]),
                    (start + len(keys)) % len(queue),
                ),
                lambda queue, keys, start: (torch.cat([queue, keys.detach()]), start + len(keys)),
                lambda queue, keys, start: (torch.cat([queue, keys.detach()]), len(queue) + len(keys)),
            ),
        ),
        Misconception(
            "The keys are written from row 0, wherever `start` is.",
            slips(plain_enqueue, {"(start + i) %": "i %"}),
        ),
    ),
    hints=(
        "Which rows do three keys go to in a queue of five, when `start` is 4? Rows 4, 0 and 1.",
        "`(start + torch.arange(len(keys))) % len(queue)` are those rows, and the same "
        "remainder gives the new start.",
        "`queue = queue.clone()` first, then `queue[rows] = keys.detach()`.",
    ),
)


def plain_momentum_update(key_encoder, query_encoder, momentum=0.99):
    with torch.no_grad():
        for key, query in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
            key.copy_(momentum * key + (1 - momentum) * query)
        for key, query in zip(key_encoder.buffers(), query_encoder.buffers(), strict=True):
            key.copy_(query)


def two_encoders(generator, norm=False, frozen=True, dtype=torch.float32):
    """Two networks of one shape with different weights, and different running statistics where there are any."""

    def network():
        layers = nn.Sequential(nn.Linear(3, 2), *([nn.BatchNorm1d(2)] if norm else [])).to(dtype)
        for tensor in layers.state_dict().values():
            low, high = (1, 9) if tensor.dtype == torch.int64 else (-1, 1)
            tensor.copy_(
                low + (high - low) * torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            )
        return layers

    return {"key_encoder": network().requires_grad_(not frozen), "query_encoder": network()}


def watch_encoders(function, inputs) -> Notes:
    """What became of both networks. Parameters are held from before the call: replacing them is not an update in place."""
    key_encoder, query_encoder = inputs["key_encoder"], inputs["query_encoder"]
    held = dict(key_encoder.named_parameters())
    before = {name: value.clone() for name, value in query_encoder.state_dict().items()}
    function(*inputs.values())
    after = query_encoder.state_dict()
    moved = any(not torch.equal(value, after[name]) for name, value in before.items())
    return {
        **{f"`{name}` of the key encoder": value.detach() for name, value in held.items()},
        **{
            f"buffer `{name}` of the key encoder": value.detach()
            for name, value in key_encoder.named_buffers()
        },
        "whether the query encoder changed": moved,
        "whether the key encoder hangs on a graph": not all(value.is_leaf for value in held.values()),
    }


MOMENTUM_UPDATE = Exercise(
    name="momentum_update",
    chapter="self_supervised",
    title="The momentum update",
    kind="write",
    difficulty=1,
    minutes=10,
    goal=r"""
The key encoder is a slow copy of the query encoder. Move each of its parameters, in place and without a
gradient, by

$$\theta_k \leftarrow m\,\theta_k + (1 - m)\,\theta_q$$

with momentum $m$, and copy the buffers (the running statistics of batch norm) as they are. The query
encoder stays as it is. Both are `nn.Module`s of the same shape; nothing is returned.
""",
    starter='''
def momentum_update(key_encoder, query_encoder, momentum=0.99):
    """Move the key encoder a small step towards the query encoder, in place."""
    raise NotImplementedError("write momentum_update")
''',
    reference=momentum_update,
    observe=watch_encoders,
    cases=(
        Case("a linear layer, momentum 0.9", lambda g: {**two_encoders(g), "momentum": 0.9}),
        Case("the default momentum", lambda g: two_encoders(g)),
        Case("with batch norm, momentum 0.75", lambda g: {**two_encoders(g, norm=True), "momentum": 0.75}),
        Case("momentum 0: a copy", lambda g: {**two_encoders(g, norm=True), "momentum": 0.0}),
        Case("momentum 1: parameters stay", lambda g: {**two_encoders(g), "momentum": 1.0}),
        Case(
            "a key encoder that takes gradients", lambda g: {**two_encoders(g, frozen=False), "momentum": 0.8}
        ),
        Case("float64", lambda g: {**two_encoders(g, norm=True, dtype=torch.float64), "momentum": 0.6}),
    ),
    misconceptions=(
        Misconception(
            "The momentum is the wrong way round: the key encoder keeps the share `momentum` of "
            "itself and takes `1 - momentum` of the query encoder. Yours nearly jumps to the "
            "query encoder.",
            slips(
                plain_momentum_update,
                {"momentum * key + (1 - momentum) * query": "momentum * query + (1 - momentum) * key"},
            ),
        ),
        Misconception(
            "You moved the query encoder. It learns by gradient; the key encoder is the one that follows.",
            slips(
                plain_momentum_update,
                {
                    "for key, query in zip(key_encoder.p": "for query, key in zip(key_encoder.p",
                    "for key, query in zip(key_encoder.b": "for query, key in zip(key_encoder.b",
                },
                {"key.copy_(momentum *": "query.copy_(momentum *"},
            ),
        ),
        Misconception(
            "The key encoder's parameters are as before: `key = ...` binds a name to a new "
            "tensor, and a replaced parameter is not the old one. Change it in place, as "
            "`key.copy_`, `key.mul_` or `key.lerp_` do.",
            slips(
                plain_momentum_update,
                {"key.copy_(momentum * key + (1 - momentum) * query)": "pass"},
                {"key.copy_(momentum * key + (1 - momentum) * query)": "pass", "key.copy_(query)": "pass"},
            ),
        ),
        Misconception(
            "The update is recorded in a graph. Nothing must flow back through it, and the graph "
            "would grow at every step: put it under `torch.no_grad()`.",
            slips(
                plain_momentum_update,
                {"with torch.no_grad():": "if True:"},
                {
                    "with torch.no_grad():": "if True:",
                    "key.copy_(momentum * key + (1 - momentum) * query)": "key.mul_(momentum).add_((1 - momentum) * query)",
                },
            ),
        ),
        Misconception(
            "The key encoder became a plain copy: with `momentum` near 1 it should hardly move in a step.",
            slips(
                plain_momentum_update,
                {"key.copy_(momentum * key + (1 - momentum) * query)": "key.copy_(1.0 * query)"},
            ),
        ),
        Misconception(
            "The two shares do not add up to 1. Both terms are weighted, `momentum` and `1 - "
            "momentum`, else the weights drift.",
            slips(
                plain_momentum_update,
                {"momentum * key + (1 - momentum) * query": "momentum * key + query"},
                {"momentum * key + (1 - momentum) * query": "key + (1 - momentum) * query"},
            ),
        ),
        Misconception(
            "The buffers were left behind: batch norm's running statistics are no parameters. "
            "Copy `buffers()` too, or the key encoder normalizes with statistics of the first "
            "step.",
            slips(plain_momentum_update, {"key.copy_(query)": "pass"}),
        ),
        Misconception(
            "The buffers were averaged. They are running averages already (and one is a count): "
            "copy them as they are.",
            slips(
                plain_momentum_update,
                {
                    "            key.copy_(query)": "            key.copy_(momentum * key + (1 - momentum) * query)"
                },
                {
                    "            key.copy_(query)": "            key.copy_(momentum * key + (1 - momentum) * query if "
                    "key.is_floating_point() else query)"
                },
                {
                    "            key.copy_(query)": "            key.copy_(momentum * key + (1 - momentum) * query if "
                    "key.is_floating_point() else key)"
                },
            ),
        ),
    ),
    hints=(
        "`zip(key_encoder.parameters(), query_encoder.parameters())` walks through both "
        "networks side by side.",
        "Assigning to the loop variable changes nothing outside. The methods that end in an "
        "underscore change a tensor in place.",
        "Under `with torch.no_grad():`, `key.mul_(momentum).add_((1 - momentum) * query)` for "
        "parameters and `key.copy_(query)` for `buffers()`.",
    ),
)
