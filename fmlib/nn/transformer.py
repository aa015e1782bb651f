"""The one transformer block that every model of the book stands on, in parts that can be composed.

`Attention` and `MLP` do the work, `Block` joins them with norms and residual connections. What a model needs beyond
that (rotary positions, grouped queries, relative biases) is a subclass or another part in that model's own file.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_tensors, check_whole
from fmlib.nn.attention import (
    Attention,
    attention,
    attention_map,
    attention_maps,
    causal_mask,
    merge_heads,
    split_heads,
)
from fmlib.nn.kv_cache import KVCache, tokens_seen

__all__ = [
    "MLP",
    "Attention",
    "Block",
    "KVCache",
    "attention",
    "attention_map",
    "attention_maps",
    "causal_mask",
    "gelu_tanh",
    "merge_heads",
    "quick_gelu",
    "reset_small",
    "split_heads",
    "tokens_seen",
]


def quick_gelu(x: Tensor) -> Tensor:
    """x · sigmoid(1.702 x), the approximation of GELU in OpenAI's CLIP."""
    check_tensors(("x", x, FLOAT, "..."), empty=True)
    return x * torch.sigmoid(1.702 * x)


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by tanh, as in GPT-2; up to 5e-4 away from the exact one, which is enough to spoil a comparison."""
    check_tensors(("x", x, FLOAT, "..."), empty=True)
    return F.gelu(x, approximate="tanh")


def reset_small(model: nn.Module, blocks: int) -> None:
    """Begin as GPT-2 does: small random matrices, smaller still where they write into the residual stream.

    Args:
        model: its biases become zero, its norms' weights one.
        blocks: how many write into one stream, each two times.

    Source: the standard deviation 0.02 Radford et al. 2018, section 4.1; the smaller one Radford et al. 2019, section
    2.3, where N counts what is added to the stream: two parts a block.
    """
    small = 0.02 / (2 * blocks) ** 0.5
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            writes = name.endswith(("output.weight", "contract.weight"))
            nn.init.normal_(weight, std=small if writes else 0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(weight)
        else:
            nn.init.ones_(weight)


class MLP(nn.Module):
    """Two linear layers on each position alone.

    Args:
        dim: features in and out.
        hidden_dim: in between; 4 · dim by default.
        activation: between the two, e.g. `F.gelu`, `gelu_tanh`, `quick_gelu`, `F.relu`.
        bias: of both.

    Raises:
        ValueError: sizes that are not positive.

    Source: Vaswani et al. 2017, section 3.3.
    """

    def __init__(
        self,
        dim: int,
        hidden_dim: int | None = None,
        activation: Callable[[Tensor], Tensor] = F.gelu,
        bias: bool = True,
    ) -> None:
        super().__init__()
        hidden_dim = 4 * dim if hidden_dim is None else hidden_dim
        check_whole("dim", dim)
        check_whole("hidden_dim", hidden_dim)
        self.expand = nn.Linear(dim, hidden_dim, bias=bias)
        self.contract = nn.Linear(hidden_dim, dim, bias=bias)
        self.activation = activation

    def forward(self, x: Float[Tensor, "*positions dim"]) -> Float[Tensor, "*positions dim"]:
        """Each position by itself."""
        return self.contract(self.activation(self.expand(x)))


class Block(nn.Module):
    """Attention, then an MLP, each added to the residual stream.

    Args:
        attention: of positions among themselves.
        mlp: of each position alone.
        norm: makes a norm layer; called once for each part.
        cross: attention to a context, between the two; left out by default.
        pre_norm: normalize what goes into a part (GPT-2, ViT, LLaMA) instead of the sum behind it (2017, BERT).
        dropout: share of each part's output that is dropped in training.

    Source: Vaswani et al. 2017, figure 1 and section 5.4; norm first as in Radford et al. 2019 (GPT-2), section 2.3.
    """

    def __init__(
        self,
        attention: Attention,
        mlp: nn.Module,
        norm: Callable[[], nn.Module],
        *,
        cross: Attention | None = None,
        pre_norm: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention, self.attention_norm = attention, norm()
        if cross is not None:
            self.cross, self.cross_norm = cross, norm()
        self.has_cross = cross is not None
        self.mlp, self.mlp_norm = mlp, norm()
        self.pre_norm = pre_norm
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "batch length dim"],
        context: Float[Tensor, "batch context_length context_dim"] | None = None,
        *,
        mask: Tensor | None = None,
        context_mask: Tensor | None = None,
        cache: KVCache | None = None,
        positions: Tensor | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """One step of the residual stream.

        Args:
            x: [batch, length, dim].
            context: what cross-attention looks at.
            mask, context_mask: of attention and of cross-attention, as in `Attention.forward`.
            cache, positions: of the attention.

        Raises:
            ValueError: a context without cross-attention, or the other way round.
        """
        if (context is not None) != self.has_cross:
            wanted = "a context" if self.has_cross else "no context: it has no cross-attention"
            raise ValueError(
                f"context is {'missing' if context is None else 'given'}: this block expects {wanted}"
            )
        if not self.pre_norm:
            x = self.attention_norm(
                x + self.dropout(self.attention(x, mask=mask, cache=cache, positions=positions))
            )
            if self.has_cross:
                x = self.cross_norm(x + self.dropout(self.cross(x, context, mask=context_mask)))
            return self.mlp_norm(x + self.dropout(self.mlp(x)))
        x = x + self.dropout(
            self.attention(self.attention_norm(x), mask=mask, cache=cache, positions=positions)
        )
        if self.has_cross:
            x = x + self.dropout(self.cross(self.cross_norm(x), context, mask=context_mask))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))
