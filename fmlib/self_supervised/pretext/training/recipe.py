"""The numbers of a run on a pretext task."""

from dataclasses import dataclass

from fmlib import scale
from fmlib.training.optimizers import by_name


@dataclass(frozen=True)
class Recipe:
    """Numbers of a run.

    Args:
        steps, batch_size: pictures or recordings seen are steps · batch_size.
        rate: highest learning rate.
        optimizer: "muon" (matrices and kernels by Muon, the rest by AdamW) or "adamw".

    Raises:
        ValueError: an optimizer of another name.
    """

    steps: int
    batch_size: int = 64
    rate: float = 5e-3
    optimizer: str = "muon"

    def __post_init__(self) -> None:
        by_name(self.optimizer)

    @classmethod
    def pictures(cls) -> "Recipe":
        """A run on pictures, at the scale in force."""
        return cls(
            steps=scale.pick(smoke=2, cpu=100, gpu=2000), batch_size=scale.pick(smoke=16, cpu=64, gpu=256)
        )

    @classmethod
    def sound(cls) -> "Recipe":
        """A run on recordings."""
        return cls(
            steps=scale.pick(smoke=2, cpu=120, gpu=1000),
            batch_size=scale.pick(smoke=16, cpu=48, gpu=96),
        )
