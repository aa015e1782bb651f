"""Colorization: take the color from a picture, and ask for it back. To answer, one must know what the thing is.

Source: Zhang et al. 2016, "Colorful Image Colorization".
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, LONG, check_number, check_range, check_tensors, check_whole
from fmlib.nn.resnet import SmallResNet

CELL = 10.0  # width of a cell of the plane of colors
# From linear red, green and blue to CIE XYZ, each divided by that of white (D65), so that gray has X = Y = Z.
TO_XYZ = (
    (0.4124564 / 0.9504700, 0.3575761 / 0.9504700, 0.1804375 / 0.9504700),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339 / 1.0888300, 0.1191920 / 1.0888300, 0.9503041 / 1.0888300),
)


def to_lab(images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """Lightness and color apart: CIE Lab, in which equal distances look about equally different.

    Args:
        images: sRGB in [0, 1].

    Returns:
        Lightness L from 0 to 100, a from green to red, b from blue to yellow; gray has a = b = 0.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: not three channels.

    Source: CIE 15, with the sRGB curve of IEC 61966-2-1 and white D65.
    """
    check_tensors(("images", images, FLOAT, "batch 3 height width"))
    linear = torch.where(images <= 0.04045, images / 12.92, ((images.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    xyz = torch.einsum("xc,bchw->bxhw", images.new_tensor(TO_XYZ), linear)
    edge = 6 / 29
    root = torch.where(
        xyz > edge**3, xyz.clamp(min=edge**3).pow(1 / 3), xyz / (3 * edge**2) + 4 / 29
    )  # linear near black
    x, y, z = root.unbind(1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), dim=1)


def to_rgb(lab: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 height width"]:
    """`to_lab` backwards; colors that no screen shows are cut off at its limits."""
    check_tensors(("lab", lab, FLOAT, "batch 3 height width"))
    light, a, b = lab.unbind(1)
    y = (light + 16) / 116
    root, edge = torch.stack((y + a / 500, y, y - b / 200), dim=1), 6 / 29
    xyz = torch.where(root > edge, root**3, 3 * edge**2 * (root - 4 / 29))
    linear = torch.einsum("cx,bxhw->bchw", torch.linalg.inv(lab.new_tensor(TO_XYZ)), xyz).clamp(0, 1)
    return torch.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055
    ).clamp(0, 1)


def find_colors(
    colors: Float[Tensor, "pixels 2"], cell: float = CELL, least: int = 1
) -> Float[Tensor, "found 2"]:
    """The plane of colors in square cells: the middles of those in which enough pixels lie.

    Args:
        colors: a and b of many pixels.
        cell: width of a cell; one lies around gray.
        least: pixels that a cell must hold to be kept.

    Returns:
        Middles (a, b), sorted.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: another shape, a width that is not positive, or no cell that holds so many.

    Source: Zhang et al. 2016, section 2.1: cells of width 10, of which 313 hold colors that a screen shows.
    """
    check_tensors(("colors", colors, FLOAT, "pixels 2"), finite=True)
    check_number("cell", cell, above=0)
    check_whole("least", least)
    cells, counts = (colors / cell).round().unique(dim=0, return_counts=True)
    if not bool((counts >= least).any()):
        raise ValueError(f"least is {least}: expected a number that some cell holds, at most {counts.max()}")
    return cells[counts >= least] * cell


def nearest_color(
    colors: Float[Tensor, "pixels 2"], palette: Float[Tensor, "found 2"]
) -> Int64[Tensor, "pixels"]:
    """Which color of the palette is nearest to each pixel's; the first if several are.

    Args:
        colors, palette: a and b of each.

    Raises:
        TypeError: not tensors of floats.
        ValueError: other shapes.
    """
    check_tensors(("colors", colors, FLOAT, "pixels 2"), ("palette", palette, FLOAT, "found 2"))
    sizes = palette.square().sum(dim=1)
    # |c - p|² without |c|², which is the same for all p; in pieces, since the table of all distances is large
    return torch.cat([(sizes - 2 * some @ palette.T).argmin(dim=1) for some in colors.split(65_536)])


def rebalancing_weights(
    frequencies: Float[Tensor, "colors"], uniform: float = 0.5
) -> Float[Tensor, "colors"]:
    """How much a pixel counts that has a certain color: rare colors more, so that they are not given up.

    Args:
        frequencies: share of the pixels that has each color; scaled to sum to 1 here.
        uniform: share of the uniform distribution that is mixed in: 1 weighs all alike, 0 a color by one over its share.

    Returns:
        Weights whose mean over pixels, the sum of frequency times weight, is 1.

    Raises:
        TypeError: not a tensor of floats.
        ValueError: negative frequencies, none above 0, or a share outside 0 to 1.

    Source: Zhang et al. 2016, eq. 4, where the share is 1/2.
    """
    check_tensors(("frequencies", frequencies, FLOAT, "colors"), finite=True)
    check_number("uniform", uniform, least=0, most=1)
    if bool((frequencies < 0).any()) or not bool((frequencies > 0).any()):
        raise ValueError("frequencies are negative or all 0: expected shares of pixels")
    if uniform == 0 and not bool((frequencies > 0).all()):
        raise ValueError(
            "frequencies have a 0 and uniform is 0: expected a share above 0, else a weight is infinite"
        )
    share = frequencies / frequencies.sum()
    weights = 1 / ((1 - uniform) * share + uniform / len(share))
    return weights / (share * weights).sum()


def color_loss(
    logits: Float[Tensor, "batch colors height width"],
    targets: Int64[Tensor, "batch height width"],
    weights: Float[Tensor, "colors"],
) -> Float[Tensor, ""]:
    """Cross-entropy of every pixel's color, each weighted by its color's weight.

    Args:
        logits: one for each color of the palette.
        targets: the right one.
        weights: of the colors; ones for the plain mean.

    Returns:
        Mean over pixels of weight times cross-entropy in nats. The weights' mean is 1, so it is not divided by their sum in
        this batch: a batch of dull pictures then counts less.

    Raises:
        TypeError, ValueError: tensors of other types or shapes, or a color that is not there.

    Source: Zhang et al. 2016, eq. 2. Differs from the paper: the target is the nearest color, not a mixture of five.
    """
    check_tensors(
        ("logits", logits, FLOAT, "batch colors height width"),
        ("targets", targets, LONG, "batch height width"),
        ("weights", weights, FLOAT, "colors"),
    )
    check_range("targets", targets, 0, logits.shape[1] - 1)
    return (weights.to(logits)[targets] * F.cross_entropy(logits, targets, reduction="none")).mean()


def annealed_mean(
    logits: Float[Tensor, "batch colors height width"],
    palette: Float[Tensor, "colors 2"],
    temperature: float = 0.38,
) -> Float[Tensor, "batch 2 height width"]:
    """One color for each pixel: between the mean of the distribution (temperature 1) and its mode (towards 0).

    Args:
        logits: one for each color of the palette.
        palette: a and b of each.
        temperature: > 0.

    Raises:
        TypeError, ValueError: tensors of other types or shapes, or a temperature that is not positive.

    Source: Zhang et al. 2016, eq. 5.
    """
    check_tensors(
        ("logits", logits, FLOAT, "batch colors height width"), ("palette", palette, FLOAT, "colors 2")
    )
    check_number("temperature", temperature, above=0)
    return torch.einsum("bqhw,qc->bchw", (logits / temperature).softmax(dim=1), palette.to(logits))


class ColorizationNet(nn.Module):
    """An encoder of gray pictures, and one linear layer that paints each region of its map.

    The painter is linear and sees one place of the map, so what the thing is must be known by the encoder.

    Args:
        encoder: of one channel; its features are the `config.grid` x `config.grid` places of its map.
        outputs: numbers for each pixel: the colors of a palette, or 2 for a and b themselves.
        pixels: painted along the side of a place.

    Raises:
        ValueError: an encoder of color pictures, or sizes that are no positive whole numbers.
    """

    def __init__(self, encoder: SmallResNet, outputs: int, pixels: int = 4) -> None:
        super().__init__()
        check_whole("outputs", outputs)
        check_whole("pixels", pixels)
        if encoder.config.channels != 1:
            raise ValueError(f"encoder has {encoder.config.channels} channels: expected 1, a gray picture")
        self.encoder, self.grid = encoder, encoder.config.grid
        width = encoder.feature_dim // self.grid**2
        self.paint = nn.Sequential(nn.Conv2d(width, outputs * pixels**2, 1), nn.PixelShuffle(pixels))

    def forward(
        self, gray: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch outputs side side"]:
        """From gray pictures in [0, 1] to a map whose side is grid · pixels."""
        features = self.encoder(gray)  # [batch, width·grid·grid]
        return self.paint(features.unflatten(1, (-1, self.grid, self.grid)))
