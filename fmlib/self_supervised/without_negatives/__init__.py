"""Learning without negatives: other pictures are no longer pushed away, so something else must prevent collapse.

In reading order:

    byol          BYOL: predict what a slow copy of yourself says
    collapse      BYOL and DINO with one part taken out, and what dies then
    watch         what to look at when there are no labels
    redundancy    Barlow Twins and VICReg: features must vary and not repeat each other
    multi_crop    large views and small ones
    dino          DINO: sort pictures as a slow teacher does
    attention     where the class token of a vision transformer looks
    training      how each is trained here
    experiments   the methods beside each other at one budget
    dinov2        published DINOv2 encoders into our vision transformer
    diagrams      BYOL and DINO, drawn
    plots         the lesson's figures
"""

from fmlib.self_supervised.without_negatives.byol import BYOL, BYOLConfig, momentum_at, prediction_loss
from fmlib.self_supervised.without_negatives.dino import DINO, DINOConfig, dino_loss, moved_center
from fmlib.self_supervised.without_negatives.multi_crop import MultiCrop
from fmlib.self_supervised.without_negatives.redundancy import (
    Twins,
    TwinsConfig,
    barlow_loss,
    cross_correlation,
    vicreg_loss,
)
from fmlib.self_supervised.without_negatives.training import (
    make_vit,
    train_barlow_twins,
    train_byol,
    train_dino,
    train_vicreg,
)

__all__ = [
    "BYOL",
    "DINO",
    "BYOLConfig",
    "DINOConfig",
    "MultiCrop",
    "Twins",
    "TwinsConfig",
    "barlow_loss",
    "cross_correlation",
    "dino_loss",
    "make_vit",
    "momentum_at",
    "moved_center",
    "prediction_loss",
    "train_barlow_twins",
    "train_byol",
    "train_dino",
    "train_vicreg",
    "vicreg_loss",
]
