"""Attention: the formula in a few pure functions, and the layer that every transformer of the book uses.

What a model needs beyond this layer (rotary positions, grouped queries, relative biases) is a subclass in that model's
own file.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from fmlib.checks import FLOAT, as_mask, check_dropout, check_heads, check_number, check_tensors, check_whole
from fmlib.nn.kv_cache import KVCache


def causal_mask(
    queries: int, keys: int, device: torch.device | str | None = None
) -> Bool[Tensor, "queries keys"]:
    """Who may look at whom: True where a key is not in the query's future.

    The last query stands at the last key, so with more keys than queries (a cache) the first query sees
    `keys - queries + 1` of them.

    Args:
        queries, keys: how many there are; keys at least as many as queries.
        device: where to make the mask.

    Raises:
        ValueError: no query, or fewer keys than queries.
    """
    check_whole("queries", queries)
    check_whole("keys", keys)
    if queries > keys:
        raise ValueError(f"queries is {queries} and keys is {keys}: expected 1 <= queries <= keys")
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def attention_map(
    query: Float[Tensor, "batch heads queries head_dim"],
    key: Float[Tensor, "batch heads keys head_dim"],
    mask: Tensor | None = None,
    scale: float | None = None,
) -> Float[Tensor, "batch heads queries keys"]:
    """How much each query takes from each key: a softmax over the keys.

    Args:
        query, key: of one layer, cut into heads.
        mask: broadcast to [batch, heads, queries, keys]; True (or 1) where a query may look, or floats that are added to
            the logits.
        scale: what query · key is multiplied by; 1 / sqrt(head_dim) by default.

    Returns:
        Rows that sum to 1; zeros for a query that may look nowhere, as in torch's own attention.

    Raises:
        TypeError, ValueError: no tensors of floats, shapes that do not fit, a mask of whole numbers other than 0 and 1.

    Source: Vaswani et al. 2017, "Attention Is All You Need", eq. 1.
    """
    check_tensors(
        ("query", query, FLOAT, "batch heads queries head_dim"),
        ("key", key, FLOAT, "batch heads keys head_dim"),
    )
    if scale is None:
        scale = query.shape[-1] ** -0.5
    check_number("scale", scale)
    mask = _looks(mask, query, key)
    logits = (query * scale) @ key.transpose(-2, -1)  # scaled first: float16 ends at 65,504
    if mask is None:
        return logits.softmax(dim=-1)
    logits = logits.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else logits + mask
    blind = logits.isneginf().all(dim=-1, keepdim=True)
    return logits.masked_fill(blind, 0.0).softmax(dim=-1).masked_fill(blind, 0.0)


def attention(
    query: Float[Tensor, "batch heads queries head_dim"],
    key: Float[Tensor, "batch heads keys head_dim"],
    value: Float[Tensor, "batch heads keys value_dim"],
    mask: Tensor | None = None,
) -> Float[Tensor, "batch heads queries value_dim"]:
    """Each query gathers the values of the keys that fit it: softmax(query · keyᵀ / sqrt(head_dim)) · value.

    This is the formula, to be read; the layer below computes the same with torch's fused kernel.

    Args:
        query, key: cut into heads.
        value: one for each key.
        mask: as in `attention_map`.

    Raises:
        TypeError, ValueError: as `attention_map`; not a value for each key.

    Source: Vaswani et al. 2017, eq. 1.
    """
    check_tensors(
        ("key", key, FLOAT, "batch heads keys head_dim"),
        ("value", value, FLOAT, "batch heads keys value_dim"),
    )
    return attention_map(query, key, mask) @ value


def _looks(mask: Tensor | None, query: Tensor, key: Tensor) -> Tensor | None:
    """The mask as torch.bool, or as floats that are added; one that cannot be broadcast is refused by name."""
    if mask is None:
        return None
    if not isinstance(mask, Tensor) or not mask.is_floating_point():
        mask = as_mask("mask", mask, "...")
    fits = (query.shape[0], query.shape[1], query.shape[2], key.shape[2])
    if mask.ndim > 4 or any(
        size not in (1, fit) for size, fit in zip(mask.shape[::-1], fits[::-1], strict=False)
    ):
        raise ValueError(f"mask has shape {tuple(mask.shape)}: expected one that can be broadcast to {fits}")
    return mask


def split_heads(
    x: Float[Tensor, "batch length dim"], heads: int
) -> Float[Tensor, "batch heads length head_dim"]:
    """Cut the features into heads: head h has features h · head_dim to (h + 1) · head_dim - 1 of every position.

    Args:
        x: [batch, length, dim].
        heads: a number that divides dim.

    Raises:
        TypeError: x is no tensor of floats.
        ValueError: not [batch, length, dim], or heads does not divide dim.
    """
    check_tensors(("x", x, FLOAT, "batch length dim"))
    check_whole("heads", heads)
    if x.shape[-1] % heads:
        raise ValueError(
            f"x has {x.shape[-1]} features and heads is {heads}: expected a number that divides them"
        )
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Float[Tensor, "batch heads length head_dim"]) -> Float[Tensor, "batch length dim"]:
    """Put the heads side by side again: the opposite of `split_heads`."""
    check_tensors(("x", x, FLOAT, "batch heads length head_dim"))
    return x.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Multi-head attention: each query gathers the values of the keys that fit it.

    Args:
        dim: features of the input and the output.
        heads: how many attend side by side.
        head_dim: features of a head; dim / heads by default.
        causal: a position sees itself and what came before.
        bias: of the projections.
        scale: what query · key is multiplied by; 1 / sqrt(head_dim) by default.
        dropout: share of the attention weights that are dropped in training.
        context_dim: features of the context in cross-attention; dim by default.

    Raises:
        ValueError: sizes that are not positive, a dropout outside [0, 1), or heads that do not divide dim while
            head_dim is not given.

    Source: Vaswani et al. 2017, section 3.2.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        head_dim: int | None = None,
        causal: bool = False,
        bias: bool = True,
        scale: float | None = None,
        dropout: float = 0.0,
        context_dim: int | None = None,
    ) -> None:
        super().__init__()
        context_dim = dim if context_dim is None else context_dim
        sizes = {"dim": dim, "heads": heads, "context_dim": context_dim}
        sizes |= {} if head_dim is None else {"head_dim": head_dim}
        for name, size in sizes.items():
            check_whole(name, size)
        if head_dim is None:
            check_heads(dim, heads)
        check_dropout(dropout)
        self.heads, self.head_dim = heads, head_dim or dim // heads
        self.causal, self.dropout = causal, dropout
        self.scale = scale if scale is not None else 1 / math.sqrt(self.head_dim)
        inner = heads * self.head_dim
        self.query = nn.Linear(dim, inner, bias=bias)
        self.key = nn.Linear(context_dim, inner, bias=bias)
        self.value = nn.Linear(context_dim, inner, bias=bias)
        self.output = nn.Linear(inner, dim, bias=bias)
        self.maps: list[Tensor] | None = None  # see `attention_maps`

    def project(
        self, x: Tensor, context: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of x, keys and values of the context: [batch, heads, length, head_dim] each.

        `positions` [batch or 1, length] say where the rows of x stand; here, where attention knows no order, nobody
        asks.
        """
        return self.split(self.query(x)), self.split(self.key(context)), self.split(self.value(context))

    def split(self, x: Float[Tensor, "batch length inner"]) -> Float[Tensor, "batch heads length head_dim"]:
        """Cut the features into heads of this layer's size, however many that gives."""
        return split_heads(x, x.shape[-1] // self.head_dim)

    def forward(
        self,
        x: Float[Tensor, "batch queries dim"],
        context: Float[Tensor, "batch keys context_dim"] | None = None,
        *,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        positions: Tensor | None = None,
    ) -> Float[Tensor, "batch queries dim"]:
        """What each position of x gathers.

        Args:
            x: [batch, queries, dim].
            context: where keys and values come from, [batch, keys, context_dim]; x itself by default.
            mask: as in `attention_map`. A causal layer's own mask comes on top.
            cache: earlier keys and values; the new ones are appended.
            positions: see `project`.

        Returns:
            [batch, queries, dim].
        """
        if mask is not None and mask.dtype != torch.bool and not mask.is_floating_point():
            mask = as_mask("mask", mask, "...")
        query, key, value = self.project(x, x if context is None else context, positions)
        if cache is not None:
            key, value = cache.append(key, value)
        return self.output(merge_heads(self.attend(query, key, value, mask)))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """softmax(query · keyᵀ · scale) · value, for [batch, heads, length, head_dim]."""
        queries, keys = query.shape[2], key.shape[2]
        dropout = self.dropout if self.training else 0.0
        causal = self.causal and queries > 1  # one query at the end sees everything
        if causal and mask is None and queries == keys and self.maps is None:
            return F.scaled_dot_product_attention(
                query, key, value, dropout_p=dropout, is_causal=True, scale=self.scale
            )
        if causal:
            seen = causal_mask(queries, keys, query.device)
            if mask is None or mask.dtype == torch.bool:
                mask = seen if mask is None else seen & mask
            else:
                mask = mask.masked_fill(~seen, float("-inf"))
        if self.maps is not None:
            self.maps.append(attention_map(query, key, mask, self.scale).detach())
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, scale=self.scale
        )

    def make_cache(self, batch: int, max_length: int) -> KVCache:
        """An empty cache that fits this layer's keys and values."""
        weight = self.key.weight
        heads = self.key.out_features // self.head_dim
        return KVCache(batch, heads, max_length, self.head_dim, weight.device, weight.dtype)


@contextmanager
def attention_maps(model: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the attention maps of a model while it runs.

    Yields:
        A list that every attention layer appends its [batch, heads, queries, keys] to, in the order in which they run.

    Raises:
        ValueError: the model has no attention layer.

    Example:
        >>> layer = Attention(8, heads=2)
        >>> with attention_maps(layer) as maps:
        ...     _ = layer(torch.zeros(1, 3, 8))
        >>> maps[0].shape
        torch.Size([1, 2, 3, 3])
    """
    before = {module: module.maps for module in model.modules() if isinstance(module, Attention)}
    if not before:
        raise ValueError(f"{type(model).__name__} has no attention layer: there are no maps to collect")
    maps: list[Tensor] = []
    for layer in before:
        layer.maps = maps
    try:
        yield maps
    finally:
        for layer, old in before.items():
            layer.maps = old
