"""Two numbers about a text: how unexpected its tokens are to a model, and how much of it is new."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import LONG, check_likeliest, check_range, check_tensors, check_whole
from fmlib.evaluate import evaluating


def surprise(model: nn.Module, tokens: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch length-1"]:
    """How unexpected each token is after those before it: -log p, in nats.

    Args:
        model: a language model.
        tokens: at least two in a row; the first has nothing before it and gets no number.

    Raises:
        TypeError: tokens that are not torch.long.
        ValueError: fewer than two tokens, on a CPU also some outside the vocabulary; a model whose logits are no numbers.

    Source: Shannon 1948, "A Mathematical Theory of Communication", section 6; its mean is the loss of `next_token_loss`.
    """
    check_tensors(("tokens", tokens, LONG, "batch length"))
    if tokens.shape[1] < 2:
        raise ValueError(f"tokens have {tokens.shape[1]} position: expected two or more")
    with evaluating(model), torch.no_grad():
        logits = model(tokens[:, :-1])
    check_range("tokens", tokens, 0, logits.shape[-1] - 1)
    check_likeliest(logits)
    log_probability = logits.float().log_softmax(dim=-1)
    return -log_probability.gather(-1, tokens[:, 1:, None])[..., 0]


def distinct_ngrams(tokens: Int64[Tensor, "batch length"], n: int) -> Float[Tensor, "batch"]:
    """How much of a text is new: the share of its n-grams that are different. 1 when nothing repeats.

    Args:
        tokens: a text a row, at least n tokens.
        n: >= 1; how many tokens in a row are looked at together.

    Raises:
        TypeError: tokens that are not torch.long.
        ValueError: not [batch, length], n < 1 or fewer than n tokens.

    Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5.2.
    """
    check_tensors(("tokens", tokens, LONG, "batch length"))
    check_whole("n", n, most=tokens.shape[1], hint="the tokens' positions")
    windows = tokens.unfold(1, n, 1)  # [batch, length - n + 1, n]
    return torch.tensor([len(row.unique(dim=0)) / len(row) for row in windows])
