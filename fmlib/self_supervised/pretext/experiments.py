"""What the lesson measures: each function is one comparison, on the same footing for every row of it."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.data import Drawings, load_emoji, load_fashion_mnist
from fmlib.evaluate import embed, evaluating, linear_probe
from fmlib.self_supervised.pretext.colorization import ColorizationNet, annealed_mean, to_lab
from fmlib.self_supervised.pretext.rotation import QUARTERS, turn_each
from fmlib.self_supervised.pretext.shortcuts import cue_accuracy, order_by_edges
from fmlib.self_supervised.pretext.training import Paintings, Puzzle, color_targets
from fmlib.self_supervised.probing import labeled, probes
from fmlib.self_supervised.runs import as_floats

GRAYS = 64  # levels of gray that the cue for colors is counted in


def probe_draws(encoder: nn.Module) -> dict[int, list[float]]:
    """Labels -> per cent of the test pictures that a probe gets right: three draws of 100 labels, one of 1,000.

    The draws are those of the lesson on contrastive learning, so numbers can be compared.
    """
    draws = scale.pick(smoke={100: 1}, cpu={100: 3, 1000: 1}, gpu={100: 3, 1000: 3})
    return {
        count: [probes(encoder, draw, (count,))[count] for draw in range(times)]
        for count, times in draws.items()
    }


def show(draws: Sequence[float]) -> str:
    """Mean and spread in words, e.g. "72.8 ± 1.1"."""
    values = torch.tensor(list(draws))
    spread = f" ± {values.std():.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{spread}"


def rotation_by_pixels(count: int = 1000) -> float:
    """Per cent of the validation pictures whose quarter turns a linear classifier tells from their pixels.

    Args:
        count: turned training pictures that it learns from.
    """
    known, held_out = labeled(count, 0), load_fashion_mnist("validation")
    generator, rows = torch.Generator().manual_seed(0), []
    for pictures in (known, held_out):
        turns = torch.randint(QUARTERS, (len(pictures),), generator=generator)
        rows += [turn_each(as_floats(pictures.images), turns).flatten(1), turns]
    return linear_probe(*rows, strengths=(1e-2,))


def edges_accuracy(puzzle: Puzzle, images: Tensor, seed: int = 0) -> float:
    """Per cent of puzzles that a ruler solves: the order in which touching edges differ least."""
    tiles, which = puzzle.draw(images, torch.Generator().manual_seed(seed))
    return 100 * (order_by_edges(tiles, puzzle.orders) == which).double().mean().item()


# ---- colors


def color_by_gray(train: Paintings, test: Paintings, palette: Tensor) -> float:
    """Per cent of the colored pixels whose color of the palette is told by their own gray level alone."""
    cues, answers = [], []
    for paintings in (train, test):
        targets, cue = color_targets(paintings, palette).flatten(), gray_levels(paintings)
        colored = is_colored(paintings)
        cues.append(cue[colored])
        answers.append(targets[colored])
    return cue_accuracy(cues[0], answers[0], cues[1], answers[1])


def gray_levels(paintings: Paintings) -> Tensor:
    """The gray of each pixel that has to be colored, in whole levels."""
    small = torch.nn.functional.avg_pool2d(paintings.gray, 2)
    return (small * (GRAYS - 1)).round().long().flatten()


def is_colored(paintings: Paintings, least: float = 10.0) -> Tensor:
    """Which pixels have a color that one sees: a, b at least so far from gray."""
    return paintings.pixels().norm(dim=1) >= least


@torch.no_grad()
def paint(
    model: ColorizationNet,
    gray: Float[Tensor, "n 1 size size"],
    palette: Tensor | None,
    temperature: float = 0.38,
) -> Float[Tensor, "n 2 half half"]:
    """The colors that a network gives gray pictures; without a palette those of the regressor."""
    device, parts = next(model.parameters()).device, []
    with evaluating(model):
        for batch in gray.split(256):
            out = model(batch.to(device)).cpu()
            parts.append(100 * out if palette is None else annealed_mean(out, palette, temperature))
    return torch.cat(parts)


def painting_measures(painted: Float[Tensor, "n 2 half half"], paintings: Paintings) -> dict[str, float]:
    """How far the colors are off, over all pixels; and how colorful they are where the drawing is."""
    error = (painted - paintings.colors).square().sum(dim=1).mean().sqrt().item()
    colored = is_colored(paintings)
    strength = painted.permute(0, 2, 3, 1).flatten(0, 2)[colored].norm(dim=1).mean().item()
    return {"error": error, "colorfulness": strength}


@torch.no_grad()
def color_accuracy(model: ColorizationNet, paintings: Paintings, palette: Tensor) -> float:
    """Per cent of the colored pixels for which the network's first choice of the palette is the right one."""
    device, right = next(model.parameters()).device, []
    targets = color_targets(paintings, palette)
    with evaluating(model):
        for gray, answers in zip(paintings.gray.split(256), targets.split(256), strict=True):
            right.append(model(gray.to(device)).argmax(dim=1).cpu() == answers)
    return 100 * torch.cat(right).flatten()[is_colored(paintings)].double().mean().item()


def emoji_drawings(split: str, artists: Sequence[str] | None = None) -> Drawings:
    """Drawings of a split, in random order; at scale smoke a few hundred of them."""
    drawings = load_emoji(split, artists=artists)
    order = torch.randperm(len(drawings), generator=torch.Generator().manual_seed(0))
    return drawings.subset(scale.pick(smoke=order[:120], cpu=order, gpu=order))


def gray_of(drawings: Drawings) -> Float[Tensor, "n 1 size size"]:
    """Drawings on white, their lightness in [0, 1]."""
    return to_lab(drawings.rgb())[:, :1] / 100


def emoji_probes(encoder: nn.Module) -> dict[str, float]:
    """What is drawn, and who drew it, told from gray emoji by a linear probe, in per cent.

    "group" is asked of emoji that nobody has seen, by an artist that nobody has seen, as in the lesson on contrastive
    learning; "known artists" of the same emoji by the training artists; "artist" of unseen emoji.
    """
    known, some = emoji_drawings("train", ("noto",)), emoji_drawings("train")
    some = some.subset(torch.arange(min(1500, len(some))))
    new, held_out = emoji_drawings("held_out_both"), emoji_drawings("held_out_emoji")
    x, many, y, z = (embed(encoder, gray_of(drawings)) for drawings in (known, some, new, held_out))
    return {
        "group": linear_probe(x, known.group_index, y, new.group_index, (1e-2,)),
        "known artists": linear_probe(x, known.group_index, z, held_out.group_index, (1e-2,)),
        "artist": linear_probe(many, some.artist_index, z, held_out.artist_index, (1e-2,)),
    }


def emoji_commonest() -> dict[str, float]:
    """What a constant answer gets where `emoji_probes` asks: the commonest group or artist of the training drawings."""
    known, some = emoji_drawings("train", ("noto",)), emoji_drawings("train")
    new, held_out = emoji_drawings("held_out_both"), emoji_drawings("held_out_emoji")
    group, artist = known.group_index.bincount().argmax(), some.artist_index.bincount().argmax()
    asked = {
        "group": new.group_index == group,
        "known artists": held_out.group_index == group,
        "artist": held_out.artist_index == artist,
    }
    return {name: 100 * right.double().mean().item() for name, right in asked.items()}


def as_table(rows: Mapping[str, Sequence[str | float]], columns: Sequence[str]) -> str:
    """Rows of text and numbers under their columns, for printing."""
    told = [["", *columns]] + [
        [name, *(value if isinstance(value, str) else f"{value:.1f}" for value in values)]
        for name, values in rows.items()
    ]
    widths = [max(len(row[i]) for row in told) for i in range(len(columns) + 1)]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in told
    )
