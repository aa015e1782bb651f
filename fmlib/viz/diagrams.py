"""Architectures as drawings: boxes that carry the names of the code, arrows that carry shapes.

A `Diagram` is drawn by hand: every box has its place, every arrow ends at the edge of a box. It becomes an SVG inside the
page, in the page's own text color, so that it is right on light and on dark pages; and the same boxes and arrows become the
sentences that a screen reader says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from fmlib.viz.diagram_parts import KINDS, Arrow, Box, Group, Point, Text, as_shape
from fmlib.viz.markup import HTML


@dataclass(repr=False)
class Diagram:
    """A drawing of boxes and arrows.

    Args:
        title: what is drawn, in a few words.
        width: in units; a letter is 12 high, so at most 390 can be read on a phone.

    Example:
        >>> diagram = Diagram("A layer", width=200)
        >>> x = diagram.box("x", 20, 8, width=80, kind="data")
        >>> layer = diagram.box("layer", 20, 70, width=80, kind="weights")
        >>> _ = diagram.arrow(x, layer, "batch dim")
        >>> diagram.description
        'x gives [batch, dim] to layer.'
    """

    title: str
    width: float = 360
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def box(
        self,
        label: str,
        x: float,
        y: float,
        *,
        width: float = 120,
        height: float = 28,
        kind: str = "step",
        code: str | None = None,
        below: str = "",
        mark: str = "",
        copies: bool = False,
    ) -> Box:
        """A box with its upper left corner at x, y.

        Args:
            label: the name that the code has; with a dot before it, of a part of the group that the box is in.
            x, y, width, height: in units.
            kind: one of "data", "step", "weights", "memory".
            code: the whole name, by default the label: ``"Attention.query"``; ``"GPT.hidden:tokens"`` is a variable in a
                function; "" is an operator. Names are proven by the tests.
            below: a second line, e.g. the class.
            mark: why the box is set off by a thick edge, e.g. "differs from GPT".
            copies: draw it as the first of a stack.

        Raises:
            ValueError: an unknown kind, or a box that leaves the drawing.
        """
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}: expected one of {', '.join(KINDS)}")
        if x < 0 or y < 0 or x + width > self.width:
            raise ValueError(f"box {label!r} reaches from {x} to {x + width}: expected 0 to {self.width}")
        box = Box(label, label if code is None else code, kind, x, y, width, height, below, mark, copies)
        self.boxes.append(box)
        return box

    def sum(self, x: float, y: float) -> Box:
        """A circle around x, y in which what arrives is added, as at the end of a residual connection."""
        box = Box("+", "", "step", x - 9, y - 9, 18, 18)
        self.boxes.append(box)
        return box

    def arrow(
        self,
        start: Box,
        end: Box,
        shape: str | None = None,
        *,
        name: str = "",
        x: float | None = None,
        y: float | None = None,
        via: Sequence[Point] = (),
        label: tuple | str | None = "right",
        lines: Sequence[str] = (),
        dashed: bool = False,
        thick: bool = False,
    ) -> Arrow:
        """An arrow from the edge of a box to the edge of another.

        Args:
            start, end: from `box` or `sum`.
            shape: of what flows, in the signatures' words: ``"batch dim"``; "" is a number; None where no tensor flows.
            name: what the text or the formula calls it, before the shape.
            x, y: where a straight arrow runs, vertical or horizontal; through the middle of the smaller box by default.
            via: corners of an arrow that bends.
            label: "right" or "left" of the middle, a place (x, y), or None: known to screen readers, not drawn.
            lines: the label cut into lines; by default one, with a name above.
            dashed: for what happens between two steps.
            thick: for the residual stream.

        Raises:
            ValueError: boxes or corners that no vertical or horizontal line joins.
        """
        if via:
            points = [start.edge(via[0]), *via, end.edge(via[-1])]
        else:
            narrow, low = (
                min(start, end, key=lambda box, size=size: getattr(box, size)) for size in ("width", "height")
            )
            x = narrow.center[0] if x is None else x
            vertical = y is None and all(box.x <= x <= box.x + box.width for box in (start, end))
            first = start.edge(
                (x, end.center[1]) if vertical else (end.center[0], low.center[1] if y is None else y)
            )
            points = [first, end.edge(first)]
        for (x0, y0), (x1, y1) in pairwise(points):
            if x0 != x1 and y0 != y1:
                raise ValueError(
                    f"the arrow from {start.label!r} to {end.label!r} runs askew from {(x0, y0)} to {(x1, y1)}"
                )
        arrow = Arrow(start, end, shape, tuple(points), name, dashed, thick, shown=label is not None)
        self.arrows.append(arrow)
        if label is not None and (arrow.text or lines):
            shown = tuple(lines) or tuple(filter(None, (name, shape is not None and as_shape(shape))))
            if isinstance(label, str):
                (x0, y0), (x1, y1) = max(pairwise(points), key=_length)
                label = (
                    (x0 + x1) / 2 + (-7 if label == "left" else 7),
                    (y0 + y1) / 2,
                    "end" if label == "left" else "start",
                )
            self.texts.append(Text(shown, *label))
        return arrow

    def group(
        self,
        label: str,
        members: Sequence[Box],
        *,
        code: str = "",
        pad: float = 10,
        right: float | None = None,
        indent: float = 8,
    ) -> Group:
        """A frame around boxes, with its name at the upper left.

        Args:
            label, code: as of a box.
            members: what it holds.
            pad: room around them.
            right: where the frame ends, where labels need more room.
            indent: of the name.
        """
        left, top = min(b.x for b in members) - pad, min(b.y for b in members) - pad - 18
        end = max(b.x + b.width for b in members) + pad if right is None else right
        bottom = max(b.y + b.height for b in members) + pad
        group = Group(label, code or label, tuple(members), (left, top, end, bottom))
        self.groups.append(group)
        self.texts.append(Text((label,), left + indent, top + 13, strong=True))
        return group

    def note(self, text: str, x: float, y: float, anchor: str = "start") -> None:
        """A remark for the eye and for the ear; y is the middle of its lines."""
        self.texts.append(Text(tuple(text.split("\n")), x, y, anchor, mono=False))
        self.remarks.append(text.replace("\n", " "))

    @property
    def height(self) -> float:
        """In units, down to what is drawn last."""
        lowest = [b.y + b.height for b in self.boxes] + [g.bounds[3] for g in self.groups]
        return (
            max(lowest + [t.bounds[3] for t in self.texts] + [y for a in self.arrows for _, y in a.points])
            + 8
        )

    @property
    def description(self) -> str:
        """Boxes and arrows in sentences, in the order in which they were drawn."""
        names, said = _distinct(self.boxes), []
        for box in self.boxes:
            gives = [
                f"{a.text} to {names[a.end]}" if a.text else f"itself to {names[a.end]}"
                for a in self.arrows
                if a.start is box
            ]
            kind = {"weights": "learned", "memory": "kept between steps"}.get(box.kind, "")
            about = ", ".join(filter(None, (box.below, kind, box.mark)))
            if gives or about:
                said.append(
                    names[box] + f" ({about})" * bool(about) + f" gives {'; '.join(gives)}" * bool(gives)
                )
        said += [f"{g.label} holds {', '.join(names[b] for b in g.members)}" for g in self.groups]
        return ". ".join([*said, *(remark.rstrip(".") for remark in self.remarks)]) + "."

    def _repr_html_(self) -> str:
        return beside(self).markup

    def __repr__(self) -> str:
        return f"[{self.title}: {self.description}]"


def beside(*diagrams: Diagram) -> HTML:
    """Drawings side by side where there is room, below each other where there is not, with one legend for all.

    Args:
        *diagrams: at least one.

    Raises:
        ValueError: none.
    """
    if not diagrams:
        raise ValueError("there are no diagrams: expected at least one")
    from fmlib.viz.diagram_svg import as_figure

    return HTML(as_figure(diagrams), "\n".join(map(repr, diagrams)))


def _length(segment: tuple[Point, Point]) -> float:
    (x0, y0), (x1, y1) = segment
    # A label stands beside a line that goes down: such a line is the first choice.
    return abs(x1 - x0) + 1000 * abs(y1 - y0)


def _distinct(boxes: Sequence[Box]) -> dict[Box, str]:
    """A name for each box; where several have the same one, they are counted."""
    named = [box.name.lstrip(".") for box in boxes]
    return {
        box: name if named.count(name) == 1 else f"{name} ({named[: i + 1].count(name)})"
        for i, (box, name) in enumerate(zip(boxes, named, strict=True))
    }
