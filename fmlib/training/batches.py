"""Which rows make up the batch of a step: a function of the seed and the step, with no state."""

import hashlib
from typing import Any

import torch
from torch import Tensor

from fmlib.training.distributed import process_count, process_index

Batch = Any  # a tensor, or a tuple or list of tensors


def step_seed(seed: int, step: int, process: int) -> int:
    """A seed for one step of one process that shares nothing with its neighbors."""
    digest = hashlib.blake2b(f"{seed}/{step}/{process}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class ShuffledBatches:
    """Batches from tensors that fit in memory, each row once an epoch, in a new order each epoch.

    Call it with a step to get that step's batch: there is no state, so any step can be asked for again.
    With several processes each gets its own share of the same batch.

    Args:
        *tensors: rows that belong together; one tensor gives tensors, several give tuples.
        batch_size: rows of a batch over all processes; a rest that fills none is left out.
        seed: of the orders.

    Raises:
        ValueError: lengths differ, a batch larger than the data, or one that the processes cannot share evenly.
    """

    def __init__(self, *tensors: Tensor, batch_size: int, seed: int = 0) -> None:
        if not tensors or len({len(t) for t in tensors}) != 1:
            raise ValueError(f"tensors have {[len(t) for t in tensors]} rows: expected equal numbers")
        if not 1 <= batch_size <= len(tensors[0]):
            raise ValueError(
                f"batch_size is {batch_size}: expected 1 to {len(tensors[0])}, the number of rows"
            )
        if batch_size % process_count():
            raise ValueError(
                f"batch_size is {batch_size}: expected a multiple of {process_count()} processes"
            )
        self.tensors, self.batch_size, self.seed = tensors, batch_size, seed
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def __call__(self, step: int, generator: torch.Generator | None = None) -> Batch:
        """The batch of a step; the generator is not needed."""
        a_epoch = len(self.tensors[0]) // self.batch_size
        epoch, position = divmod(step, a_epoch)
        if self._order[0] != epoch:
            order = torch.Generator().manual_seed(step_seed(self.seed, epoch, process=0))
            self._order = (epoch, torch.randperm(len(self.tensors[0]), generator=order))
        rows = self._order[1][position * self.batch_size : (position + 1) * self.batch_size]
        share = len(rows) // process_count()
        rows = rows[process_index() * share : (process_index() + 1) * share]
        batch = tuple(t[rows] for t in self.tensors)
        return batch if len(batch) > 1 else batch[0]
