"""What attention remembers while a text grows: keys and values that are computed once."""

import torch
from jaxtyping import Float
from torch import Tensor

from fmlib.checks import check_whole


def tokens_seen(cache: "list[KVCache] | None", layers: int) -> int:
    """How many tokens a model's cache holds; none, where there is no cache.

    Args:
        cache: one `KVCache` a layer.
        layers: of the model.

    Raises:
        ValueError: a cache of another number of layers.
    """
    if cache is None:
        return 0
    if len(cache) != layers:
        raise ValueError(f"cache has {len(cache)} layers: expected {layers}, as from make_cache")
    return cache[0].length


class KVCache:
    """Keys and values of one attention layer that are computed once and read many times.

    The room for `max_length` positions is there from the start, so that a step writes one row and copies nothing.

    Args:
        batch: rows.
        heads: of the keys and values.
        max_length: positions there is room for.
        head_dim: features of a head.
        device, dtype: as the model's.

    Raises:
        ValueError: a size that is not positive.
    """

    def __init__(
        self,
        batch: int,
        heads: int,
        max_length: int,
        head_dim: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        sizes = {"batch": batch, "heads": heads, "max_length": max_length, "head_dim": head_dim}
        for name, size in sizes.items():
            check_whole(name, size)
        self.keys = torch.zeros(batch, heads, max_length, head_dim, device=device, dtype=dtype)
        self.values = torch.zeros_like(self.keys)
        self.length = 0

    def append(
        self,
        keys: Float[Tensor, "batch heads new head_dim"],
        values: Float[Tensor, "batch heads new head_dim"],
    ) -> tuple[Float[Tensor, "batch heads length head_dim"], Float[Tensor, "batch heads length head_dim"]]:
        """Store new keys and values behind the old ones, and return all of them.

        Learned ones may be put in before a text, as prefix tuning does: gradients reach them through what is returned.
        While gradients are recorded each call copies, since a backward pass still needs what stood there before:
        generate under `torch.no_grad()`.

        Raises:
            ValueError: another shape than the cache's, or no room left.
        """
        batch, heads, room, head_dim = self.keys.shape
        if keys.shape != values.shape or keys.shape != (batch, heads, keys.shape[2], head_dim):
            raise ValueError(
                f"keys {tuple(keys.shape)} and values {tuple(values.shape)}: "
                f"expected [{batch}, {heads}, new, {head_dim}] of both"
            )
        end = self.length + keys.shape[2]
        if end > room:
            raise ValueError(
                f"the cache has room for {room} positions, {self.length} are taken and {keys.shape[2]} come: "
                "make it longer, or generate fewer tokens"
            )
        if torch.is_grad_enabled() and (
            keys.requires_grad or values.requires_grad or self.keys.requires_grad
        ):
            self.keys, self.values = self.keys.clone(), self.values.clone()
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def select(self, rows: Tensor) -> None:
        """Keep, repeat or reorder rows of the batch, as beam search does: row i becomes the old row `rows[i]`."""
        self.keys, self.values = self.keys[rows], self.values[rows]
