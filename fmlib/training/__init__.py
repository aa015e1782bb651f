"""The one training loop, and what it stands on.

In reading order:

    fit           the loop
    history       what a run leaves behind
    schedules     how the rate rises and falls
    optimizers    AdamW and Muon
    batches       which rows make up the batch of a step
    counted       losses over a number that varies, and steps of several micro-batches
    ema           a slow copy of a network
    checkpoint    a run in one file
    distributed   batches that live in several processes
    surroundings  device and precision, ctrl-C, the bar
"""

from fmlib.training.batches import ShuffledBatches, TextBatches, consecutive_pieces
from fmlib.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fmlib.training.counted import Counted
from fmlib.training.distributed import gather_rows
from fmlib.training.ema import frozen_copy, momentum_update
from fmlib.training.fit import TrainingError, fit
from fmlib.training.history import History
from fmlib.training.optimizers import Muon, adamw, muon, orthogonalize
from fmlib.training.schedules import check_schedule, cosine_schedule, linear_schedule

__all__ = [
    "Checkpoint",
    "Counted",
    "History",
    "Muon",
    "ShuffledBatches",
    "TextBatches",
    "TrainingError",
    "adamw",
    "check_schedule",
    "consecutive_pieces",
    "cosine_schedule",
    "fit",
    "frozen_copy",
    "gather_rows",
    "linear_schedule",
    "load_checkpoint",
    "momentum_update",
    "muon",
    "orthogonalize",
    "save_checkpoint",
]
