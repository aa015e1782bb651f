"""What a diagram says, put to the test: names are looked up in the code, shapes are those of a run, nothing overlaps."""

import inspect
import math
import sys
from itertools import combinations, pairwise

import torch
from torch import Tensor, nn

from fmlib.viz.diagrams import Diagram

PHONE = 358  # pixels that a page leaves to a drawing on a screen of 390


def resolve(code: str, roots: dict):
    """What a name means: an object, or a function and the name of one of its variables."""
    path, _, variable = code.partition(":")
    first, *rest = path.split(".")
    if first not in roots:
        raise LookupError(f"{code}: {first} is none of {', '.join(roots)}")
    found = roots[first]
    for name in rest:
        found = getattr(found, name)
    if not variable:
        return found
    function = inspect.unwrap(getattr(found, "__func__", found))
    if variable not in function.__code__.co_varnames:
        raise LookupError(f"{code}: {function.__qualname__} has no variable {variable!r}")
    return function, variable


def check_names(diagram: Diagram, roots: dict) -> None:
    """Every box that names code names something that is there, and shows that name."""
    for box in diagram.boxes:
        if not box.code:
            continue
        found = resolve(box.code, roots)
        if ":" in box.code:
            assert box.label == box.code.rpartition(":")[2]
        elif box.kind != "data":
            assert box.code.endswith(box.label), (box.label, box.code)
        if box.below and isinstance(found, nn.Module) and not isinstance(found, nn.ModuleList):
            assert type(found).__name__ == box.below.split(",")[0]
        if isinstance(found, nn.Module):
            learns = any(p.requires_grad for p in found.parameters())
            assert learns == (box.kind == "weights"), box.code
    for group in diagram.groups:
        assert resolve(group.code, roots) is not None


def bind(shape: str, sizes: dict) -> tuple[int, ...]:
    """A shape in words with numbers put in: sums and products of words, and * for several axes."""
    bound: list[int] = []
    for word in shape.split():
        if word.startswith("*"):
            bound += sizes[word[1:]]
        else:
            factors = [int(part) if part.isdigit() else sizes[part] for part in word.split("·")]
            bound.append(math.prod(factors))
    return tuple(bound)


class Flow:
    """Which shapes go into and come out of functions, modules and variables while it is open."""

    def __init__(self) -> None:
        self.into: dict = {}
        self.out: dict = {}

    def __enter__(self) -> "Flow":
        sys.setprofile(self._see)
        return self

    def __exit__(self, *_) -> None:
        sys.setprofile(None)

    def _see(self, frame, event, value) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        itself = frame.f_locals.get("self")
        for key in {(code, None), (code, id(itself))}:
            if event == "call":
                self.into.setdefault(key, set()).update(_shapes(list(frame.f_locals.values())))
            else:
                self.out.setdefault(key, set()).update(_shapes(value))
                for name, local in frame.f_locals.items():
                    self.out.setdefault((key, name), set()).update(_shapes(local))

    def of(self, code: str, roots: dict) -> tuple[set, set] | None:
        """Shapes into and out of what a name means; None where a run of Python does not show them."""
        found = resolve(code, roots)
        if isinstance(found, Tensor):
            return {tuple(found.shape)}, {tuple(found.shape)}
        if isinstance(found, nn.ModuleList):
            first, last = (self.of(f"{code}.{i}", roots) for i in (0, len(found) - 1))
            return first[0], last[1]
        variable, itself, weights = None, None, set()
        if isinstance(found, tuple):
            found, variable = found
        elif isinstance(found, nn.Module):
            weights = _shapes(list(found.parameters(recurse=False)))
            found, itself = type(found).forward, found
        elif inspect.ismethod(found):
            found, itself = found.__func__, found.__self__
        found = inspect.unwrap(found)
        if not hasattr(found, "__code__"):
            return None
        key = (found.__code__, None if itself is None else id(itself))
        if variable is not None:
            return self.out.get((key, variable), set()), self.out.get((key, variable), set())
        assert key in self.out, f"{code} did not run"
        return self.into[key], self.out[key] | weights


def _shapes(value) -> set:
    if isinstance(value, Tensor):
        return {tuple(value.shape)}
    if isinstance(value, (tuple, list)):
        return set().union(*map(_shapes, value)) if value else set()
    return set()


def check_shapes(diagram: Diagram, roots: dict, sizes: dict, flow: Flow) -> None:
    """Every arrow has a shape that came out of its start and went into its end, as far as a run shows these."""
    for arrow in diagram.arrows:
        if arrow.shape is None:
            continue
        shape, seen = bind(arrow.shape, sizes), []
        for box, side in ((arrow.start, 1), (arrow.end, 0)):
            # A result is the end of its function, and where it leads.
            is_result = side == 0 and box.kind == "data"
            shapes = flow.of(box.code, roots) if box.code else None
            if shapes is not None and shapes[1 if is_result else side]:
                seen.append((box.label, shapes[1 if is_result else side]))
        if arrow.dashed:  # weights that are shared, or what happens between two steps: not every end shows it
            seen = [one for one in seen if shape in one[1]] or seen
        joins = "+" in (arrow.start.label, arrow.end.label)
        assert seen or joins, f"nothing shows {arrow.start.label} -> {arrow.end.label}"
        for label, shapes in seen:
            text = f"{diagram.title}: {arrow.start.label} -> {arrow.end.label} is {arrow.shape} = {shape}"
            assert shape in shapes, f"{text}, but at {label} there were {shapes}"


def check_drawing(diagram: Diagram) -> None:
    """Nothing overlaps, nothing leaves the drawing, all of it can be read on a phone, every arrow says its shape."""
    assert 12 * PHONE / diagram.width >= 11
    labels = [(t.lines, t.bounds) for t in diagram.texts]
    boxes = [(b.label, (b.x, b.y, b.x + b.width, b.y + b.height)) for b in diagram.boxes]
    for text, (left, top, right, bottom) in labels:
        assert min(left, top) >= 0, text
        assert right <= diagram.width, text
        assert bottom <= diagram.height, text
    for box in diagram.boxes:
        assert 7.3 * max(len(box.label), len(box.below)) <= box.width, f"{box.label} is too narrow"
    for (one, a), (two, b) in combinations(labels + boxes, 2):
        assert not _overlap(a, b), f"{diagram.title}: {one} lies on {two}"
    for text, bounds in labels:
        for arrow in diagram.arrows:
            for start, end in pairwise(arrow.points):
                assert not _overlap(bounds, _line(start, end)), (
                    f"{diagram.title}: {arrow.start.label} -> {arrow.end.label} runs through {text}"
                )
        for group in diagram.groups:
            left, top, right, bottom = group.bounds
            for start, end in (
                ((left, top), (right, top)),
                ((left, bottom), (right, bottom)),
                ((left, top), (left, bottom)),
                ((right, top), (right, bottom)),
            ):
                assert not _overlap(bounds, _line(start, end)), f"the frame {group.label} cuts {text}"
    for arrow in diagram.arrows:
        for start, end in pairwise(arrow.points):
            for name, box in boxes:
                inside = (box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1)
                assert not _overlap(inside, _line(start, end)), (
                    f"{diagram.title}: {arrow.start.label} -> {arrow.end.label} runs through {name}"
                )


def check_every_shape_is_said(diagram: Diagram) -> None:
    """An arrow without a label has the shape of one with a label, or one that a note tells."""
    told = " ".join(" ".join(t.lines) for t in diagram.texts)
    for arrow in diagram.arrows:
        if arrow.shape:
            assert f"[{', '.join(arrow.shape.split())}]" in told, f"{arrow.text} is nowhere to be read"


def _line(start, end):
    (x0, y0), (x1, y1) = start, end
    return min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1


def _overlap(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def run_quietly(function, *arguments, **options):
    """Call it without gradients and see what flows."""
    with torch.no_grad(), Flow() as flow:
        function(*arguments, **options)
    return flow
