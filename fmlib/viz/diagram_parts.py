"""What a `Diagram` is made of: boxes, arrows, frames around boxes, and lines of text, each with its place."""

from dataclasses import dataclass

Point = tuple[float, float]
FONT, LINE, ADVANCE = (
    12,
    15,
    0.602,
)  # size of all text, from line to line, and a letter's width as a part of its size
KINDS = {  # kind -> what the legend says
    "data": "a tensor",
    "step": "computes, has no weights",
    "weights": "has weights that learn",
    "memory": "is kept from step to step",
}


@dataclass(frozen=True)
class Box:
    """A box: its label, the name in the code that this is, and where it is drawn."""

    label: str
    code: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    below: str = ""
    mark: str = ""
    copies: bool = False

    @property
    def center(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        if self.kind == "data":
            return self.label
        return self.code or {"+": "sum"}.get(self.label, self.label)

    def edge(self, towards: Point) -> Point:
        """Where a vertical or horizontal line from there meets this box."""
        (x, y), right, bottom = towards, self.x + self.width, self.y + self.height
        if self.x <= x <= right and not self.y < y < bottom:
            return x, self.y if y <= self.y else bottom
        if self.y <= y <= bottom:
            return self.x if x <= self.x else right, y
        raise ValueError(f"{towards} is neither above, below nor beside the box {self.label!r}")


@dataclass(frozen=True)
class Arrow:
    """An arrow between two boxes, with the shape of what flows along it."""

    start: Box
    end: Box
    shape: str | None
    points: tuple[Point, ...]
    name: str = ""
    dashed: bool = False
    thick: bool = False
    shown: bool = True

    @property
    def text(self) -> str:
        """Name and shape, as a sentence has them."""
        return " ".join(filter(None, (self.name, None if self.shape is None else as_shape(self.shape))))


@dataclass(frozen=True)
class Text:
    """Lines of text at a place; x is their left, middle or right end as the anchor says, y the middle of all."""

    lines: tuple[str, ...]
    x: float
    y: float
    anchor: str = "start"
    mono: bool = True
    strong: bool = False

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        width = max(map(len, self.lines)) * FONT * ADVANCE
        left = self.x - {"start": 0, "middle": width / 2, "end": width}[self.anchor]
        half = (len(self.lines) - 1) * LINE / 2 + FONT / 2
        return left, self.y - half, left + width, self.y + half


@dataclass(frozen=True)
class Group:
    """A frame around boxes that are one thing in the code."""

    label: str
    code: str
    members: tuple[Box, ...]
    bounds: tuple[float, float, float, float]


def as_shape(shape: str) -> str:
    """A shape in the signatures' words as the comments write it: ``"batch dim"`` -> ``"[batch, dim]"``."""
    return f"[{', '.join(shape.split())}]"
