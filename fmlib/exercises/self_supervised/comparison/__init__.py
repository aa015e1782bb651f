"""Exercises of the lesson that compares all methods.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.self_supervised.comparison.best import EXPECTED_BEST, SCORE_OF_CHOSEN
from fmlib.exercises.self_supervised.comparison.counting import PICTURES_SEEN
from fmlib.exercises.self_supervised.comparison.differences import PAIRED_DIFFERENCE, SIGN_FLIP_P
from fmlib.exercises.self_supervised.comparison.price import PARETO_FRONT
from fmlib.exercises.self_supervised.comparison.questions import (
    BEST_OF_TEN,
    LEAD_OVER_PIXELS,
    SEEDS_FOR_ONE_IN_TWENTY,
    SIDE_BY_SIDE,
)

EXERCISES = (
    PICTURES_SEEN,
    PARETO_FRONT,
    PAIRED_DIFFERENCE,
    SIGN_FLIP_P,
    EXPECTED_BEST,
    SCORE_OF_CHOSEN,
)
PREDICTIONS = (LEAD_OVER_PIXELS, SEEDS_FOR_ONE_IN_TWENTY, BEST_OF_TEN)
QUIZZES = (SIDE_BY_SIDE,)
