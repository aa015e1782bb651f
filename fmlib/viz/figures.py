"""Figures: pictures of pictures, curves, heat maps.

They keep a light background of their own, so that they read the same on a dark page. They are as wide as a phone can show
with text of 11 pixels or more; several panels stand one below the other. A figure carries the words that stand for it.
"""

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

COLORS = (
    "#3b5bdb",
    "#e8590c",
    "#2b8a3e",
    "#862e9c",
    "#c2255c",
    "#5c5f66",
)  # distinct without color vision, too
WIDTH = 4.9  # inches of a figure: its text of 11 points is then 11 pixels high on a phone 390 pixels wide
SMALLEST_TEXT = 11  # pixels, as shown
_NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
_STYLE = {
    "figure.figsize": (WIDTH, 3.3),
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e9ecef",
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "font.size": 11,
    "legend.handlelength": 1.4,
    "legend.labelspacing": 0.3,
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
}


def use_style() -> None:
    """Set matplotlib to the book's look: light card, quiet grid, colors that tell apart."""
    import matplotlib as mpl

    mpl.rcParams.update(_STYLE)
    mpl.rcParams["axes.prop_cycle"] = mpl.cycler(color=COLORS)


def panels(count: int, height: float = 2.6, **options: Any) -> tuple[Any, list[Any]]:
    """A figure of several panels that a phone can show: one below the other.

    Args:
        count: of panels.
        height: of each, in inches.
        **options: further ones of `matplotlib.pyplot.subplots`, e.g. ``sharex=True``.

    Returns:
        The figure and its axes, from top to bottom.
    """
    import matplotlib.pyplot as plt

    use_style()
    figure, axes = plt.subplots(count, 1, figsize=(WIDTH, height * count), squeeze=False, **options)
    return figure, list(axes[:, 0])


def describe(figure: Any, words: str) -> None:
    """Give a figure the words that stand for it wherever it cannot be seen; notebook and page take them from it.

    Args:
        figure: of matplotlib, or axes of it.
        words: what it shows, in a sentence or two. Write them with the values that are drawn, so that both agree.

    Raises:
        ValueError: hardly any words, or another number of panels than there are.
    """
    figure = getattr(figure, "figure", figure)
    words = " ".join(words.split())
    if len(words) < 12:
        raise ValueError(f"the figure is described as {words!r}: expected a sentence that says what it shows")
    drawn = sum(not hasattr(axes, "_colorbar") for axes in figure.axes)
    for number in re.findall(rf"\b(\d+|{'|'.join(_NUMBERS)}) panels\b", words.lower()):
        said = int(number) if number.isdigit() else _NUMBERS.index(number)
        if said != drawn:
            raise ValueError(f"the words say {said} panels and the figure has {drawn}")

    def bundle(include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        about = {"alt": words, "least_width": least_width(figure)}
        return {"image/png": buffer.getvalue(), "text/plain": f"[figure: {words}]"}, {"image/png": about}

    figure._repr_mimebundle_ = bundle  # what a notebook asks first, also for figures that it shows by itself


def least_width(figure: Any) -> int:
    """The width in pixels at which a figure's smallest text is still 11 pixels high; less would be hard to read."""
    from matplotlib.text import Text

    width = figure.get_figwidth() * figure.dpi
    sizes = [t.get_fontsize() for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return math.ceil(width * SMALLEST_TEXT / (min(sizes) * figure.dpi / 72)) if sizes else 0


def as_picture(image: Tensor) -> np.ndarray:
    """One picture as an array that matplotlib and Pillow show.

    Args:
        image: [channels, height, width] with 1, 3 or 4 channels, uint8 or float in [0, 1].

    Returns:
        uint8 [height, width] or [height, width, channels].

    Raises:
        ValueError: any other shape.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4):
        raise ValueError(f"picture has shape {tuple(image.shape)}: expected [1, 3 or 4, height, width]")
    image = image.detach().cpu()
    if image.is_floating_point():
        image = (image.clamp(0, 1) * 255).round().to(torch.uint8)
    array = image.permute(1, 2, 0).numpy()
    return array[..., 0] if array.shape[-1] == 1 else array


def picture_grid(
    rows: Sequence[Tensor],
    labels: Sequence[str] | None = None,
    title: str | None = None,
    columns: Sequence[str] | None = None,
    size: float = 0.7,
) -> Any:
    """Show pictures in rows, one tensor a row.

    Args:
        rows: tensors [pictures, channels, height, width]; shorter rows leave the rest empty.
        labels: one for each row.
        title: what to see.
        columns: one for each column.
        size: of a picture, in inches.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: no rows, or not as many labels as rows.
    """
    import matplotlib.pyplot as plt

    if len(rows) == 0 or max(len(r) for r in rows) == 0:
        raise ValueError("rows is empty: expected at least one row with one picture")
    if labels is not None and len(labels) != len(rows):
        raise ValueError(f"{len(labels)} labels for {len(rows)} rows: expected as many")
    use_style()
    width = max(len(r) for r in rows)
    margin = 1.5 if labels else 0.0
    height = size * len(rows) + (0.35 if title else 0) + (0.25 if columns else 0)
    figure, axes = plt.subplots(len(rows), width, figsize=(size * width + margin, height), squeeze=False)
    for i, row in enumerate(rows):
        for j in range(width):
            ax = axes[i, j]
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(False)
            ax.spines[:].set_visible(False)
            if j < len(row):
                ax.imshow(as_picture(row[j]), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if columns and i == 0 and j < len(columns):
                ax.set_title(columns[j], fontsize=9, fontweight="normal", loc="center")
        if labels:
            axes[i, 0].set_ylabel(labels[i], rotation=0, ha="right", va="center", fontsize=10)
    if title:
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure


def plot_curves(
    curves: dict[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    x: str,
    y: str,
    spread: dict[str, Sequence[float]] | None = None,
    baselines: dict[str, float] | None = None,
    log_x: bool = False,
    axes: Any = None,
) -> Any:
    """Draw named curves, with spread and baselines.

    Args:
        curves: name -> (x values, y values).
        title: what to see; x, y: the axes with their units.
        spread: name -> half-width of the band at each point, e.g. one standard deviation.
        baselines: name -> a level, drawn as a dashed line.
        log_x: logarithmic x axis with a tick at each value.
        axes: where to draw; new ones by default.

    Returns:
        The axes.
    """
    import matplotlib.pyplot as plt

    use_style()
    if axes is None:
        _, axes = plt.subplots()
    markers = "osD^vP"
    for i, (name, (xs, ys)) in enumerate(curves.items()):
        color = COLORS[i % len(COLORS)]
        axes.plot(xs, ys, marker=markers[i % 6] if len(xs) < 30 else None, ms=4, label=name, color=color)
        if spread and name in spread:
            low = np.asarray(ys) - np.asarray(spread[name])
            axes.fill_between(
                xs, low, np.asarray(ys) + np.asarray(spread[name]), alpha=0.15, color=color, lw=0
            )
    for i, (name, level) in enumerate((baselines or {}).items()):
        color = COLORS[(len(curves) + i) % len(COLORS)]
        axes.axhline(level, ls="--", lw=1.2, color=color, label=name)
    if log_x:
        axes.set_xscale("log")
        values = sorted({v for xs, _ in curves.values() for v in xs})
        axes.set_xticks(values, [f"{v:g}" for v in values])
        axes.minorticks_off()
    axes.set_title(title, wrap=True)
    axes.set_ylabel(y, wrap=True)
    axes.set(xlabel=x)
    axes.legend(frameon=False)
    return axes


def plot_points(
    points: Mapping[str, tuple[float, float]],
    title: str,
    y: str,
    live: Mapping[str, float] | None = None,
    axes: Any = None,
    baselines: Mapping[str, float] | None = None,
) -> Any:
    """Draw measured numbers side by side, each with its spread, and what was measured just now beside them.

    Args:
        points: name -> (mean, spread).
        title: what to see.
        y: the axis with its unit.
        live: name -> a number of this very run.
        axes: where to draw; new ones by default.
        baselines: name -> a level, drawn as a dashed line.

    Returns:
        The axes.
    """
    import matplotlib.pyplot as plt

    use_style()
    if axes is None:
        _, axes = plt.subplots(figsize=(WIDTH, 3))
    for i, (mean, spread) in enumerate(points.values()):
        axes.errorbar(i, mean, yerr=spread, fmt="o", ms=6, color=COLORS[0], capsize=3)
    for i, (name, level) in enumerate((baselines or {}).items()):
        axes.axhline(level, ls="--", lw=1.2, color=COLORS[2 + i], label=name)
    for i, name in enumerate(points):
        if name in (live or {}):
            axes.plot(i + 0.2, live[name], "D", ms=6, color=COLORS[1], label="just now")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    axes.set_title(title, wrap=True)
    axes.set_ylabel(y, wrap=True)
    axes.set(xlim=(-0.6, len(points) - 0.4))
    room = (
        axes.get_position().width * axes.figure.get_figwidth() / max(1, len(points))
    )  # inches for each name
    crowded = room < 0.09 * max(map(len, points), default=0)
    turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(len(points)), list(points), **turned)
    axes.grid(visible=False, axis="x")
    return axes


def plot_history(history: Any, axes: Any = None, label: str | None = None) -> Any:
    """Draw a training history's loss: faint as measured, bold as a running mean."""
    import matplotlib.pyplot as plt

    use_style()
    if axes is None:
        _, axes = plt.subplots(figsize=(WIDTH, 2.8))
    losses = np.asarray(history.loss)
    steps = np.arange(1, len(losses) + 1)
    (line,) = axes.plot(steps, losses, lw=0.6, alpha=0.3)
    window = max(1, len(losses) // 40)
    smooth = np.convolve(losses, np.ones(window) / window, mode="valid")
    axes.plot(steps[window - 1 :], smooth, lw=1.8, color=line.get_color(), label=label)
    axes.set(title="Training loss", xlabel="step", ylabel="loss (nats)")
    if label:
        axes.legend(frameon=False)
    return axes


def heat_map(
    values: Tensor, title: str, x: str = "", y: str = "", label: str = "", axes: Any = None, **limits: float
) -> Any:
    """Show a matrix as colors, with a bar that says what they mean.

    Args:
        values: [rows, columns].
        title, x, y, label: of the figure, the axes and the color bar.
        axes: where to draw; new ones by default.
        **limits: `vmin` and `vmax` of the colors.

    Returns:
        The axes.
    """
    import matplotlib.pyplot as plt

    if values.ndim != 2:
        raise ValueError(f"values have shape {tuple(values.shape)}: expected a matrix [rows, columns]")
    use_style()
    if axes is None:
        _, axes = plt.subplots(figsize=(4.6, 3.8))
    image = axes.imshow(values.detach().cpu().numpy(), cmap="viridis", interpolation="nearest", **limits)
    axes.grid(False)
    axes.figure.colorbar(image, ax=axes, label=label)
    axes.set_title(title, wrap=True)
    axes.set(xlabel=x, ylabel=y)
    return axes


def figure_bytes(figure: Any, kind: str = "webp", dpi: int = 100) -> bytes:
    """A matplotlib figure as the bytes of a picture file; the figure is closed."""
    import matplotlib.pyplot as plt
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    if kind == "png":
        return buffer.getvalue()
    converted = io.BytesIO()
    Image.open(buffer).convert("RGB").save(converted, format=kind, quality=75, method=6)
    return converted.getvalue()
