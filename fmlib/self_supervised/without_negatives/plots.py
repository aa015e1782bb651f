"""The lesson's figures."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fmlib.viz import as_picture, describe, panels, use_style


def plot_spread(runs: Mapping[str, Mapping[int, float]], dim: int, title: str) -> Any:
    """The spread of embeddings while several runs go on, against that of embeddings that point everywhere.

    Args:
        runs: name -> step -> `spread`.
        dim: of the embeddings.
        title: what to see.
    """
    figure, (axes,) = panels(1, 3.2)
    even = 1 / math.sqrt(dim)
    axes.axhline(even, color="#868e96", ls="--", lw=1.2, label=f"1/√{dim}, evenly spread")
    for (name, measured), style in zip(runs.items(), ("-", "-.", ":", "--", "-"), strict=False):
        axes.plot(list(measured), list(measured.values()), style, lw=2, label=name)
    axes.set(title=title, xlabel="step", ylabel="spread (standard deviation)", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)
    last = ", ".join(f"{name} {list(measured.values())[-1]:.4f}" for name, measured in runs.items())
    describe(
        figure,
        f"Curves of the standard deviation of unit-length embeddings over the steps. At the end: {last}; "
        f"a dashed line at {even:.3f} marks embeddings that point everywhere.",
    )
    return figure


def plot_teacher(runs: Mapping[str, Mapping[str, Mapping[int, float]]], prototypes: int) -> Any:
    """Entropy of the teacher's answers, and the student's divergence from them, while several runs go on.

    Args:
        runs: name -> "entropy" and "divergence" -> step -> nats.
        prototypes: how many there are.
    """
    figure, (top, bottom) = panels(2, 2.8, sharex=True)
    most = math.log(prototypes)
    top.axhline(most, color="#868e96", ls="--", lw=1.2, label=f"log {prototypes}, says nothing")
    for (name, measured), style in zip(runs.items(), ("-", "-.", ":", "--"), strict=False):
        for axes, what in ((top, "entropy"), (bottom, "divergence")):
            axes.plot(list(measured[what]), list(measured[what].values()), style, lw=2, label=name)
    top.set(title="How unsure the teacher is", ylabel="entropy (nats)", ylim=(-0.2, 1.1 * most))
    bottom.set(title="What the student still has to learn", xlabel="step", ylabel="divergence (nats)")
    top.legend(frameon=False, fontsize=8)
    last = "; ".join(
        f"{name}: entropy {list(measured['entropy'].values())[-1]:.2f}, "
        f"divergence {list(measured['divergence'].values())[-1]:.2f}"
        for name, measured in runs.items()
    )
    describe(
        figure,
        f"Two panels over the steps, entropy of the teacher's answers and divergence of the student's. At the end, in nats: "
        f"{last}. The largest possible entropy is {most:.2f}.",
    )
    return figure


def plot_attention(images: Tensor, maps: Mapping[str, Tensor], title: str) -> Any:
    """Pictures in the first column, beside them the attention of each head, as brightness.

    Args:
        images: [pictures, channels, height, width].
        maps: name -> [pictures, heads, rows, columns]; the names stand above the columns of their heads.
        title: what to see.
    """
    import matplotlib.pyplot as plt

    use_style()
    heads = [(name, looks[:, k], k) for name, looks in maps.items() for k in range(looks.shape[1])]
    figure, grid = plt.subplots(
        len(images),
        1 + len(heads),
        figsize=(0.72 * (1 + len(heads)), 0.72 * len(images) + 0.8),
        squeeze=False,
    )
    for row, image in zip(grid, images, strict=True):
        row[0].imshow(as_picture(image), cmap="gray")
    for column, (name, looks, k) in enumerate(heads, start=1):
        for row, look in zip(grid, looks, strict=True):
            row[column].imshow(look, cmap="magma", vmin=0, vmax=look.max())
        grid[0, column].set_title(f"{name}\nhead {k}", fontsize=8)
    grid[0, 0].set_title("picture", fontsize=8)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.grid(visible=False)
    figure.suptitle(title)
    names = ", ".join(f"{looks.shape[1]} heads of {name}" for name, looks in maps.items())
    describe(
        figure,
        f"{len(images)} rows: a picture, and beside it where the class token looks in the last block, for "
        f"{names}; bright is "
        "much attention.",
    )
    return figure


def plot_correlations(matrices: Mapping[str, Tensor], title: str) -> Any:
    """Cross-correlation matrices, two in a row.

    Args:
        matrices: name -> [features, features].
        title: what to see.
    """
    import matplotlib.pyplot as plt

    use_style()
    rows = math.ceil(len(matrices) / 2)
    figure, grid = plt.subplots(rows, 2, figsize=(6.4, 3 * rows), squeeze=False)
    for axes in grid.flat[len(matrices) :]:
        axes.set_visible(False)
    for axes, (name, matrix) in zip(grid.flat, matrices.items(), strict=False):
        shown = axes.imshow(matrix, cmap="coolwarm", vmin=-1, vmax=1)
        axes.set(title=name, xlabel="feature, view 2", ylabel="feature, view 1")
        axes.grid(visible=False)
    figure.colorbar(shown, ax=grid.ravel().tolist(), shrink=0.6, label="correlation")
    figure.suptitle(title)
    told = "; ".join(
        f"{name}: diagonal {m.diagonal().mean():.2f} on average, off it {_off(m):.2f} in size"
        for name, m in matrices.items()
    )
    describe(figure, f"Heat maps of cross-correlations. {told}.")
    return figure


def _off(matrix: Tensor) -> float:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)].abs().mean().item()
