"""Exercises of the lesson on pretext tasks.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.self_supervised.pretext.colors import REBALANCING_WEIGHTS
from fmlib.exercises.self_supervised.pretext.cues import CUE_ACCURACY
from fmlib.exercises.self_supervised.pretext.puzzles import FARTHEST_ORDER
from fmlib.exercises.self_supervised.pretext.questions import FIRST_CPC_LOSS, PRETEXT, ROTATION_BY_PIXELS
from fmlib.exercises.self_supervised.pretext.sound import PICK_OWN, VOICE_FOLDS
from fmlib.exercises.self_supervised.pretext.turning import ROTATION_BATCH, TURN_EACH

EXERCISES = (
    TURN_EACH,
    ROTATION_BATCH,
    FARTHEST_ORDER,
    REBALANCING_WEIGHTS,
    CUE_ACCURACY,
    PICK_OWN,
    VOICE_FOLDS,
)
PREDICTIONS = (ROTATION_BY_PIXELS, FIRST_CPC_LOSS)
QUIZZES = (PRETEXT,)
