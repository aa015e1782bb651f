"""Losses that look at the whole batch, when the batch lives in several processes.

With one process everything here is the identity, so a loss reads the same on a laptop and on many machines.
"""

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn


def process_count() -> int:
    """How many processes train together; 1 when nothing is launched."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_index() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if process_count() > 1 else 0


LAUNCH = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # what a launcher sets, all of it
SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
RANKS = ("RANK", "LOCAL_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")


def launched() -> int:
    """How many processes `accelerate launch` or torchrun started; 1 where this one was started by itself.

    Raises:
        ValueError: a launch whose number of processes, or this one's number, is none.
    """
    given = {name: os.environ.get(name, "") for name in LAUNCH}
    if not all(given.values()):
        return 1
    count, rank = given["WORLD_SIZE"], given["RANK"]
    if not (count.isdecimal() and rank.isdecimal() and int(rank) < int(count)):
        raise ValueError(
            f"RANK is {rank} and WORLD_SIZE {count}: expected a number below another, as a launcher sets them"
        )
    return int(count)


def unfinished_launch() -> str | None:
    """What a cluster or a shell says of several processes that nobody launched, in words; None where there is nothing.

    Batch systems and MPI set such variables for every program, also for one that runs alone.
    """
    if launched() > 1 or process_count() > 1:
        return None
    several = [
        f"{name} is {os.environ[name]}" for name in SIZES if os.environ.get(name, "1") not in ("", "0", "1")
    ]
    if not several:
        return None
    missing = [name for name in LAUNCH if not os.environ.get(name)]
    return f"{several[0]}, but {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"


@contextlib.contextmanager
def without_cluster() -> Iterator[None]:
    """Hide the variables of a launch while this process, which is alone, is set up."""
    hidden = {name: os.environ.pop(name) for name in {*LAUNCH, *SIZES, *RANKS} if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


class _Gather(torch.autograd.Function):
    """All-gather whose backward adds up what every process's loss says about this process's rows."""

    @staticmethod
    def forward(ctx, rows: Tensor) -> Tensor:
        ctx.batch = len(rows)
        parts = [torch.empty_like(rows) for _ in range(process_count())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        start = process_index() * ctx.batch
        return gradient[start : start + ctx.batch]


def gather_rows(rows: Float[Tensor, "batch dim"]) -> Float[Tensor, "all_batches dim"]:
    """The rows of all processes, in the order of the processes; gradients flow back to where each row came from.

    `torch.distributed.all_gather` alone cuts the gradient: rows from elsewhere would count as constants, and two
    processes would learn something else than one with the whole batch.

    Args:
        rows: [batch, dim], the same batch in every process.

    Returns:
        [processes · batch, dim]; `rows` itself with one process. If each process's loss is the mean over its own
        rows, and gradients are averaged over processes (as DDP does), the result is the gradient of the mean over
        the whole batch.
    """
    return rows if process_count() == 1 else _Gather.apply(rows)


def unwrap(model: nn.Module) -> nn.Module:
    """The model itself, without the wrapper that many-process training puts round it."""
    return model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model
