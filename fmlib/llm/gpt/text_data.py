"""A long text as pieces that a language model reads: shuffled for training, in order for measuring."""

import torch
from jaxtyping import Int64, Integer
from torch import Tensor, nn

from fmlib.training.batches import step_seed
from fmlib.training.distributed import process_count, process_index
from fmlib.llm.gpt.next_token import next_token_loss


class TextBatches:
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
        self.tokens, self.length, self.batch_size, self.seed = tokens, length, batch_size, seed
        self._stride = length - 1
        self._cuts = min(self._stride, len(tokens) - length + 1)  # how many first tokens an epoch may have
        self.pieces = (
            len(tokens) - length - (self._cuts - 1)
        ) // self._stride + 1  # of an epoch, however it is cut
        if not 1 <= batch_size <= self.pieces:
            raise ValueError(
                f"batch_size is {batch_size}: expected 1 to {self.pieces}, since {len(tokens)} tokens give "
                f"{self.pieces} pieces of {length}"
            )
        if batch_size % process_count():
            raise ValueError(
                f"batch_size is {batch_size}: expected a multiple of {process_count()} processes"
            )
        self._epoch: tuple[int, Tensor] = (-1, torch.empty(0))

    def __call__(self, step: int, generator: torch.Generator | None = None) -> Int64[Tensor, "batch length"]:
        """The batch of a step; the generator is not needed."""
        epoch, position = divmod(step, self.pieces // self.batch_size)
        if self._epoch[0] != epoch:
            own = torch.Generator().manual_seed(step_seed(self.seed, epoch, process=0))
            first = int(torch.randint(self._cuts, (), generator=own))
            order = torch.randperm(self.pieces, generator=own)
            self._epoch = (epoch, first + self._stride * order)
        share = self.batch_size // process_count()
        begin = position * self.batch_size + process_index() * share
        starts = self._epoch[1][begin : begin + share]
        return self.tokens[starts[:, None] + torch.arange(self.length)].long()


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


@torch.no_grad()
def nats_per_token(
    model: nn.Module, tokens: Integer[Tensor, "text"], length: int | None = None, batch_size: int = 64
) -> float:
    """Mean loss of a language model on a text, every token with what stands before it in its piece.

    Args:
        model: tokens [batch, length] -> logits; left in the mode in which it came.
        tokens: the text; what fills no piece is left out.
        length: tokens of a piece; by default one more than the model's `config.max_length` positions.
        batch_size: pieces at a time.

    Returns:
        Nats per token. With characters as tokens, divide by log(2) for bits per character.

    Raises:
        TypeError: tokens are no tensor of whole numbers.
        ValueError: a text shorter than a piece.
    """
    length = model.config.max_length + 1 if length is None else length
    pieces = consecutive_pieces(tokens, length)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    try:
        total = 0.0
        for batch in pieces.split(batch_size):
            batch = batch.to(device)
            total += next_token_loss(model(batch[:, :-1]), batch).item() * len(batch)
    finally:
        model.train(training)
    return total / len(pieces)


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
