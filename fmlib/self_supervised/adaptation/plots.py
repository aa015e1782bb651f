"""The lesson's figures."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from fmlib.viz import describe, panels, plot_curves

STYLES = {
    "SimCLR, fine-tuned": ("#1971c2", "-", "o"),
    "SimCLR, linear probe": ("#2b8a3e", "-", "s"),
    "SimCLR, nearest mean": ("#2b8a3e", "--", "^"),
    "SimCLR, k-NN": ("#2b8a3e", ":", "D"),
    "from scratch": ("#c92a2a", "-", "o"),
    "random weights, linear probe": ("#868e96", "-", "s"),
    "random weights, k-NN": ("#868e96", ":", "D"),
    "raw pixels, linear probe": ("#e67700", "-", "s"),
    "raw pixels, k-NN": ("#e67700", ":", "D"),
}


def plot_label_efficiency(curves: Mapping[str, Mapping[int, Sequence[float]]]) -> Any:
    """Accuracy against the number of labels, mean and range over the draws; color is the encoder, marker the method.

    Args:
        curves: row -> labels -> per cent right of each draw.
    """
    figure, (axes,) = panels(1, 4.6)
    for place, (name, found) in enumerate(curves.items()):
        color, line, marker = STYLES[name]
        aside = 1.03 ** (place - len(curves) / 2)  # so that bars do not lie on each other
        means = [statistics.fmean(values) for values in found.values()]
        low = [mean - min(values) for mean, values in zip(means, found.values(), strict=True)]
        high = [max(values) - mean for mean, values in zip(means, found.values(), strict=True)]
        axes.errorbar(
            [count * aside for count in found],
            means,
            yerr=[low, high],
            label=name,
            color=color,
            ls=line,
            marker=marker,
            ms=4,
            lw=1.6,
            capsize=2,
        )
    every = list(next(iter(curves.values())))
    axes.set_xscale("log")
    axes.set_xticks(every, [f"{count:,}" for count in every])
    axes.minorticks_off()
    axes.set(
        title="Pretraining pays most where labels are few",
        xlabel="labels (10 classes, log scale)",
        ylabel="test pictures right (%)",
    )
    axes.legend(frameon=False, fontsize=8, ncol=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    ends = "; ".join(
        f"{name} {statistics.fmean(found[every[0]]):.1f} to {statistics.fmean(found[every[-1]]):.1f}"
        for name, found in curves.items()
    )
    describe(
        figure,
        f"Curves of test accuracy over the number of labels, from {every[0]} to {every[-1]:,}. "
        f"Per cent at both ends: {ends}.",
    )
    return figure


def plot_rates(scans: Mapping[str, Mapping[float, Sequence[float]]], title: str) -> Any:
    """Validation accuracy against the learning rate.

    Args:
        scans: name -> rate -> per cent right of each draw.
        title: what to see.
    """
    figure, (axes,) = panels(1, 3.2)
    plot_curves(
        {name: (list(found), [statistics.fmean(v) for v in found.values()]) for name, found in scans.items()},
        title,
        "highest learning rate (log scale)",
        "validation pictures right (%)",
        log_x=True,
        axes=axes,
    )
    told = "; ".join(
        f"{name}: " + ", ".join(f"{statistics.fmean(v):.1f} at {rate:g}" for rate, v in found.items())
        for name, found in scans.items()
    )
    describe(figure, f"Curves of validation accuracy over the learning rate. Per cent: {told}.")
    return figure


def plot_signals(table: Mapping[str, Sequence[float]], probe: str, title: str) -> Any:
    """Each signal against what the probe says, one panel each.

    Args:
        table: name of a signal, or `probe` -> a value for each encoder.
        probe: which of them is the probe's accuracy.
        title: what to see.
    """
    import matplotlib.pyplot as plt

    from fmlib.viz import use_style

    use_style()
    names = [name for name in table if name != probe]
    columns = 3
    lines = -(-len(names) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(6.8, 2.3 * lines), squeeze=False, sharey=True)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        axes.plot(table[name], table[probe], "o", ms=5, color="#1971c2")
        axes.set(xlabel=name)
        axes.locator_params(axis="x", nbins=3)
    for row in grid:
        row[0].set_ylabel("probe (%)")
    figure.suptitle(title)
    describe(
        figure,
        f"Small plots, one for each of {', '.join(names)}: its value against what the probe gets right, "
        "one dot for each encoder.",
    )
    return figure


def plot_draws(draws: Mapping[str, Sequence[float]], title: str, y: str) -> Any:
    """The results of many draws side by side, and those of one draw joined by a line.

    Args:
        draws: method -> per cent right of each draw; draw i has the same labels for all.
        title: what to see.
        y: the axis with its unit.
    """
    figure, (axes,) = panels(1, 3.2)
    names = list(draws)
    for values in zip(*draws.values(), strict=True):
        axes.plot(range(len(names)), values, "-o", ms=4, lw=0.8, color="#1971c2", alpha=0.6)
    axes.set_title(title, wrap=True)
    axes.set(ylabel=y, xlim=(-0.3, len(names) - 0.7))
    axes.set_xticks(range(len(names)), names)
    told = "; ".join(
        f"{name} {statistics.fmean(values):.1f}, from {min(values):.1f} to {max(values):.1f}"
        for name, values in draws.items()
    )
    describe(
        figure, f"Dots for {len(next(iter(draws.values())))} draws of the labels, joined by lines. {told}."
    )
    return figure
