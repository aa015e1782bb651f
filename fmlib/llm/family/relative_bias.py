"""Relative positions as T5 has them: what a query thinks of a key, by how far away it stands, is added to the logits."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import LONG, check_tensors, check_whole


def distance_buckets(
    distances: Int64[Tensor, "queries keys"],
    buckets: int = 32,
    max_distance: int = 128,
    both_ways: bool = True,
) -> Int64[Tensor, "queries keys"]:
    """Sort distances into buckets: one each for the near ones, wider and wider ones for those far away.

    Args:
        distances: position of the key minus position of the query; negative for what came before.
        buckets: how many there are.
        max_distance: from here on all distances share the last bucket.
        both_ways: give the half of the buckets to keys behind the query; else these count as distance 0.

    Returns:
        Numbers from 0 to buckets - 1.

    Raises:
        TypeError: distances that are not torch.long.
        ValueError: not [queries, keys], fewer than two buckets a direction, or a max_distance that is no larger than the
            near distances.

    Source: Raffel et al. 2020, "T5", section 2.1; the formula is that of its code, `_relative_position_bucket`.
    """
    check_tensors(("distances", distances, LONG, "queries keys"))
    check_whole("buckets", buckets)
    check_whole("max_distance", max_distance)
    each = buckets // 2 if both_ways else buckets
    near = each // 2  # the first half of them hold one distance each
    if near < 1 or max_distance <= near:
        raise ValueError(
            f"buckets is {buckets} and max_distance is {max_distance}: expected at least {4 if both_ways else 2} "
            f"buckets, and a max_distance above {near}, the near distances"
        )
    away = distances.abs() if both_ways else (-distances).clamp(min=0)
    # As that code computes it: where an edge falls on a whole distance, rounding decides.
    far = torch.log(away.clamp(min=1).float() / near) / math.log(max_distance / near) * (each - near)
    bucket = torch.where(away < near, away, (near + far.long()).clamp(max=each - 1))
    return bucket + each * (distances > 0) if both_ways else bucket


class RelativeBias(nn.Module):
    """A number for each head and bucket of distances, added to the logits of every layer's attention.

    Args:
        heads: of the attention.
        buckets, max_distance, both_ways: see `distance_buckets`.

    Source: Raffel et al. 2020, section 2.1.
    """

    def __init__(
        self, heads: int, buckets: int = 32, max_distance: int = 128, both_ways: bool = True
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(buckets, heads)
        self.max_distance, self.both_ways = max_distance, both_ways

    def forward(self, queries: int, keys: int) -> Float[Tensor, "1 heads queries keys"]:
        """The bias of so many queries and keys; the last query stands at the last key."""
        places = torch.arange(keys, device=self.table.weight.device)
        distances = places[None, :] - places[keys - queries :, None]  # [queries, keys]
        bucket = distance_buckets(distances, self.table.num_embeddings, self.max_distance, self.both_ways)
        return self.table(bucket).permute(2, 0, 1)[None]
