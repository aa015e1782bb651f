"""How well a language model reads a text: the loss of each token, given those before it."""

import torch
from jaxtyping import Integer
from torch import Tensor, nn

from fmlib.checks import check_number, check_whole
from fmlib.evaluate import evaluating
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.training.batches import consecutive_pieces


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
        ValueError: a text shorter than a piece, a batch size below 1, or a model whose loss is no number.
    """
    check_whole("batch_size", batch_size)
    length = model.config.max_length + 1 if length is None else length
    check_whole("length", length, least=2)
    pieces = consecutive_pieces(tokens, length)
    device = next(model.parameters()).device
    total = 0.0
    with evaluating(model):
        for batch in pieces.split(batch_size):
            batch = batch.to(device)
            total += next_token_loss(model(batch[:, :-1]), batch).item() * len(batch)
    check_number("loss", total, hint="the model has diverged")
    return total / len(pieces)
