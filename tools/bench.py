"""Time our parts against the reference libraries' in one process, run by run in turn, and keep the ratios.

    python tools/bench.py             measure, print a table, write benchmarks/results.json
    python tools/bench.py nt_xent     only some

A ratio above 1 means that ours is faster. Medians of interleaved runs, so that a machine whose speed drifts slows both
sides alike. Memory is what the tensors of one run take at its highest point, as torch's profiler counts it.
"""

import argparse
import datetime
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

import bench_language
import torch

from fmlib import scale
from fmlib._files import atomic_write_text

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results.json"


@dataclass(frozen=True)
class Bench:
    """Two ways to do the same.

    Args:
        what: in words.
        peer: the package that theirs comes from.
        make: returns the two functions, ours first, and a check that they agree.
        runs: of each side.
        judged: what the ratio is of, "time" or "memory".
    """

    what: str
    peer: str
    make: Callable[[], tuple[Callable[[], object], Callable[[], object], Callable[[], None]]]
    runs: int
    judged: str = "time"


def nt_xent_sides():
    from lightly.loss import NTXentLoss

    from fmlib.self_supervised.contrastive.simclr import nt_xent

    z1, z2 = torch.randn(2, 512, 128, generator=torch.Generator().manual_seed(0)).requires_grad_()
    z1, z2 = z1.detach().requires_grad_(), z2.detach().requires_grad_()
    reference = NTXentLoss(temperature=0.5)

    def gradients(loss):
        return torch.autograd.grad(loss, (z1, z2))

    def agree():
        a, b = z1.double(), z2.double()
        torch.testing.assert_close(nt_xent(a, b, 0.5), reference(a, b), rtol=0, atol=1e-10)

    return lambda: gradients(nt_xent(z1, z2, 0.5)), lambda: gradients(reference(z1, z2)), agree


def memory_bank_sides():
    from lightly.loss import NTXentLoss

    from fmlib.self_supervised.contrastive.moco import enqueue, info_nce

    query = torch.randn(256, 128, requires_grad=True)
    keys, queue = torch.randn(256, 128), torch.nn.functional.normalize(torch.randn(4096, 128), dim=1)
    reference = NTXentLoss(temperature=0.2, memory_bank_size=(4096, 128))
    reference.memory_bank.bank = queue.clone()
    state = {"queue": queue, "start": 0}

    def ours():
        loss = info_nce(query, keys, state["queue"], 0.2)
        state["queue"], state["start"] = enqueue(state["queue"], keys, state["start"])
        return torch.autograd.grad(loss, query)

    def theirs():
        return torch.autograd.grad(reference(query, keys), query)

    def agree():
        torch.testing.assert_close(
            info_nce(query, keys, queue, 0.2), reference(query, keys), rtol=0, atol=1e-4
        )

    return ours, theirs, agree


def augment_sides():
    from torchvision.transforms import v2

    from fmlib.augment import Augmentation, crop_and_resize

    images = torch.rand(128, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ours = Augmentation(crop=0.2, flip=0.5, jitter=0.8, strength=0.5, gray=0.2)
    theirs = v2.Compose(
        [
            v2.RandomResizedCrop(32, scale=(0.2, 1.0), antialias=False),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(0.2),
        ]
    )

    def agree():  # the random numbers differ by design; what is done with them must not
        box = torch.tensor([[3.0, 5.0, 20.0, 16.0]] * 128)
        expected = v2.functional.resized_crop(images, 5, 3, 16, 20, [32, 32], antialias=False)
        torch.testing.assert_close(crop_and_resize(images, box), expected, rtol=0, atol=1e-5)

    generator = torch.Generator().manual_seed(1)
    return lambda: ours(images, generator), lambda: torch.stack([theirs(image) for image in images]), agree


BENCHES = {
    "nt_xent": Bench("NT-Xent, 512 pairs x 128, forward and backward", "lightly", nt_xent_sides, 30),
    "memory_bank": Bench(
        "loss and queue of 4,096 x 128, 256 queries, forward and backward", "lightly", memory_bank_sides, 30
    ),
    "gpt_train_step": Bench(
        "a training step of the GPT of the lesson on pretraining, 8 x 256 tokens, GPT-2 as it comes",
        "transformers",
        bench_language.train_step_sides,
        20,
    ),
    "gpt_train_step_same_activation": Bench(
        "the same with torch's own GELU on both sides",
        "transformers",
        bench_language.same_activation_sides,
        20,
    ),
    "gpt_memory": Bench(
        "memory that the training step adds",
        "transformers",
        bench_language.train_step_sides,
        5,
        judged="memory",
    ),
    "gpt_generate": Bench(
        "128 tokens, batch 1, greedy, with a cache of keys and values",
        "transformers",
        bench_language.generate_sides,
        25,
    ),
    "augment": Bench("a view of each of 128 color pictures of 32 px", "torchvision", augment_sides, 5),
}


def timed(function: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def added_memory(function: Callable[[], object]) -> float:
    """MB of tensors that a run holds at its highest, above what is there before it; the same each time."""
    from torch.profiler import ProfilerActivity, profile

    function()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        function()
    events = recorded.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    return max(accumulate(change for _, change in changes), default=0) / 2**20


def run(name: str) -> dict:
    """One comparison; both sides agree first, else there is nothing to compare."""
    bench = BENCHES[name]
    ours, theirs, agree = bench.make()
    agree()
    for function in (ours, theirs, ours, theirs):
        function()
    mine, other = [], []
    for _ in range(bench.runs):
        mine.append(timed(ours))
        other.append(timed(theirs))
    memory = [round(added_memory(function), 1) for function in (ours, theirs)]
    ratios = (b / a for a, b in zip(mine, other, strict=True))
    return {
        "what": bench.what,
        "peer": f"{bench.peer} {version(bench.peer)}",
        "ratio": round(memory[1] / memory[0] if bench.judged == "memory" else statistics.median(ratios), 2),
        "ours_ms": round(statistics.median(mine), 2),
        "theirs_ms": round(statistics.median(other), 2),
        "ours_added_mb": memory[0],
        "theirs_added_mb": memory[1],
        "runs": bench.runs,
        "device": scale.device_name(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(BENCHES)}; all of them by default")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHES]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}: expected some of {', '.join(BENCHES)}")
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in given.names or BENCHES:
        found[f"bench/{name}"] = entry = run(name)
        print(
            f"{name:12} {entry['ratio']:5.2f} x  ours {entry['ours_ms']:8.2f} ms, {entry['ours_added_mb']} MB"
            f"  {entry['peer']} {entry['theirs_ms']:8.2f} ms, {entry['theirs_added_mb']} MB"
        )
    atomic_write_text(RESULTS, json.dumps({k: found[k] for k in sorted(found)}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
