"""What every augmentation begins with: a look at its input, and one random number per picture."""

from typing import Any

import torch
from torch import Tensor

from fmlib.checks import FLOAT, check_number, check_tensors


def check_pictures(images: Tensor, name: str = "images") -> None:
    """Refuse what is not a batch of pictures.

    Args:
        images: what came.
        name: of the argument.

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: not [batch, 1 or 3, height, width], or empty.
    """
    if isinstance(images, Tensor) and not images.is_floating_point():
        raise TypeError(
            f"{name} are {images.dtype}: expected a float tensor in [0, 1]; use images.float() / 255"
        )
    check_tensors((name, images, FLOAT, "batch channels height width"))
    if images.shape[1] not in (1, 3):
        raise ValueError(
            f"{name} have shape {tuple(images.shape)}: expected [batch, 1 or 3 channels, height, width]"
        )


def check_pair(name: str, pair: Any, most: float | None = None, hint: str = "") -> None:
    """Refuse what is no smallest and largest number, both above 0.

    Raises:
        ValueError: names it.
    """
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"{name} is {pair!r}: expected two numbers, smallest and largest")
    for value in pair:
        check_number(name, value, above=0, most=most, hint=hint)
    if pair[0] > pair[1]:
        raise ValueError(f"{name} is {pair}: expected smallest <= largest")


def uniform(images: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """One number per picture, shaped [batch, 1, 1, 1]; drawn where the generator lives."""
    where = generator.device if generator is not None else "cpu"
    draw = torch.rand(len(images), 1, 1, 1, generator=generator, device=where)
    return (low + (high - low) * draw).to(images)
