"""Two numbers about a text: how unexpected its tokens are to a model, and how much of it is new."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.evaluate import evaluating


def surprise(model: nn.Module, tokens: Int64[Tensor, "batch length"]) -> Float[Tensor, "batch length-1"]:
    """How unexpected each token is after those before it: -log p, in nats.

    Args:
        model: a language model.
        tokens: at least two in a row; the first has nothing before it and gets no number.

    Raises:
        ValueError: fewer than two tokens.

    Source: Shannon 1948, "A Mathematical Theory of Communication", section 6; its mean is the loss of `next_token_loss`.
    """
    if tokens.shape[1] < 2:
        raise ValueError(f"tokens have {tokens.shape[1]} position: expected two or more")
    with evaluating(model), torch.no_grad():
        log_probability = model(tokens[:, :-1]).float().log_softmax(dim=-1)
    return -log_probability.gather(-1, tokens[:, 1:, None])[..., 0]


def distinct_ngrams(tokens: Int64[Tensor, "batch length"], n: int) -> Float[Tensor, "batch"]:
    """How much of a text is new: the share of its n-grams that are different. 1 when nothing repeats.

    Args:
        tokens: a text a row, at least n tokens.
        n: >= 1; how many tokens in a row are looked at together.

    Raises:
        ValueError: n < 1 or fewer than n tokens.

    Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5.2.
    """
    if not 1 <= n <= tokens.shape[1]:
        raise ValueError(f"n is {n} and tokens have {tokens.shape[1]} positions: expected 1 to as many")
    windows = tokens.unfold(1, n, 1)  # [batch, length - n + 1, n]
    return torch.tensor([len(row.unique(dim=0)) / len(row) for row in windows])
