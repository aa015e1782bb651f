"""What a training run leaves behind: loss, rate and gradient of each step, and what was measured on the way."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass
class History:
    """What happened at each step; `plot()` shows it."""

    loss: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    measured: dict[str, dict[int, float]] = field(default_factory=dict)
    seconds: float = 0.0
    ema: nn.Module | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.loss)

    def numbers(self) -> dict[str, Any]:
        """Everything but the slow copy, ready for JSON."""
        return {name: value for name, value in vars(self).items() if name != "ema"}

    def __repr__(self) -> str:
        if not self.loss:
            return "History(no steps)"
        last = sum(self.loss[-20:]) / len(self.loss[-20:])
        return f"History({len(self)} steps, loss {self.loss[0]:.3f} -> {last:.3f}, {self.seconds:.0f} s)"

    def plot(self, axes: Any = None, label: str | None = None) -> Any:
        """Draw the loss against the step, faint as measured and bold smoothed.

        Args:
            axes: matplotlib axes to draw into; new ones by default.
            label: for the legend.

        Returns:
            The axes.
        """
        from fmlib.viz import plot_history

        return plot_history(self, axes=axes, label=label)
