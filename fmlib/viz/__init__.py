"""What a lesson shows: figures of pictures, curves and maps, drawings of architectures, a slider that needs no kernel,
source code."""

from fmlib.viz.diagrams import Diagram, beside
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
    "Diagram",
    "as_picture",
    "beside",
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
