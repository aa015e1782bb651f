"""How a pretext task can be solved without learning what it is meant to teach: cues to plant, to take away, to measure."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from fmlib.augment import random_gamma
from fmlib.checks import FLOAT, LONG, REAL, check_range, check_tensors, check_whole


def add_mark(images: Tensor, size: int = 2) -> Tensor:
    """A white square in the lower right corner of every picture, as a camera puts the date there.

    Args:
        images: [batch, channels, height, width], bytes or floats in [0, 1]; left alone.
        size: of the square, in pixels.

    Returns:
        Marked copies of the same type.
    """
    check_tensors(("images", images, REAL, "batch channels height width"))
    check_whole("size", size, most=min(images.shape[2:]))
    marked = images.clone()
    marked[..., -size:, -size:] = 1 if images.is_floating_point() else 255
    return marked


def cover_border(images: Tensor, width: int = 2) -> Tensor:
    """Black out a frame around every picture, whatever stands there.

    Args:
        images: [batch, channels, height, width], bytes or floats; left alone.
        width: of the frame, in pixels.

    Returns:
        Covered copies of the same type.
    """
    check_tensors(("images", images, REAL, "batch channels height width"))
    check_whole("width", width, most=(min(images.shape[2:]) - 1) // 2)
    covered = torch.zeros_like(images)
    covered[..., width:-width, width:-width] = images[..., width:-width, width:-width]
    return covered


def order_by_edges(
    tiles: Float[Tensor, "batch tiles channels height width"], orders: Int64[Tensor, "count tiles"]
) -> Int64[Tensor, "batch"]:
    """Solve puzzles with a ruler: of all orders, the one in which touching edges differ least. Nothing is learned.

    Args:
        tiles: shuffled, of square puzzles; place i holds tile ``order[i]``.
        orders: to choose from.

    Returns:
        The row of `orders` for each puzzle.

    Raises:
        TypeError, ValueError: tensors of other types or shapes, or a number of tiles that makes no square.
    """
    check_tensors(
        ("tiles", tiles, FLOAT, "batch tiles channels height width"), ("orders", orders, LONG, "count tiles")
    )
    side = round(tiles.shape[1] ** 0.5)
    if side**2 != tiles.shape[1]:
        raise ValueError(f"tiles are {tiles.shape[1]} for each puzzle: expected a square number of them")
    right, left = tiles[..., :, -1].flatten(2), tiles[..., :, 0].flatten(2)  # [batch, tiles, channels·height]
    bottom, top = tiles[..., -1, :].flatten(2), tiles[..., 0, :].flatten(2)
    beside, below = torch.cdist(right, left, p=1), torch.cdist(bottom, top, p=1)  # [batch, tiles, tiles]
    places = orders.argsort(dim=1).view(-1, side, side)  # where the tile of each cell lies
    cost = beside[:, places[:, :, :-1], places[:, :, 1:]].sum(dim=(2, 3))
    cost = cost + below[:, places[:, :-1], places[:, 1:]].sum(dim=(2, 3))
    return cost.argmin(dim=1)


def other_brightness(
    images: Float[Tensor, "batch 1 height width"], generator: torch.Generator
) -> Float[Tensor, "batch 1 height width"]:
    """Bend the grays of each picture at random: what is dark stays darker than what is light, and no more can be told."""
    return random_gamma(images, strength=1.0, generator=generator)


def cue_accuracy(
    cue: Int64[Tensor, "n"],
    answers: Int64[Tensor, "n"],
    test_cue: Int64[Tensor, "m"],
    test_answers: Int64[Tensor, "m"],
) -> float:
    """How far one gets by a cue alone: for each of its values, the answer that it came with most often.

    Args:
        cue: a whole number from 0 for each example, e.g. a gray level.
        answers: what the task asks for, whole numbers from 0.
        test_cue, test_answers: of other examples, to be told by what was counted. For a value that was never seen, the
            commonest answer of all is given.

    Returns:
        Per cent of the test examples that are right.

    Raises:
        TypeError: not torch.long.
        ValueError: lengths that differ, nothing to count, or numbers below 0.
    """
    check_tensors(("cue", cue, LONG, "n"), ("answers", answers, LONG, "n"))
    check_tensors(("test_cue", test_cue, LONG, "m"), ("test_answers", test_answers, LONG, "m"))
    for name, numbers in {
        "cue": cue, "answers": answers, "test_cue": test_cue, "test_answers": test_answers
    }.items():  # fmt: skip
        check_range(name, numbers, 0, 2**31)
    kinds, values = int(answers.max()) + 1, int(torch.cat((cue, test_cue)).max()) + 1
    counts = (cue * kinds + answers).bincount(minlength=values * kinds).view(values, kinds)
    commonest = counts.sum(dim=0).argmax()
    told = torch.where(counts.sum(dim=1) > 0, counts.argmax(dim=1), commonest)
    return 100 * (told[test_cue] == test_answers).double().mean().item()
