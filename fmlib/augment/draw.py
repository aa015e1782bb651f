"""What every augmentation begins with: a look at its input, and one random number per picture."""

import torch
from torch import Tensor


def check_pictures(images: Tensor) -> None:
    """Refuse what is not a batch of pictures.

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: not [batch, 1 or 3, height, width], or empty.
    """
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"pictures are {kind}: expected a float tensor in [0, 1]; use images.float() / 255")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"pictures have shape {tuple(images.shape)}: expected [batch, 1 or 3 channels, height, width], "
            "none of them empty"
        )


def uniform(images: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """One number per picture, shaped [batch, 1, 1, 1]; drawn where the generator lives."""
    where = generator.device if generator is not None else "cpu"
    draw = torch.rand(len(images), 1, 1, 1, generator=generator, device=where)
    return (low + (high - low) * draw).to(images)
