"""Exercises of the lesson on masked prediction.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.self_supervised.masked.blanks import BLANKS_LOSS
from fmlib.exercises.self_supervised.masked.painting import MAE_LOSS, UNDO_NORMALIZATION
from fmlib.exercises.self_supervised.masked.pairs import SENTENCE_PAIRS
from fmlib.exercises.self_supervised.masked.pseudo import PSEUDO_SURPRISE
from fmlib.exercises.self_supervised.masked.questions import ENCODER_WORK, MASKED, TOKENS_AS_THEY_ARE
from fmlib.exercises.self_supervised.masked.shuffling import RESTORE_ORDER, SPLIT_PATCHES

EXERCISES = (
    SPLIT_PATCHES,
    RESTORE_ORDER,
    MAE_LOSS,
    UNDO_NORMALIZATION,
    BLANKS_LOSS,
    SENTENCE_PAIRS,
    PSEUDO_SURPRISE,
)
PREDICTIONS = (ENCODER_WORK, TOKENS_AS_THEY_ARE)
QUIZZES = (MASKED,)
