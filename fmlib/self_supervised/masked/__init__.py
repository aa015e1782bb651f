"""Masked prediction: hide a part, and ask for it; MAE for pictures, BERT for text.

In reading order:

    hiding           which patches stay, and the way back
    targets          what is painted, how wrong it is, and how it looks
    mae              the masked autoencoder
    diagrams         it and BERT's pretraining, drawn
    pairs            two pieces of text in a row, and whether the second follows the first
    bert             BERT with what its pretraining adds
    plays            Shakespeare's letters as BERT reads them
    guesses          what counting says about hidden letters
    training         how all are trained here, and tuned to few labels: `mae`, `tuning`, `bert`
    experiments      what the lesson measures
    mae_checkpoint   `bert_checkpoint`: how published weights are laid out
"""

from fmlib.self_supervised.masked.bert import (
    BertPretraining,
    load_bert_pretraining,
    pretraining_loss,
    pseudo_surprise,
)
from fmlib.self_supervised.masked.hiding import restore_order, split_patches
from fmlib.self_supervised.masked.mae import MAE, MAEConfig, load_mae
from fmlib.self_supervised.masked.pairs import join_pairs, sentence_pairs
from fmlib.self_supervised.masked.targets import as_pixels, mae_loss, patch_targets, undo_normalization
from fmlib.self_supervised.masked.training import (
    BertRecipe,
    MAERecipe,
    MeanOfPatches,
    TuneRecipe,
    fine_tune,
    make_bert,
    make_vit,
    masked_and_next,
    masked_only,
    train_bert,
    train_mae,
)

__all__ = [
    "MAE",
    "BertPretraining",
    "BertRecipe",
    "MAEConfig",
    "MAERecipe",
    "MeanOfPatches",
    "TuneRecipe",
    "as_pixels",
    "fine_tune",
    "join_pairs",
    "load_bert_pretraining",
    "load_mae",
    "mae_loss",
    "make_bert",
    "make_vit",
    "masked_and_next",
    "masked_only",
    "patch_targets",
    "pretraining_loss",
    "pseudo_surprise",
    "restore_order",
    "sentence_pairs",
    "split_patches",
    "train_bert",
    "train_mae",
    "undo_normalization",
]
