"""Exercises of the lesson on contrastive learning.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.self_supervised.contrastive.bug_hunt import CONTRASTIVE_STEP
from fmlib.exercises.self_supervised.contrastive.information import INFORMATION_BOUND
from fmlib.exercises.self_supervised.contrastive.moco import INFO_NCE
from fmlib.exercises.self_supervised.contrastive.momentum import MOMENTUM_UPDATE
from fmlib.exercises.self_supervised.contrastive.neighbors import KNN_PREDICT
from fmlib.exercises.self_supervised.contrastive.questions import CONTRASTIVE, FIRST_LOSS
from fmlib.exercises.self_supervised.contrastive.queue import ENQUEUE
from fmlib.exercises.self_supervised.contrastive.simclr import NT_XENT, POSITIVE_INDICES
from fmlib.exercises.self_supervised.contrastive.taken_apart import BETWEEN_CLASSES, UNIFORMITY

EXERCISES = (
    POSITIVE_INDICES,
    NT_XENT,
    CONTRASTIVE_STEP,
    UNIFORMITY,
    INFORMATION_BOUND,
    BETWEEN_CLASSES,
    INFO_NCE,
    ENQUEUE,
    MOMENTUM_UPDATE,
    KNN_PREDICT,
)
PREDICTIONS = (FIRST_LOSS,)
QUIZZES = (CONTRASTIVE,)
