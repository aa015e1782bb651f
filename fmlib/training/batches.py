"""Which rows make up the batch of a step: a function of the seed and the step, with no state."""

import hashlib
from typing import Any

import torch
from jaxtyping import Int64, Integer
from torch import Tensor

from fmlib.training.distributed import process_count, process_index

Batch = Any  # a tensor, or a tuple or list of tensors


def step_seed(seed: int, step: int, process: int) -> int:
    """A seed for one step of one process that shares nothing with its neighbors."""
    digest = hashlib.blake2b(f"{seed}/{step}/{process}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Epochs:
    """What goes through data epoch by epoch, in a new order each: which rows are a process's share of a step's batch.

    There is no state: any step can be asked for again.

    Args:
        rows: of an epoch.
        batch_size: rows of a batch over all processes; a rest that fills none is left out.
        seed: of the orders.
        what: the rows are, for the message.

    Raises:
        ValueError: a batch larger than the data, or one that the processes cannot share evenly.
    """

    def __init__(self, rows: int, batch_size: int, seed: int, what: str) -> None:
        if not 1 <= batch_size <= rows:
            raise ValueError(f"batch_size is {batch_size}: expected 1 to {rows}, {what}")
        if batch_size % process_count():
            raise ValueError(
                f"batch_size is {batch_size}: expected a multiple of {process_count()} processes"
            )
        self.rows, self.batch_size, self.seed = rows, batch_size, seed
        self._epoch: tuple[int, Tensor] = (-1, torch.empty(0))

    def order(self, generator: torch.Generator) -> Int64[Tensor, "rows"]:
        """The rows of an epoch in the order in which they come."""
        return torch.randperm(self.rows, generator=generator)

    def share(self, step: int) -> Int64[Tensor, "share"]:
        """The rows of a step's batch that are this process's."""
        epoch, position = divmod(step, self.rows // self.batch_size)
        if self._epoch[0] != epoch:
            own = torch.Generator().manual_seed(step_seed(self.seed, epoch, process=0))
            self._epoch = (epoch, self.order(own))
        share = self.batch_size // process_count()
        begin = position * self.batch_size + process_index() * share
        return self._epoch[1][begin : begin + share]


class ShuffledBatches(Epochs):
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
        super().__init__(len(tensors[0]), batch_size, seed, "the number of rows")
        self.tensors = tensors

    def __call__(self, step: int, generator: torch.Generator | None = None) -> Batch:
        """The batch of a step; the generator is not needed."""
        rows = self.share(step)
        batch = tuple(t[rows] for t in self.tensors)
        return batch if len(batch) > 1 else batch[0]


class TextBatches(Epochs):
    """Batches of pieces of one long text; in an epoch every token but the edges' is a target once.

    A piece of `length` tokens asks length - 1 questions, "what comes next?", so pieces overlap by one token: the last one
    of a piece is the first of the next. Each epoch cuts at other places and takes the pieces in another order. There is
    no state: any step can be asked for again. With several processes each gets its own share of the same batch.

    A model that knows n positions is trained with pieces of n + 1 tokens, of which it reads the first n:
    ``next_token_loss(model(batch[:, :-1]), batch)``. With pieces of n its last position would never be trained.

    Args:
        tokens: the text, whole numbers of any integer type.
        length: tokens of a piece, at least 2.
        batch_size: pieces of a batch over all processes; a rest that fills none is left out.
        seed: of cuts and orders.

    Raises:
        TypeError: tokens are no tensor of whole numbers.
        ValueError: a text too short for one batch, or a batch that the processes cannot share evenly.

    Example:
        >>> batches = TextBatches(torch.arange(100), length=5, batch_size=2)
        >>> batches(0).shape
        torch.Size([2, 5])
    """

    def __init__(self, tokens: Integer[Tensor, "text"], length: int, batch_size: int, seed: int = 0) -> None:
        check_text(tokens, length)
        self.tokens, self.length = tokens, length
        self._stride = length - 1
        self._cuts = min(self._stride, len(tokens) - length + 1)  # how many first tokens an epoch may have
        pieces = (len(tokens) - length - (self._cuts - 1)) // self._stride + 1  # however the epoch is cut
        super().__init__(
            pieces, batch_size, seed, f"since {len(tokens)} tokens give {pieces} pieces of {length}"
        )

    @property
    def pieces(self) -> int:
        """How many an epoch has."""
        return self.rows

    def order(self, generator: torch.Generator) -> Int64[Tensor, "rows"]:
        """Where the pieces of an epoch begin, in the order in which they come."""
        first = int(torch.randint(self._cuts, (), generator=generator))
        return first + self._stride * super().order(generator)

    def __call__(self, step: int, generator: torch.Generator | None = None) -> Int64[Tensor, "batch length"]:
        """The batch of a step; the generator is not needed."""
        return self.tokens[self.share(step)[:, None] + torch.arange(self.length)].long()


def consecutive_pieces(tokens: Integer[Tensor, "text"], length: int) -> Int64[Tensor, "pieces length"]:
    """A text cut from its start on, each piece beginning with the last token of the one before.

    Args:
        tokens: the text.
        length: tokens of a piece; a rest shorter than that is left out.

    Raises:
        TypeError: tokens are no tensor of whole numbers.
        ValueError: a text shorter than a piece.
    """
    check_text(tokens, length)
    return tokens.unfold(0, length, length - 1).long()


def check_text(tokens: Tensor, length: int) -> None:
    """Refuse what cannot be cut into pieces.

    Raises:
        TypeError: tokens are no tensor of whole numbers.
        ValueError: not one row, pieces too short to ask for a next token, or a text shorter than one.
    """
    if not isinstance(tokens, Tensor) or tokens.is_floating_point() or tokens.is_complex():
        kind = tokens.dtype if isinstance(tokens, Tensor) else type(tokens).__name__
        raise TypeError(f"tokens are {kind}: expected a tensor of whole numbers, as torch.tensor(ids)")
    if tokens.ndim != 1:
        raise ValueError(f"tokens have shape {tuple(tokens.shape)}: expected one row, [text]")
    if length < 2:
        raise ValueError(f"length is {length}: expected at least 2, a token and the one that follows")
    if len(tokens) < length:
        raise ValueError(
            f"the text has {len(tokens)} tokens: expected at least {length}, the length of a piece"
        )
