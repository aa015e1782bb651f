"""Two parts that younger models put into the same block: a norm that only scales, and an MLP with a gate."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_number, check_tensors, check_whole


def rms_norm(
    x: Float[Tensor, "*positions dim"], weight: Float[Tensor, "dim"], eps: float = 1e-5
) -> Float[Tensor, "*positions dim"]:
    """Divide the features of each position by their root mean square; their mean stays what it is.

    Args:
        x: [..., dim].
        weight: a learned scale for each feature.
        eps: > 0, added to the mean square, so that zeros stay zeros.

    Returns:
        As x. The mean is taken in float32 at least: squares of half precision overflow at 256.

    Raises:
        TypeError, ValueError: no tensors of floats, a weight of another length, an eps that is not positive.

    Source: Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", eq. 4.
    """
    check_tensors(("x", x, FLOAT, "... dim"), ("weight", weight, FLOAT, "dim"))
    check_number("eps", eps, above=0)
    exact = x.to(torch.promote_types(x.dtype, torch.float32))
    scaled = exact * torch.rsqrt(exact.square().mean(dim=-1, keepdim=True) + eps)
    return weight * scaled.to(x.dtype)


class RMSNorm(nn.Module):
    """`rms_norm` with its learned scale, 1 at first.

    Args:
        dim: features.
        eps: see `rms_norm`.

    Raises:
        ValueError: dim or eps that is not positive.
    """

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        check_whole("dim", dim)
        check_number("eps", eps, above=0)
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Float[Tensor, "*positions dim"]) -> Float[Tensor, "*positions dim"]:
        """Each position by itself."""
        return rms_norm(x, self.weight, self.eps)


class GatedMLP(nn.Module):
    """An MLP in which one matrix decides how much of another's output passes: contract(activation(gate(x)) · expand(x)).

    With SiLU it is SwiGLU (LLaMA), with GELU it is GEGLU (T5 1.1).

    Args:
        dim: features in and out.
        hidden_dim: in between. With 8/3 · dim the three matrices have as many weights as the two of an MLP with 4 · dim.
        activation: of the gate.

    Raises:
        ValueError: sizes that are not positive.

    Source: Shazeer 2020, "GLU Variants Improve Transformer", eq. 6.
    """

    def __init__(self, dim: int, hidden_dim: int, activation: Callable[[Tensor], Tensor] = F.silu) -> None:
        super().__init__()
        check_whole("dim", dim)
        check_whole("hidden_dim", hidden_dim)
        self.gate = nn.Linear(dim, hidden_dim, bias=False)
        self.expand = nn.Linear(dim, hidden_dim, bias=False)
        self.contract = nn.Linear(hidden_dim, dim, bias=False)
        self.activation = activation

    def forward(self, x: Float[Tensor, "*positions dim"]) -> Float[Tensor, "*positions dim"]:
        """Each position by itself."""
        return self.contract(self.activation(self.gate(x)) * self.expand(x))
