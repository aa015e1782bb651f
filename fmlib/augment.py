"""Augmentations for a batch of pictures on one device, with different random numbers for every picture.

torchvision's transforms draw once per call, so a batch of different views costs a Python loop over its pictures. Here every
function draws a vector, one number per picture, and transforms the whole batch in a few tensor operations. All randomness
comes from an explicit generator: the same seed gives the same views.

Pictures are float tensors ``[batch, channels, height, width]`` in [0, 1]; channels is 1 (gray) or 3 (red, green, blue).
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)  # ITU-R BT.601, as in torchvision


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


def _uniform(images: Tensor, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """One number per picture, shaped [batch, 1, 1, 1]; drawn where the generator lives."""
    where = generator.device if generator is not None else "cpu"
    draw = torch.rand(len(images), 1, 1, 1, generator=generator, device=where)
    return (low + (high - low) * draw).to(images)


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
    if boxes.shape != (len(images), 4):
        raise ValueError(
            f"boxes have shape {tuple(boxes.shape)}: expected ({len(images)}, 4), one per picture"
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
    if not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(f"scale is {scale}: expected 0 < smallest <= largest <= 1")
    if not 0 < ratio[0] <= ratio[1]:
        raise ValueError(f"ratio is {ratio}: expected 0 < smallest <= largest")
    height, width = images.shape[-2:]
    area = _uniform(images, *scale, generator).flatten() * height * width
    aspect = _uniform(images, math.log(ratio[0]), math.log(ratio[1]), generator).flatten().exp()
    box_width = (area * aspect).sqrt().clamp(1, width)
    box_height = (area / aspect).sqrt().clamp(1, height)
    left = _uniform(images, 0, 1, generator).flatten() * (width - box_width)
    top = _uniform(images, 0, 1, generator).flatten() * (height - box_height)
    return crop_and_resize(images, torch.stack((left, top, box_width, box_height), dim=1))


def random_horizontal_flip(
    images: Float[Tensor, "batch channels height width"],
    generator: torch.Generator | None = None,
    probability: float = 0.5,
) -> Float[Tensor, "batch channels height width"]:
    """Mirror each picture left to right with the given probability."""
    check_pictures(images)
    chosen = _uniform(images, 0, 1, generator) < probability
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
    """
    check_pictures(images)
    height, width = images.shape[-2:]
    angle = _uniform(images, -degrees, degrees, generator)[..., 0] * math.pi / 180  # [batch, 1, 1]
    shift_x = _uniform(images, -shift, shift, generator)[..., 0] * width
    shift_y = _uniform(images, -shift, shift, generator)[..., 0] * height
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


def to_gray(images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1 height width"]:
    """The luminance of each picture; gray ones come back as they are."""
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
    """
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
    if min(brightness, contrast, saturation, hue) < 0 or hue > 0.5:
        raise ValueError(
            f"jitter strengths are {(brightness, contrast, saturation, hue)}: expected none negative and hue <= 0.5"
        )

    def factor(strength: float) -> Tensor:
        return _uniform(images, max(0.0, 1 - strength), 1 + strength, generator)

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
            images = shift_hue(images, _uniform(images, -hue, hue, generator)).clamp(0, 1)
    return images


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
    if not 0 < sigma[0] <= sigma[1]:
        raise ValueError(f"sigma is {sigma}: expected 0 < smallest <= largest, in pixels")
    radius = min(math.ceil(2 * sigma[1]), min(images.shape[-2:]) - 1)
    width = _uniform(images, *sigma, generator).view(-1, 1)
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


@dataclass(frozen=True)
class Augmentation:
    """A recipe of augmentations; call it with pictures and a generator to get one view of each.

    Args:
        crop: smallest share of the area that a random resized crop keeps; 1 leaves the crop out.
        flip: probability of mirroring.
        degrees, shift: bounds of turning and shifting (`random_affine`); 0 leaves them out.
        fill: brightness of what turning and shifting bring in from outside; the pictures' background.
        jitter: probability of color jitter; `strength` scales SimCLR's 0.8, 0.8, 0.8, 0.2.
        gray: probability of dropping the color.
        blur: probability of Gaussian blur with a width of up to `blur_sigma` pixels.

    Source: Chen et al. 2020, appendix A; each is a switch so that the lesson can take it away.
    """

    crop: float = 0.2
    flip: float = 0.5
    degrees: float = 0.0
    shift: float = 0.0
    fill: float = 0.0
    jitter: float = 0.8
    strength: float = 0.5
    gray: float = 0.2
    blur: float = 0.0
    blur_sigma: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop is {self.crop}: expected a share of the area in (0, 1]")
        for field in ("flip", "jitter", "gray", "blur"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field} is {getattr(self, field)}: expected a probability in [0, 1]")
        for field in ("degrees", "shift", "strength"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field} is {getattr(self, field)}: expected 0 or more")

    def __call__(
        self, images: Float[Tensor, "batch channels height width"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        """One random view of each picture, in [0, 1]."""
        check_pictures(images)

        def sometimes(probability: float, changed: Tensor, images: Tensor) -> Tensor:
            return torch.where(_uniform(images, 0, 1, generator) < probability, changed, images)

        if self.degrees or self.shift:
            images = random_affine(images, generator, self.degrees, self.shift, self.fill)
        if self.crop < 1:
            images = random_resized_crop(images, generator, scale=(self.crop, 1.0))
        if self.flip:
            images = random_horizontal_flip(images, generator, self.flip)
        if self.jitter and self.strength:
            strength = 0.8 * self.strength
            changed = color_jitter(images, generator, strength, strength, strength, min(0.5, strength / 4))
            images = sometimes(self.jitter, changed, images)
        if self.gray and images.shape[1] == 3:
            images = sometimes(self.gray, to_gray(images).expand_as(images), images)
        if self.blur:
            changed = gaussian_blur(images, generator, (0.1, self.blur_sigma))
            images = sometimes(self.blur, changed, images)
        return images
