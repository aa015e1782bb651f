"""Where things are: crops, mirroring, turning and shifting."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fmlib.augment.draw import check_pair, check_pictures, uniform
from fmlib.checks import FLOAT, check_number, check_tensors


def _sample(
    images: Tensor, x: Tensor, y: Tensor, padding: str = "border"
) -> Float[Tensor, "batch channels height width"]:
    """Read every picture at pixel positions x, y [batch, height, width] by bilinear interpolation."""
    height, width = images.shape[-2:]
    grid = torch.stack((2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1), dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=True)


def crop_and_resize(
    images: Float[Tensor, "batch channels height width"], boxes: Float[Tensor, "batch 4"]
) -> Float[Tensor, "batch channels height width"]:
    """Cut a box out of each picture and stretch it to the picture's size.

    Args:
        images: float pictures.
        boxes: left, top, width, height of each box in pixels; need not be whole numbers.

    Returns:
        Pictures of the same shape, by bilinear interpolation without antialiasing.

    Raises:
        TypeError, ValueError: not pictures, or not one box per picture.
    """
    check_pictures(images)
    check_tensors(
        ("images", images, FLOAT, "batch channels height width"), ("boxes", boxes, FLOAT, "batch 4")
    )
    height, width = images.shape[-2:]
    left, top, box_width, box_height = boxes.to(images)[:, :, None].unbind(1)  # each [batch, 1]
    across = (torch.arange(width, device=images.device, dtype=images.dtype) + 0.5) / width
    down = (torch.arange(height, device=images.device, dtype=images.dtype) + 0.5) / height
    # Clamping to the box keeps what lies outside it out of the view, as cropping first would.
    x = torch.minimum((left + across * box_width - 0.5).clamp(min=left), left + box_width - 1)
    y = torch.minimum((top + down * box_height - 0.5).clamp(min=top), top + box_height - 1)
    shape = (len(images), height, width)
    return _sample(images, x[:, None, :].expand(shape), y[:, :, None].expand(shape))


def random_resized_crop(
    images: Float[Tensor, "batch channels height width"],
    generator: torch.Generator | None = None,
    scale: tuple[float, float] = (0.2, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Float[Tensor, "batch channels height width"]:
    """Show a random part of each picture at full size.

    Args:
        images: float pictures.
        generator: the randomness.
        scale: smallest and largest share of the area that is kept, in (0, 1].
        ratio: smallest and largest width : height of the part.

    Raises:
        ValueError: a range that is empty or outside its bounds.

    Source: Szegedy et al. 2015, "Going Deeper with Convolutions", section 6; SimCLR's most important augmentation.
    Differs from torchvision: the box is not rounded to whole pixels, and one that does not fit is cut to
    the picture's sides instead of being drawn again.
    """
    check_pictures(images)
    check_pair("scale", scale, most=1)
    check_pair("ratio", ratio)
    height, width = images.shape[-2:]
    area = uniform(images, *scale, generator).flatten() * height * width
    aspect = uniform(images, math.log(ratio[0]), math.log(ratio[1]), generator).flatten().exp()
    box_width = (area * aspect).sqrt().clamp(1, width)
    box_height = (area / aspect).sqrt().clamp(1, height)
    left = uniform(images, 0, 1, generator).flatten() * (width - box_width)
    top = uniform(images, 0, 1, generator).flatten() * (height - box_height)
    return crop_and_resize(images, torch.stack((left, top, box_width, box_height), dim=1))


def random_horizontal_flip(
    images: Float[Tensor, "batch channels height width"],
    generator: torch.Generator | None = None,
    probability: float = 0.5,
) -> Float[Tensor, "batch channels height width"]:
    """Mirror each picture left to right with the given probability.

    Raises:
        TypeError, ValueError: not pictures, or a probability outside [0, 1].
    """
    check_pictures(images)
    check_number("probability", probability, least=0, most=1)
    chosen = uniform(images, 0, 1, generator) < probability
    return torch.where(chosen, images.flip(-1), images)


def random_affine(
    images: Float[Tensor, "batch channels height width"],
    generator: torch.Generator | None = None,
    degrees: float = 15.0,
    shift: float = 0.1,
    fill: float = 0.0,
) -> Float[Tensor, "batch channels height width"]:
    """Turn each picture about its center and shift it.

    Args:
        images: float pictures.
        generator: the randomness.
        degrees: turned by up to this much either way.
        shift: moved by up to this share of width and height either way.
        fill: brightness of what comes in from outside.

    Raises:
        TypeError, ValueError: not pictures, bounds that are negative, or numbers that are none.
    """
    check_pictures(images)
    check_number("degrees", degrees, least=0)
    check_number("shift", shift, least=0)
    check_number("fill", fill)
    height, width = images.shape[-2:]
    angle = uniform(images, -degrees, degrees, generator)[..., 0] * math.pi / 180  # [batch, 1, 1]
    shift_x = uniform(images, -shift, shift, generator)[..., 0] * width
    shift_y = uniform(images, -shift, shift, generator)[..., 0] * height
    x = (
        torch.arange(width, device=images.device, dtype=images.dtype)[None, None, :]
        - (width - 1) / 2
        - shift_x
    )
    y = (
        torch.arange(height, device=images.device, dtype=images.dtype)[None, :, None]
        - (height - 1) / 2
        - shift_y
    )
    source_x = angle.cos() * x - angle.sin() * y + (width - 1) / 2
    source_y = angle.sin() * x + angle.cos() * y + (height - 1) / 2
    return _sample(images - fill, source_x, source_y, padding="zeros") + fill
