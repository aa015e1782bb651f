"""A recipe of augmentations: one random view of each picture."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from fmlib.augment.color import color_jitter, gaussian_blur, random_gamma, to_gray
from fmlib.augment.draw import check_pictures, uniform
from fmlib.augment.geometry import random_affine, random_horizontal_flip, random_resized_crop
from fmlib.checks import check_number


@dataclass(frozen=True)
class Augmentation:
    """A recipe of augmentations; call it with pictures and a generator to get one view of each.

    Args:
        crop: smallest share of the area that a random resized crop keeps; 1 leaves the crop out.
        flip: probability of mirroring.
        degrees, shift: bounds of turning and shifting (`random_affine`); 0 leaves them out.
        fill: brightness of what turning and shifting bring in from outside; the pictures' background.
        jitter: probability of color jitter; `strength` scales SimCLR's 0.8, 0.8, 0.8, 0.2.
        gamma: bound of the brightness curve's bend (`random_gamma`); 0 leaves it out.
        gray: probability of dropping the color.
        blur: probability of Gaussian blur with a width of up to `blur_sigma` pixels.

    Raises:
        ValueError: a number out of its range, or none.

    Source: Chen et al. 2020, appendix A; each is a switch so that the lesson can take it away.
    Differs from the paper: turning, shifting and gamma are not in it.
    """

    crop: float = 0.2
    flip: float = 0.5
    degrees: float = 0.0
    shift: float = 0.0
    fill: float = 0.0
    jitter: float = 0.8
    strength: float = 0.5
    gamma: float = 0.0
    gray: float = 0.2
    blur: float = 0.0
    blur_sigma: float = 1.0

    def __post_init__(self) -> None:
        check_number("crop", self.crop, above=0, most=1, hint="a share of the area")
        for field in ("flip", "jitter", "gray", "blur"):
            check_number(field, getattr(self, field), least=0, most=1, hint="a probability")
        for field in ("degrees", "shift", "strength", "gamma"):
            check_number(field, getattr(self, field), least=0)
        check_number("fill", self.fill)
        check_number("blur_sigma", self.blur_sigma, least=0.1, hint="in pixels")

    def __call__(
        self, images: Float[Tensor, "batch channels height width"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        """One random view of each picture, in [0, 1]."""
        check_pictures(images)

        def sometimes(probability: float, changed: Tensor, images: Tensor) -> Tensor:
            return torch.where(uniform(images, 0, 1, generator) < probability, changed, images)

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
        if self.gamma:
            images = random_gamma(images, generator, self.gamma)
        if self.gray and images.shape[1] == 3:
            images = sometimes(self.gray, to_gray(images).expand_as(images), images)
        if self.blur:
            changed = gaussian_blur(images, generator, (0.1, self.blur_sigma))
            images = sometimes(self.blur, changed, images)
        return images
