"""Contrastive learning: two views of a picture should agree, views of different pictures should not.

In reading order:

    simclr            SimCLR: the batch holds the negatives
    moco              MoCo: a queue holds them
    diagrams          both, drawn
    training          how each is trained here
    label_efficiency  what the features are worth when labels are few
    ablations         one change at a time
    taken_apart       the loss in its parts: alignment, uniformity, and negatives that are none
    information       the loss as a bound on mutual information, and its ceiling
    emoji_views       which views help which task
    experiments       the rows that `make compare WHAT=contrastive` computes
"""

from fmlib.self_supervised.contrastive.moco import MoCo, MoCoConfig, enqueue, info_nce
from fmlib.self_supervised.contrastive.simclr import SimCLR, SimCLRConfig, nt_xent, positive_indices
from fmlib.self_supervised.contrastive.training import (
    FULL,
    GENTLE,
    Recipe,
    make_encoder,
    train_moco,
    train_simclr,
    train_supervised,
    two_views,
)

__all__ = [
    "FULL",
    "GENTLE",
    "MoCo",
    "MoCoConfig",
    "Recipe",
    "SimCLR",
    "SimCLRConfig",
    "enqueue",
    "info_nce",
    "make_encoder",
    "nt_xent",
    "positive_indices",
    "train_moco",
    "train_simclr",
    "train_supervised",
    "two_views",
]
