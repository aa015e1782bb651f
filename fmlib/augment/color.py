"""What things look like: brightness, contrast, color, sharpness."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fmlib.augment.draw import check_pair, check_pictures, uniform
from fmlib.checks import FLOAT, check_number, check_tensors

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)  # ITU-R BT.601, as in torchvision


def to_gray(images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1 height width"]:
    """The luminance of each picture; gray ones come back as they are."""
    check_pictures(images)
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor(GRAY_WEIGHTS).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def shift_hue(
    images: Float[Tensor, "batch 3 height width"], turns: Float[Tensor, "batch 1 1 1"]
) -> Float[Tensor, "batch 3 height width"]:
    """Move every color round the color circle, at the same saturation and value (HSV).

    Args:
        images: float color pictures in [0, 1].
        turns: how far, per picture; 0.5 is the opposite color, 1 is the same color again.

    Raises:
        TypeError, ValueError: not color pictures, or not one number per picture.
    """
    check_tensors(("images", images, FLOAT, "batch 3 height width"), ("turns", turns, FLOAT, "batch 1 1 1"))
    value, _ = images.max(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    red, green, blue = images.split(1, dim=1)
    safe = torch.where(chroma > 0, chroma, 1)
    sector = torch.where(
        value == red,
        (green - blue) / safe % 6,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    offsets = images.new_tensor([5, 3, 1]).view(1, 3, 1, 1)
    k = (offsets + sector + 6 * turns) % 6
    return value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)


def color_jitter(
    images: Float[Tensor, "batch channels height width"],
    generator: torch.Generator | None = None,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.1,
) -> Float[Tensor, "batch channels height width"]:
    """Change brightness, contrast, saturation and hue of each picture at random.

    Args:
        images: float pictures in [0, 1]; gray ones keep to brightness and contrast.
        generator: the randomness.
        brightness, contrast, saturation: each factor is drawn from [1 - value, 1 + value], 0 leaves it alone.
        hue: moved round the color circle by up to this share either way, at most 0.5.

    Raises:
        ValueError: a negative strength, or hue above 0.5.

    Differs from torchvision: the four always come in this order, not in a random one.
    """
    check_pictures(images)
    for name, strength in {"brightness": brightness, "contrast": contrast, "saturation": saturation}.items():
        check_number(name, strength, least=0)
    check_number("hue", hue, least=0, most=0.5)

    def factor(strength: float) -> Tensor:
        return uniform(images, max(0.0, 1 - strength), 1 + strength, generator)

    if brightness:
        images = (images * factor(brightness)).clamp(0, 1)
    if contrast:
        mean = to_gray(images).mean(dim=(1, 2, 3), keepdim=True)
        images = torch.lerp(mean.expand_as(images), images, factor(contrast)).clamp(0, 1)
    if images.shape[1] == 3:
        if saturation:
            gray = to_gray(images)
            images = torch.lerp(gray.expand_as(images), images, factor(saturation)).clamp(0, 1)
        if hue:
            images = shift_hue(images, uniform(images, -hue, hue, generator)).clamp(0, 1)
    return images


def random_gamma(
    images: Float[Tensor, "batch channels height width"],
    generator: torch.Generator | None = None,
    strength: float = 1.0,
) -> Float[Tensor, "batch channels height width"]:
    """Bend each picture's brightness curve: black and white stay, what lies between gets lighter or darker.

    Args:
        images: float pictures in [0, 1].
        generator: the randomness.
        strength: the exponent is exp(u), with u drawn from [-strength, strength].

    Raises:
        ValueError: a negative strength.
    """
    check_pictures(images)
    check_number("strength", strength, least=0)
    # The derivative of x ** g is infinite at 0 for g < 1: keep away from it.
    return images.clamp(1e-8, 1) ** uniform(images, -strength, strength, generator).exp()


def gaussian_blur(
    images: Float[Tensor, "batch channels height width"],
    generator: torch.Generator | None = None,
    sigma: tuple[float, float] = (0.1, 2.0),
) -> Float[Tensor, "batch channels height width"]:
    """Blur each picture with a Gaussian of its own width.

    Args:
        images: float pictures.
        generator: the randomness.
        sigma: smallest and largest standard deviation, in pixels.

    Raises:
        ValueError: unless 0 < smallest <= largest.
    """
    check_pictures(images)
    check_pair("sigma", sigma, hint="in pixels")
    radius = min(math.ceil(2 * sigma[1]), min(images.shape[-2:]) - 1)
    width = uniform(images, *sigma, generator).view(-1, 1)
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / width) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(
        images.shape[1], dim=0
    )  # [B*C, taps]
    # One group per picture and channel: a single grouped convolution blurs each with its own kernel.
    flat = F.pad(images, (radius,) * 4, mode="reflect").flatten(0, 1)[None]
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=len(kernel))
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=len(kernel))
    return flat.view_as(images)
