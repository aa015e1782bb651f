"""Multi-crop: a few large views of each picture, and several small ones that cost little."""

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fmlib.augment import Augmentation, check_pictures, random_resized_crop
from fmlib.checks import check_number, check_whole
from fmlib.self_supervised.contrastive.training import FULL

Large = list[Float[Tensor, "batch channels height width"]]
Small = list[Float[Tensor, "batch channels small_size small_size"]]


@dataclass(frozen=True)
class MultiCrop:
    """Two large views and several small ones; call it with pictures and a generator.

    Args:
        augment: everything that happens to a view but its crop.
        large: how many views keep at least the share `border` of the area, at the picture's own size.
        small: how many keep between `least` and `border`, at `small_size`.
        least, border: shares of the area, in (0, 1].
        small_size: pixels along a side of a small view.

    Raises:
        ValueError: no large view, shares out of order, or sizes that are no whole numbers.

    Source: Caron et al. 2020, "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", section 3.2;
    the border of 0.4 is that of Caron et al. 2021, their released code.
    """

    augment: Augmentation = field(default_factory=lambda: FULL)
    large: int = 2
    small: int = 4
    least: float = 0.1
    border: float = 0.4
    small_size: int = 16

    def __post_init__(self) -> None:
        check_whole("large", self.large)
        check_whole("small", self.small, least=0)
        check_whole("small_size", self.small_size)
        check_number("border", self.border, above=0, most=1, hint="a share of the area")
        check_number("least", self.least, above=0, most=self.border, hint="a share of the area")

    def __call__(
        self, images: Float[Tensor, "batch channels height width"], generator: torch.Generator | None = None
    ) -> tuple[Large, Small]:
        """Views of each picture.

        Args:
            images: float pictures in [0, 1].
            generator: the randomness.

        Returns:
            The large views, and the small ones [batch, channels, small_size, small_size].
        """
        check_pictures(images)
        rest = replace(self.augment, crop=1.0)

        def view(scale: tuple[float, float]) -> Tensor:
            return rest(random_resized_crop(images, generator, scale), generator)

        large = [view((self.border, 1.0)) for _ in range(self.large)]
        size = (self.small_size, self.small_size)
        small = [
            F.interpolate(view((self.least, self.border)), size, mode="bilinear", antialias=True)
            for _ in range(self.small)
        ]
        return large, small
