"""How well features name classes, for tests of what training does to them."""

from torch import nn

from fmlib.data import Pictures
from fmlib.evaluate import embed, knn_accuracy


def accuracy_by_neighbors(encoder: nn.Module, known: Pictures, asked: Pictures) -> float:
    """Per cent of pictures that their ten nearest neighbors among the known ones name right."""
    return knn_accuracy(
        embed(encoder, known.images), known.labels, embed(encoder, asked.images), asked.labels, k=10
    )
