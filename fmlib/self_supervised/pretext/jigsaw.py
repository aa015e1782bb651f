"""Jigsaw puzzles: cut a picture into tiles, shuffle them, and ask for their order.

Source: Noroozi and Favaro 2016, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles".
"""

from itertools import permutations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, LONG, check_range, check_tensors, check_whole
from fmlib.self_supervised.contrastive.simclr import find_feature_dim


def distant_orders(tiles: int, count: int, generator: torch.Generator) -> Int64[Tensor, "count tiles"]:
    """Orders of the tiles that differ from each other in as many places as possible.

    Args:
        tiles: how many there are, at most 9.
        count: how many orders.
        generator: draws the first one; each next one is the farthest from those before.

    Raises:
        ValueError: more orders than there are, or too many tiles to list them.

    Source: Noroozi and Favaro 2016, algorithm 1.
    """
    check_whole("tiles", tiles, least=2, most=9)
    every = torch.tensor(list(permutations(range(tiles))))
    check_whole("count", count, most=len(every))
    chosen = [int(torch.randint(len(every), (1,), generator=generator))]
    nearest = torch.full((len(every),), tiles + 1)
    for _ in range(count - 1):
        nearest = torch.minimum(nearest, (every != every[chosen[-1]]).sum(dim=1))
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return every[chosen]


def cut_tiles(
    images: Float[Tensor, "batch channels size size"], side: int, gap: int, generator: torch.Generator
) -> Float[Tensor, "batch tiles channels tile tile"]:
    """Square tiles, each cut out of its cell of the picture at a random place.

    Args:
        images: square pictures whose size is a multiple of side.
        side: tiles along a side.
        gap: by how many pixels a tile is smaller than its cell; without one, edges that continue give the order away.
        generator: draws where each tile lies in its cell, the same for all channels.

    Returns:
        Tiles row by row.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: sizes that do not fit.

    Source: Noroozi and Favaro 2016, section 4.2: random gaps against the shortcut of edges.
    """
    check_tensors(("images", images, FLOAT, "batch channels size size"))
    check_whole("side", side, least=2)
    size = images.shape[3]
    if size % side:
        raise ValueError(
            f"images are {size} pixels wide and side is {side}: expected a number of tiles that divides it"
        )
    cell = size // side
    check_whole("gap", gap, least=0, most=cell - 1)
    cells = images.unflatten(3, (side, cell)).unflatten(
        2, (side, cell)
    )  # [batch, channels, side, cell, side, cell]
    cells = cells.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # [batch, tiles, channels, cell, cell]
    batch, tiles = cells.shape[:2]
    start = torch.randint(gap + 1, (2, batch, tiles, 1), generator=generator).to(images.device)
    rows, columns = start + torch.arange(cell - gap, device=images.device)  # [batch, tiles, tile] each
    b = torch.arange(batch, device=images.device)[:, None, None, None]
    t = torch.arange(tiles, device=images.device)[None, :, None, None]
    return cells[b, t, :, rows[:, :, :, None], columns[:, :, None, :]].permute(0, 1, 4, 2, 3)


def shuffle_tiles(
    tiles: Float[Tensor, "batch tiles *picture"],
    orders: Int64[Tensor, "count tiles"],
    which: Int64[Tensor, "batch"],
) -> Float[Tensor, "batch tiles *picture"]:
    """The tiles of each picture in one of the orders.

    Args:
        tiles: in their own order.
        orders: see `distant_orders`.
        which: the order of each picture; that is what must be found out.

    Raises:
        TypeError: orders or `which` are not torch.long.
        ValueError: an order that is not there, or of another number of tiles.
    """
    check_tensors(("orders", orders, LONG, "count tiles"), ("which", which, LONG, "batch"))
    check_range("which", which, 0, len(orders) - 1)
    if orders.shape[1] != tiles.shape[1]:
        raise ValueError(f"there are {tiles.shape[1]} tiles and orders of {orders.shape[1]}: expected equal")
    return tiles[torch.arange(len(tiles), device=tiles.device)[:, None], orders.to(tiles.device)[which]]


class JigsawNet(nn.Module):
    """One encoder for every tile, and a head that sees the features of all of them, in the order in which they lie.

    Args:
        encoder: any module from pictures [batch, ...] to features [batch, feature_dim].
        tiles, orders: how many there are of each.
        hidden_dim: of the head.
        feature_dim: how many features; read from `encoder.feature_dim` when not given.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tiles: int,
        orders: int,
        hidden_dim: int = 256,
        feature_dim: int | None = None,
    ) -> None:
        super().__init__()
        for name, size in {"tiles": tiles, "orders": orders, "hidden_dim": hidden_dim}.items():
            check_whole(name, size)
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.Linear(tiles * find_feature_dim(encoder, feature_dim), hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, orders),
        )

    def forward(self, tiles: Float[Tensor, "batch tiles *picture"]) -> Float[Tensor, "batch orders"]:
        """Logits of the orders."""
        return self.head(self.encoder(tiles.flatten(0, 1)).unflatten(0, tiles.shape[:2]).flatten(1))
