"""Jigsaw puzzles: cut a picture into tiles, shuffle them, and ask for their order.

Source: Noroozi and Favaro 2016, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles".
"""

from dataclasses import dataclass
from itertools import permutations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, LONG, check_number, check_range, check_sizes, check_tensors, check_whole
from fmlib.self_supervised.encoder import find_feature_dim


@dataclass(frozen=True)
class JigsawConfig:
    """What a puzzle is.

    Args:
        side: tiles along a side.
        orders: how many orders of the tiles there are to choose from.
        gap: by how many pixels a tile is smaller than its cell.
        hidden_dim: of the head.

    Raises:
        ValueError: sizes out of range.
    """

    side: int = 2
    orders: int = 24
    gap: int = 4
    hidden_dim: int = 256

    def __post_init__(self) -> None:
        check_whole("side", self.side, least=2, most=3)
        check_sizes(self, "orders", "hidden_dim")
        check_whole("gap", self.gap, least=0)

    @property
    def tiles(self) -> int:
        """How many a picture has."""
        return self.side**2

    @classmethod
    def tiny(cls) -> "JigsawConfig":
        """For tests: seconds."""
        return cls(orders=4, gap=1, hidden_dim=8)

    @classmethod
    def paper(cls) -> "JigsawConfig":
        """Tiles of 64 pixels in cells of 75 (Noroozi and Favaro 2016)."""
        return cls(side=3, orders=1000, gap=11, hidden_dim=4096)


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
    nearest = torch.full((len(every),), tiles + 1)  # to which chosen order, in places that differ
    for _ in range(count - 1):  # `farthest_order`, without comparing with all chosen orders again
        nearest = torch.minimum(nearest, (every != every[chosen[-1]]).sum(dim=1))
        chosen.append(int(nearest.argmax()))
    return every[chosen]


def farthest_order(every: Int64[Tensor, "all tiles"], chosen: Int64[Tensor, "chosen"]) -> Int64[Tensor, ""]:
    """Which order is farthest from the chosen ones: differs from the most similar of them in the most places.

    Args:
        every: all orders.
        chosen: rows of it.

    Returns:
        A row of `every` that is not among the chosen; the first if several are as far.

    Raises:
        TypeError: not torch.long.
        ValueError: nothing chosen, all chosen, or rows that are not there.
    """
    check_tensors(("every", every, LONG, "all tiles"), ("chosen", chosen, LONG, "chosen"))
    check_range("chosen", chosen, 0, len(every) - 1)
    if len(chosen.unique()) == len(every):
        raise ValueError(f"chosen has all {len(every)} orders: expected some to be left")
    apart = (every[:, None] != every[chosen]).sum(dim=2)  # [all, chosen], places that differ
    return apart.amin(dim=1).argmax()  # a chosen order is 0 places from itself


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

    Source: Noroozi and Favaro 2016: random gaps against the shortcut of edges.
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
    picture = torch.arange(batch, device=images.device)[:, None, None, None]
    place = torch.arange(tiles, device=images.device)[None, :, None, None]
    # indexed axes come first, so the channels end up last
    return cells[picture, place, :, rows[:, :, :, None], columns[:, :, None, :]].permute(0, 1, 4, 2, 3)


def normalize_tiles(
    tiles: Float[Tensor, "batch tiles channels height width"], eps: float = 1e-3
) -> Float[Tensor, "batch tiles channels height width"]:
    """Give every tile mean 0 and deviation 1 over its own numbers, so that neighbors can't be told by their light.

    Args:
        tiles: of pictures in [0, 1].
        eps: added to the variance, so that an empty tile stays zeros and its noise is not blown up.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: another number of axes.

    Source: Noroozi and Favaro 2016.
    """
    check_tensors(("tiles", tiles, FLOAT, "batch tiles channels height width"))
    check_number("eps", eps, above=0)
    variance, mean = torch.var_mean(tiles, dim=(2, 3, 4), keepdim=True, correction=0)
    return (tiles - mean) * torch.rsqrt(variance + eps)


def shuffle_tiles(
    tiles: Float[Tensor, "batch tiles channels height width"],
    orders: Int64[Tensor, "count tiles"],
    which: Int64[Tensor, "batch"],
) -> Float[Tensor, "batch tiles channels height width"]:
    """The tiles of each picture in one of the orders: place i gets tile ``orders[which][i]``.

    Args:
        tiles: in their own order.
        orders: see `distant_orders`.
        which: the order of each picture; that is what must be found out.

    Raises:
        TypeError: tiles that are no floats; orders or `which` that are not torch.long.
        ValueError: an order that is not there, or of another number of tiles.
    """
    check_tensors(
        ("tiles", tiles, FLOAT, "batch tiles channels height width"),
        ("orders", orders, LONG, "count tiles"),
        ("which", which, LONG, "batch"),
    )
    check_range("which", which, 0, len(orders) - 1)
    wanted = orders.to(tiles.device)[which.to(tiles.device)]  # [batch, tiles]
    return tiles[torch.arange(len(tiles), device=tiles.device)[:, None], wanted]


class JigsawNet(nn.Module):
    """One encoder for every tile, and a head that sees the features of all tiles, in the order in which they lie.

    Args:
        encoder: any module from pictures [batch, ...] to features [batch, feature_dim].
        config: the puzzle.
        feature_dim: how many features; read from `encoder.feature_dim` when not given.

    Raises:
        ValueError: the encoder does not say its feature_dim and none is given.
    """

    def __init__(self, encoder: nn.Module, config: JigsawConfig, feature_dim: int | None = None) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        self.head = nn.Sequential(
            nn.Linear(config.tiles * find_feature_dim(encoder, feature_dim), config.hidden_dim),
            nn.ReLU(),
            nn.Linear(config.hidden_dim, config.orders),
        )

    def forward(
        self, tiles: Float[Tensor, "batch tiles channels height width"]
    ) -> Float[Tensor, "batch orders"]:
        """Logits of the orders. No tile's features depend on another tile: comparing them is left to the head."""
        features = self.encoder(tiles.flatten(0, 1))  # [batch·tiles, feature_dim]
        return self.head(features.reshape(len(tiles), -1))  # the tiles of a puzzle side by side
