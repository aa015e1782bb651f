"""The queue of keys: enqueue."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.contrastive.moco import enqueue


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
the keys without their gradient. `batch` is at most `size`. `queue` and `keys` have one dtype, float32 or
float64; the new queue has it, too, and shares no memory with what came in.
""",
    starter='''
import torch


def enqueue(queue, keys, start):
    """The queue with the oldest rows replaced by keys, and the next start."""
    raise NotImplementedError("write enqueue")
''',
    reference=enqueue,
    observe=watch(result=("the new queue", "the new start"), no_gradient=("keys",), apart=("queue", "keys")),
    cases=(
        Case("5 rows, 2 keys, start 1", lambda g: queue_and_keys(g, 5, 2, 1)),
        Case("5 rows, 3 keys, start 4: over the end", lambda g: queue_and_keys(g, 5, 3, 4)),
        Case("4 rows, 2 keys, start 2: just to the end", lambda g: queue_and_keys(g, 4, 2, 2)),
        Case("3 rows, 3 keys, start 1: all are replaced", lambda g: queue_and_keys(g, 3, 3, 1)),
        Case("3 rows, 3 keys, start 0", lambda g: queue_and_keys(g, 3, 3, 0)),
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
                {"rows =": "keys = keys[: len(queue) - start]\n    rows ="},
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
