"""Drawings of GPT, LLaMA, BERT and T5 side by side, with the names of their code."""

from dataclasses import dataclass

from fmlib.viz import HTML, Diagram, beside
from fmlib.viz.diagram_parts import Box

DIFFERS = "differs from GPT"
TALL, GAP = 38, 16  # a box of two lines, and what an arrow without a label needs


@dataclass
class _Column:
    """A residual stream and the parts beside it, drawn from top to bottom.

    Args:
        diagram: to draw into.
        root: the model, or its stack of blocks, as the tests find it.
        left, width: of the boxes.
        stream: where the stream runs.
        shape: of the stream.
        y: where the next box goes.
        end: the box that the stream comes from.
    """

    diagram: Diagram
    root: str
    left: float
    width: float
    stream: float
    shape: str = "batch length dim"
    y: float = 64
    end: Box | None = None

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    def part(
        self, name: str, below: str = "", *, differs: bool = False, kind: str = "weights", code: str = ""
    ) -> Box:
        """The next box: a part of the model."""
        height = TALL if below else 28
        box = self.diagram.box(
            f".{name}",
            self.left,
            self.y,
            width=self.width,
            height=height,
            kind=kind,
            code=f"{code or self.root}.{name}",
            below=below,
            mark=DIFFERS * differs,
        )
        self.y += height + GAP
        return box

    def join(self, part: Box, shape: str | None = None) -> None:
        """Add what a part gives to the stream, below it; or at its height, where it gives the shape, an embedding."""
        height = part.center[1] if shape else self.y
        total = self.diagram.sum(self.stream, height)
        bend = [] if shape else [(self.middle, height)]
        self.diagram.arrow(part, total, shape or self.shape, via=bend, label=None)
        self.flow(total, thick=True)
        self.end = total
        self.y = max(self.y, height + 9 + GAP * 0.75)

    def flow(self, box: Box, thick: bool = False) -> None:
        """From the stream's end, along the stream, to a box."""
        on_stream = self.end.label == "+"
        via = [] if on_stream else [(self.stream, self.end.center[1])]
        via += [] if box.label == "+" else [(self.stream, box.center[1])]
        self.diagram.arrow(
            self.end, box, self.shape, via=via, x=self.stream if not via else None, label=None, thick=thick
        )

    def add(
        self, norm: tuple, part: tuple, differs: tuple[bool, bool] = (False, False), code: str = ""
    ) -> tuple[Box, Box]:
        """Norm first, then a part that adds to the stream."""
        first = self.part(*norm, differs=differs[0], code=code)
        second = self.part(*part, differs=differs[1], code=code)
        self.flow(first)
        self.diagram.arrow(first, second, self.shape, label=None)
        self.join(second)
        return first, second

    def add_then_norm(self, part: tuple, norm: tuple, code: str) -> tuple[Box, Box]:
        """A part that adds to the stream, and a norm behind the sum, as in BERT."""
        before = self.end
        first = self.part(*part, differs=part[0] == "attention", code=code)
        self.diagram.arrow(before, first, self.shape, label=None)
        total = self.diagram.sum(self.stream, self.y)
        turn = before.y + before.height + GAP / 2
        self.diagram.arrow(
            before,
            total,
            self.shape,
            via=[(self.left + 16, turn), (self.stream, turn)],
            label=None,
            thick=True,
        )
        self.diagram.arrow(first, total, self.shape, via=[(self.middle, self.y)], label=None)
        self.y, self.end = self.y + GAP, total
        second = self.part(*norm, differs=True, code=code)
        self.flow(second, thick=True)
        self.end = second
        return first, second


def _begin(d: Diagram, root: str, function: str) -> _Column:
    """Tokens and their embedding."""
    column = _Column(d, root, 40, 156, 18)
    tokens = d.box(
        "tokens", column.middle - 40, 8, width=80, height=26, kind="data", code=f"{function}:tokens"
    )
    column.end = column.part("token_embedding")
    d.arrow(tokens, column.end, "batch length")
    return column


def _beside(column: _Column, name: str, part: Box, shape: str, code: str) -> None:
    """A tensor that comes in from the right."""
    d = column.diagram
    box = d.box(name, 212, part.center[1] - 13, width=74, height=26, kind="data", code=code)
    whole = f"[{', '.join(shape.split())}]"
    lines = [whole] if len(whole) < 12 else whole.replace(", ", ",\n").split("\n")
    d.arrow(box, part, shape, label=(213, box.y + 29 + 7.5 * len(lines)), lines=lines)


def _finish(column: _Column, last: Box, code: str, positions: str = "") -> None:
    d = column.diagram
    logits = d.box("logits", column.middle - 40, column.y + 26, width=80, height=26, kind="data", code=code)
    d.arrow(last, logits, "batch length vocab_size", lines=["[batch, length,", "vocab_size]"])
    told = "Without a label:\n[batch, length, dim]" + f",\nof positions: {positions}" * bool(positions)
    d.note(told, column.left, logits.y + 56 + 10 * bool(positions))


def gpt() -> Diagram:
    """GPT, to compare with."""
    d = Diagram("GPT", width=294)
    c = _begin(d, "GPT", "GPT.hidden")
    places = c.part("position_embedding")
    _beside(c, "positions", places, "1 length", "GPT.hidden:positions")
    c.join(places, "1 length dim")
    c.y += 34
    parts = c.add(("attention_norm", "LayerNorm"), ("attention", "Attention, causal"), code="GPT.blocks.0")
    parts += c.add(("mlp_norm", "LayerNorm"), ("mlp", "MLP"), code="GPT.blocks.0")
    return _decoder_end(c, parts, "LayerNorm")


def llama() -> Diagram:
    """LLaMA: the same stack of other parts."""
    d = Diagram("LLaMA", width=294)
    c = _begin(d, "Llama", "Llama.hidden")
    c.y += 34
    both = (True, True)
    parts = c.add(("attention_norm", "RMSNorm"), ("attention", "RotaryAttention"), both, "Llama.blocks.0")
    _beside(c, "positions", parts[1], "1 length", "Llama.hidden:positions")
    parts += c.add(("mlp_norm", "RMSNorm"), ("mlp", "GatedMLP"), both, "Llama.blocks.0")
    return _decoder_end(c, parts, "RMSNorm")


def _decoder_end(c: _Column, parts: tuple[Box, ...], norm_class: str) -> Diagram:
    c.diagram.group("layers × Block", [*parts, c.end], code=f"{c.root}.blocks", pad=7, indent=c.left - 2)
    c.y += GAP
    differs = c.root != "GPT"
    norm = c.part("norm", norm_class, differs=differs)
    c.flow(norm, thick=True)
    last = c.part("head", "Linear", differs=True) if differs else c.part("logits", kind="step")
    c.diagram.arrow(norm, last, c.shape, label=None)
    _finish(c, last, f"{c.root}.forward", "" if differs else "[1, length, dim]")
    return c.diagram


def bert() -> Diagram:
    """BERT: looks both ways, and normalizes what it has added up."""
    d = Diagram("BERT", width=294)
    c = _begin(d, "Bert", "Bert.hidden")
    places = c.part("position_embedding")
    _beside(c, "positions", places, "length", "Bert.hidden:positions")
    c.join(places, "length dim")
    kinds = c.part("type_embedding", differs=True)
    _beside(c, "types", kinds, "batch length", "Bert.hidden:types")
    c.join(kinds, "batch length dim")
    norm = c.part("embedding_norm", "LayerNorm", differs=True)
    c.flow(norm, thick=True)
    c.end = norm
    c.y += 24
    code = "Bert.blocks.0"
    parts = c.add_then_norm(("attention", "Attention, both ways"), ("attention_norm", "LayerNorm"), code)
    parts += c.add_then_norm(("mlp", "MLP"), ("mlp_norm", "LayerNorm"), code)
    sums = [b for b in d.boxes if b.label == "+"][2:]
    d.group("layers × Block", [*parts, *sums], code="Bert.blocks", pad=7, right=236, indent=c.left + 84)
    c.y += GAP
    last = c.part("head", "MaskedHead", differs=True)
    d.arrow(c.end, last, c.shape, label=None)
    _finish(c, last, "Bert.forward", "[length, dim]")
    return d


def t5() -> Diagram:
    """T5: an encoder that reads, and a decoder that looks at it while it writes."""
    d = Diagram("T5", width=376)
    read = _Column(d, "T5", 34, 132, 16, y=74)
    write = _Column(d, "T5", 210, 132, 360, "batch written_length dim", y=74)
    sides = ((read, "tokens", "encoder", "length"), (write, "written", "decoder", "written_length"))
    frames = []
    for c, name, stack, length in sides:
        pill = d.box(name, c.middle - 40, 8, width=80, height=26, kind="data", code=f"T5.forward:{name}")
        c.end = c.part("token_embedding")
        reads = c is read
        d.arrow(
            pill,
            c.end,
            f"batch {length}",
            label="left",
            lines=["[batch,", f"{length}]"],
        )
        bias = c.part(f"{stack}_bias", "RelativeBias", differs=True)
        c.y += 76
        code, both = f"T5.{stack}.0", (True, True)
        parts = c.add(("attention_norm", "RMSNorm"), ("attention", "Attention, + bias"), both, code)
        side = c.left + c.width + 12 if reads else c.left - 12
        d.arrow(
            bias,
            parts[1],
            f"1 heads {length} {length}",
            via=[(side, bias.center[1]), (side, parts[1].center[1])],
            label=(c.left + 4, bias.y + TALL + 28),
            lines=["[1, heads,", f"{length},", f"{length}]"],
        )
        if not reads:
            parts += c.add(("cross_norm", "RMSNorm"), ("cross", "Attention"), both, code)
        parts += c.add(("mlp_norm", "RMSNorm"), ("mlp", "MLP"), (True, False), code)
        frames.append([*parts, c.end])
        indent = c.left - 2 if reads else 8
        d.group("layers × Block", frames[-1], code=f"T5.{stack}", pad=7, indent=indent)
        c.y += GAP
        norm = c.part(f"{stack}_norm", "RMSNorm", differs=True)
        c.flow(norm, thick=True)
        c.end = norm
    cross = next(b for b in d.boxes if b.label == ".cross")
    norm = read.end
    d.arrow(
        norm,
        cross,
        "batch length dim",
        name="context",
        via=[(188, norm.center[1]), (188, cross.center[1])],
        label=(34, norm.y + TALL + 20),
        lines=["context", "[batch, length, dim]"],
    )
    logits = write.part("logits", kind="step")
    d.arrow(write.end, logits, write.shape, label=None)
    pill = d.box(
        "logits", write.middle - 40, write.y + 26, width=80, height=26, kind="data", code="T5.forward"
    )
    d.arrow(
        logits,
        pill,
        "batch written_length vocab_size",
        label="left",
        lines=["[batch, written_length,", "vocab_size]"],
    )
    d.note(
        "The encoder looks both ways, the decoder back.\n"
        "Without a label: [batch, length, dim],\nin the decoder [batch, written_length, dim]",
        34,
        pill.y + 64,
    )
    return d


def family() -> HTML:
    """All four."""
    return beside(gpt(), llama(), bert(), t5())
