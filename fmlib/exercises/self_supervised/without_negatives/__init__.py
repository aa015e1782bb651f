"""Exercises of the lesson on learning without negatives.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.self_supervised.without_negatives.bug_hunts import BYOL_STEP, FOLLOW
from fmlib.exercises.self_supervised.without_negatives.dino import DINO_LOSS, MOVED_CENTER
from fmlib.exercises.self_supervised.without_negatives.questions import EVEN_SPREAD, WITHOUT_NEGATIVES
from fmlib.exercises.self_supervised.without_negatives.redundancy import BARLOW_LOSS, VARIANCE_TERM
from fmlib.exercises.self_supervised.without_negatives.schedule import MOMENTUM_AT
from fmlib.exercises.self_supervised.without_negatives.watch import EFFECTIVE_RANK

EXERCISES = (
    MOMENTUM_AT,
    BYOL_STEP,
    FOLLOW,
    EFFECTIVE_RANK,
    BARLOW_LOSS,
    VARIANCE_TERM,
    MOVED_CENTER,
    DINO_LOSS,
)
PREDICTIONS = (EVEN_SPREAD,)
QUIZZES = (WITHOUT_NEGATIVES,)
