"""How all are trained in this lesson, and tuned to few labels. Everything is a function of a seed.

In reading order:

    mae       the masked autoencoder
    tuning    a vision transformer on labels, after its pretraining or from scratch
    bert      BERT on Shakespeare's letters
"""

from fmlib.self_supervised.masked.training.bert import (
    BertLoss,
    BertRecipe,
    make_bert,
    masked_and_next,
    masked_only,
    pair_batch,
    train_bert,
)
from fmlib.self_supervised.masked.training.mae import CROPS, MAERecipe, train_mae
from fmlib.self_supervised.masked.training.tuning import MeanOfPatches, TuneRecipe, fine_tune, make_vit

__all__ = [
    "CROPS",
    "BertLoss",
    "BertRecipe",
    "MAERecipe",
    "MeanOfPatches",
    "TuneRecipe",
    "fine_tune",
    "make_bert",
    "make_vit",
    "masked_and_next",
    "masked_only",
    "pair_batch",
    "train_bert",
    "train_mae",
]
