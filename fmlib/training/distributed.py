"""Losses that look at the whole batch, when the batch lives in several processes.

With one process everything here is the identity, so a loss reads the same on a laptop and on many machines.
"""

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
