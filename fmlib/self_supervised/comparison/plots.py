"""The lesson's figures."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from fmlib.viz import COLORS, describe, panels, use_style


def plot_rows(
    measures: Mapping[str, Mapping[str, Sequence[float]]],
    levels: Mapping[str, Mapping[str, float]],
    title: str,
) -> Any:
    """Methods in order, the best one on top, a panel for each measure; a dot is a seed, a bar their mean.

    Args:
        measures: measure with its unit -> method -> a number for each seed. Methods may be missing.
        levels: measure -> name -> level, drawn as a line.
        title: what to see.
    """
    longest = max((len(rows) for rows in measures.values()), default=0)
    figure, grid = panels(len(measures), max(1.6, 0.9 + 0.24 * longest))
    told = []
    for axes, (measure, rows) in zip(grid, measures.items(), strict=True):
        order = sorted(rows, key=lambda row: fmean(rows[row]))
        for i, row in enumerate(order):
            axes.plot(rows[row], [i] * len(rows[row]), "o", ms=4, color=COLORS[0], alpha=0.6)
            axes.plot([fmean(rows[row])], [i], "|", ms=13, mew=2.4, color=COLORS[1])
        for k, (name, level) in enumerate(levels.get(measure, {}).items()):
            axes.axvline(level, ls=("--", ":", "-.")[k % 3], lw=1.4, color=COLORS[2 + k % 4], label=name)
        axes.set_yticks(range(len(order)), order)
        axes.set(xlabel=measure, ylim=(-0.6, max(len(order), 1) - 0.4))
        axes.grid(visible=False, axis="y")
        if levels.get(measure):
            axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
        best = ", ".join(f"{row} {fmean(rows[row]):.1f}" for row in reversed(order)) or "nothing yet"
        lines = ", ".join(f"{name} {level:.1f}" for name, level in levels.get(measure, {}).items())
        told.append(f"{measure}: {best}" + f"; lines: {lines}" * bool(lines))
    figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    describe(figure, f"{len(grid)} panels of dots, a row for each method. " + ". ".join(told) + ".")
    return figure


def plot_cost(
    points: Mapping[str, tuple[float, float]], front: Sequence[bool], title: str, x: str, y: str
) -> Any:
    """Scores against costs; methods on the front are filled and joined by steps.

    Args:
        points: method -> (cost, score).
        front: whether each is on the Pareto front.
        title: what to see.
        x, y: the axes with their units.
    """
    figure, (axes,) = panels(1, 3.8)
    best = sorted(point for point, on in zip(points.values(), front, strict=True) if on)
    axes.step([p[0] for p in best], [p[1] for p in best], where="post", color=COLORS[1], lw=1.2, zorder=1)
    for on in (True, False):
        some = [point for point, is_on in zip(points.values(), front, strict=True) if is_on == on]
        axes.scatter(
            [p[0] for p in some], [p[1] for p in some],
            color=COLORS[1] if on else "white", edgecolor=COLORS[1] if on else COLORS[0],
            label="on the front" if on else "behind it", zorder=2,
        )  # fmt: skip
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.margins(x=0.06, y=0.1)
    _name_points(axes, points)
    axes.legend(frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    names = [name for name, on in zip(points, front, strict=True) if on]
    each = "; ".join(f"{name} {cost:.1f} and {score:.1f}" for name, (cost, score) in points.items())
    describe(
        figure, f"Points of {x} and {y}: {each or 'none yet'}. On the front: {', '.join(names) or 'none'}."
    )
    return figure


def plot_differences(differences: Mapping[str, tuple[float, float]], title: str, x: str) -> Any:
    """Differences with their intervals, the largest on top, and a line at 0.

    Args:
        differences: method -> (mean, half-width).
        title: what to see.
        x: the axis with its unit.
    """
    figure, (axes,) = panels(1, max(1.8, 1.0 + 0.26 * len(differences)))
    order = sorted(differences, key=lambda name: differences[name][0])
    for i, name in enumerate(order):
        mean, half = differences[name]
        color = COLORS[0] if abs(mean) > half else COLORS[5]
        axes.errorbar(mean, i, xerr=half, fmt="o", ms=5, capsize=3, color=color)
    axes.axvline(0, color="#868e96", lw=1.2)
    axes.set_yticks(range(len(order)), order)
    axes.set(title=title, xlabel=x, ylim=(-0.6, max(len(order), 1) - 0.4))
    axes.grid(visible=False, axis="y")
    each = ", ".join(f"{n} {differences[n][0]:+.1f} ± {differences[n][1]:.1f}" for n in reversed(order))
    describe(figure, f"Points with bars, {x}: {each or 'nothing yet'}. A line marks 0.")
    return figure


def plot_agreement(
    pairs: Sequence[tuple[str, Mapping[str, float], str, Mapping[str, float]]], said: Sequence[str]
) -> Any:
    """Measures against each other, a point for each method, a panel for each pair of measures.

    Args:
        pairs: (name, method -> score, name of the other measure, method -> score).
        said: a title for each panel.
    """
    figure, grid = panels(len(pairs), 3.1)
    told = []
    for axes, (x, one, y, other), title in zip(grid, pairs, said, strict=True):
        points = {name: (one[name], other[name]) for name in one if name in other}
        axes.scatter([p[0] for p in points.values()], [p[1] for p in points.values()], color=COLORS[0])
        axes.margins(x=0.06, y=0.1)
        axes.set(title=title, xlabel=x, ylabel=y)
        _name_points(axes, points)
        told.append(
            f"{title}: "
            + (", ".join(f"{n} {a:.1f} and {b:.1f}" for n, (a, b) in points.items()) or "none yet")
        )
    describe(figure, f"{len(grid)} panels of points, a point for each method. " + ". ".join(told) + ".")
    return figure


def plot_budgets(live: Mapping[int, Sequence[float]], levels: Mapping[str, float], title: str) -> Any:
    """What one method reaches with several budgets, with the spread over draws of the labels.

    Args:
        live: steps -> per cent right for each draw.
        levels: name -> level, drawn as a line.
        title: what to see.
    """
    use_style()
    figure, (axes,) = panels(1, 3.0)
    means = [fmean(draws) for draws in live.values()]
    spread = [stdev(draws) if len(draws) > 1 else 0.0 for draws in live.values()]
    axes.errorbar(
        list(live),
        means,
        yerr=spread,
        fmt="o-",
        capsize=3,
        color=COLORS[0],
        label="one run each, ± deviation over draws",
    )
    for k, (name, level) in enumerate(levels.items()):
        axes.axhline(level, ls=("--", ":")[k % 2], lw=1.4, color=COLORS[2 + k % 4], label=name)
    axes.set_xticks(list(live))
    axes.set(title=title, xlabel="steps of training", ylabel="validation pictures right (%)")
    axes.legend(frameon=False, fontsize=9)
    each = ", ".join(
        f"{steps} steps {mean:.1f} ± {s:.1f}" for steps, mean, s in zip(live, means, spread, strict=True)
    )
    lines = ", ".join(f"{name} {level:.1f}" for name, level in levels.items())
    describe(figure, f"Per cent right against steps: {each}; lines: {lines}.")
    return figure


def _name_points(axes: Any, points: Mapping[str, tuple[float, float]]) -> None:
    """Write names in a column on the right, in the order of the heights, each joined to its point by a line."""
    order = sorted(points, key=lambda name: points[name][1])
    low, high = axes.get_ylim()
    step = 1 / max(12, len(order))  # of the height, between two names
    places = [(points[name][1] - low) / (high - low) for name in order]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + step)
    for i in reversed(range(len(places))):
        places[i] = min(places[i], 0.96 - (len(places) - 1 - i) * step)
    for name, place in zip(order, places, strict=True):
        axes.annotate(
            name, points[name], xytext=(1.03, place), textcoords="axes fraction", fontsize=9, va="center",
            arrowprops={"arrowstyle": "-", "color": "#868e96", "lw": 0.6, "shrinkA": 1, "shrinkB": 4},
        )  # fmt: skip
