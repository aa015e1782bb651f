"""Exercises of the lesson on adaptation.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.self_supervised.adaptation.bug_hunts import HEAD_STEP, STANDARDIZE
from fmlib.exercises.self_supervised.adaptation.few_shot import MEAN_INTERVAL, SPLIT_EPISODE
from fmlib.exercises.self_supervised.adaptation.fine_tuning import PARAMETER_GROUPS
from fmlib.exercises.self_supervised.adaptation.measuring import DRAWS_NEEDED, RANK_CORRELATION
from fmlib.exercises.self_supervised.adaptation.prototypes import NEAREST_MEAN
from fmlib.exercises.self_supervised.adaptation.questions import ADAPTATION, LABELS_WORTH

EXERCISES = (
    NEAREST_MEAN,
    STANDARDIZE,
    SPLIT_EPISODE,
    MEAN_INTERVAL,
    HEAD_STEP,
    PARAMETER_GROUPS,
    DRAWS_NEEDED,
    RANK_CORRELATION,
)
PREDICTIONS = (LABELS_WORTH,)
QUIZZES = (ADAPTATION,)
