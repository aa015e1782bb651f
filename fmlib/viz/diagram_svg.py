"""How a `Diagram` becomes SVG and a figure of a page.

Text and lines have the color that the page gives to its text (`currentColor`), and fills let the page's ground shine
through, so nothing must know whether a page is light or dark. Where no style arrives at all, a gray remains that can be
read on white and on black.
"""

import hashlib
import html
from collections.abc import Sequence

from fmlib.viz.diagram_parts import FONT, KINDS, LINE, Arrow, Box, Group, Point, Text
from fmlib.viz.diagrams import Diagram

MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
GRAY = "#767676"
COLORS = {"weights": "#4c6ef5", "memory": "#e8590c"}  # both stand out from white and from black
HEAD, BEND, LARGEST = 7, 7, 1.2  # an arrow's head, the radius of its corners, a drawing's largest scale


def as_figure(diagrams: Sequence[Diagram]) -> str:
    """Drawings in a row that wraps, and what their colors mean."""

    def head(d: Diagram) -> str:
        # Seen only: the drawing itself tells a screen reader its title.
        return f'<div aria-hidden="true"><strong>{html.escape(d.title)}</strong></div>' * (len(diagrams) > 1)

    drawn = "".join(
        f'<div style="flex:1 1 {d.width:g}px;max-width:{LARGEST * d.width:g}px">{head(d)}{draw(d)}</div>'
        for d in diagrams
    )
    boxes = [box for d in diagrams for box in d.boxes]
    legend = [_swatch(kind) + says for kind, says in KINDS.items() if any(b.kind == kind for b in boxes)]
    legend += [_swatch("mark") + html.escape(mark) for mark in dict.fromkeys(b.mark for b in boxes if b.mark)]
    items = "".join(f'<span style="white-space:nowrap">{item}</span> ' for item in legend)
    return (
        '<figure class="fm-diagram" style="margin:0">'
        f'<div style="display:flex;flex-wrap:wrap;gap:20px 24px;align-items:flex-start">{drawn}</div>'
        f'<figcaption style="display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:8px;font-size:12px">{items}</figcaption>'
        "</figure>"
    )


def draw(diagram: Diagram) -> str:
    """The drawing as an SVG element with a title and a description."""
    shapes = [_group(g) for g in diagram.groups] + [_arrow(a) for a in diagram.arrows]
    shapes += [_box(b) for b in diagram.boxes] + [_text(t) for t in diagram.texts]
    title, said = html.escape(diagram.title), html.escape(diagram.description)
    body = "".join(shapes)
    ident = f"fm-diagram-{hashlib.sha256((title + said + body).encode()).hexdigest()[:12]}"
    size = f'width="{diagram.width:g}" height="{diagram.height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="{ident}-t" aria-describedby="{ident}-d" '
        f'id="{ident}" viewBox="0 0 {diagram.width:g} {diagram.height:g}" {size} font-size="{FONT}" color="{GRAY}" '
        'style="color:inherit;display:block;width:100%;height:auto">'
        f'<title id="{ident}-t">{title}</title><desc id="{ident}-d">{said}</desc>{body}</svg>'
    )


def _box(box: Box) -> str:
    edge, ground, radius, width = _look(box)
    size = f'width="{box.width:g}" height="{box.height:g}" rx="{radius:g}"'
    behind = "".join(
        f'<path d="M{box.x + r:g} {box.y + box.height + r:g}H{box.x + box.width + r:g}V{box.y + r:g}" fill="none" {edge}/>'
        for r in (3, 6) * box.copies
    )
    (x, y), lines = box.center, tuple(filter(None, (box.label, box.below)))
    mono = box.label != "+"
    return (
        f'{behind}<rect x="{box.x:g}" y="{box.y:g}" {size} {ground} {edge} stroke-width="{width:g}"/>'
        + _text(Text(lines, x, y, "middle", mono=mono), box.kind != "data" and mono)
    )


def _look(box: Box) -> tuple[str, str, float, float]:
    """Edge, ground, radius of the corners and width of the edge."""
    color = COLORS.get(box.kind)
    edge = f'stroke="{color}"' if color else 'stroke="currentColor" stroke-opacity="0.55"'
    ground = f'fill="{color or "currentColor"}" fill-opacity="{0.14 if color else 0.06}"'
    if box.kind == "data" or box.label == "+":
        return edge, 'fill="none"', box.height / 2, 1.2
    return edge, ground, 5, 3 if box.mark else 1.2


def _text(text: Text, first_strong: bool = False) -> str:
    top = text.y - (len(text.lines) - 1) * LINE / 2 + FONT * 0.34  # the middle of small letters
    spans = "".join(
        f'<tspan x="{text.x:g}" y="{top + i * LINE:g}"'
        + ' font-weight="600"' * (text.strong or (first_strong and i == 0))
        + f">{html.escape(line)}</tspan>"
        for i, line in enumerate(text.lines)
    )
    font = MONO if text.mono else SANS
    return f'<text font-family="{font}" text-anchor="{text.anchor}" fill="currentColor">{spans}</text>'


def _group(group: Group) -> str:
    left, top, right, bottom = group.bounds
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{right - left:g}" height="{bottom - top:g}" rx="8" fill="currentColor" '
        'fill-opacity="0.03" stroke="currentColor" stroke-opacity="0.4" stroke-dasharray="2 3"/>'
    )


def _arrow(arrow: Arrow) -> str:
    points = list(arrow.points)
    (x0, y0), (x1, y1) = points[-2:]
    ahead = _unit((x0, y0), (x1, y1))
    aside = (-ahead[1], ahead[0])
    foot = (x1 - HEAD * ahead[0], y1 - HEAD * ahead[1])
    corners = " ".join(f"{foot[0] + s * 4 * aside[0]:g},{foot[1] + s * 4 * aside[1]:g}" for s in (1, -1))
    points[-1] = foot
    path = f"M{points[0][0]:g} {points[0][1]:g}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(BEND, _distance(before, corner) / 2, _distance(corner, after) / 2)
        into, out = _unit(before, corner), _unit(corner, after)
        path += f"L{corner[0] - radius * into[0]:g} {corner[1] - radius * into[1]:g}"
        path += (
            f"Q{corner[0]:g} {corner[1]:g} {corner[0] + radius * out[0]:g} {corner[1] + radius * out[1]:g}"
        )
    path += f"L{foot[0]:g} {foot[1]:g}"
    dashes = ' stroke-dasharray="4 3"' * arrow.dashed
    return (
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="{2.6 if arrow.thick else 1.3}"{dashes}/>'
        f'<polygon points="{x1:g},{y1:g} {corners}" fill="currentColor"/>'
    )


def _unit(start: Point, end: Point) -> Point:
    length = _distance(start, end) or 1
    return (end[0] - start[0]) / length, (end[1] - start[1]) / length


def _distance(start: Point, end: Point) -> float:
    return abs(end[0] - start[0]) + abs(end[1] - start[1])


def _swatch(kind: str) -> str:
    color, width = COLORS.get(kind, "currentColor"), 3 if kind == "mark" else 1.5
    ground = f"{color}24" if color.startswith("#") else "transparent"
    radius = "8px" if kind == "data" else "3px"
    return (
        f'<span style="display:inline-block;width:22px;height:12px;margin-right:6px;vertical-align:-1px;'
        f'box-sizing:border-box;border:{width}px solid {color};border-radius:{radius};background:{ground}"></span>'
    )
