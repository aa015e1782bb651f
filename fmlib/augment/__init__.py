"""Augmentations for a batch of pictures on one device, with different random numbers for every picture.

torchvision's transforms draw once per call, so a batch of different views costs a Python loop over its pictures. Here every
function draws a vector, one number per picture, and transforms the whole batch in a few tensor operations. All randomness
comes from an explicit generator: the same seed gives the same views.

Pictures are float tensors ``[batch, channels, height, width]`` in [0, 1]; channels is 1 (gray) or 3 (red, green, blue).
"""

from fmlib.augment.color import color_jitter, gaussian_blur, random_gamma, shift_hue, to_gray
from fmlib.augment.draw import check_pictures
from fmlib.augment.geometry import crop_and_resize, random_affine, random_horizontal_flip, random_resized_crop
from fmlib.augment.recipe import Augmentation

__all__ = [
    "Augmentation",
    "check_pictures",
    "color_jitter",
    "crop_and_resize",
    "gaussian_blur",
    "random_affine",
    "random_gamma",
    "random_horizontal_flip",
    "random_resized_crop",
    "shift_hue",
    "to_gray",
]
