"""What a lesson shows: figures of pictures, curves and maps, a slider that needs no kernel, source code."""

from fmlib.viz.figures import (
    COLORS,
    as_picture,
    describe,
    figure_bytes,
    heat_map,
    panels,
    picture_grid,
    plot_curves,
    plot_history,
    plot_points,
    use_style,
)
from fmlib.viz.markup import HTML, html_slider, show_source

__all__ = [
    "COLORS",
    "HTML",
    "as_picture",
    "describe",
    "figure_bytes",
    "heat_map",
    "html_slider",
    "panels",
    "picture_grid",
    "plot_curves",
    "plot_history",
    "plot_points",
    "show_source",
    "use_style",
]
