"""Exercises of the lesson on pretraining.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.llm.pretraining.counts import DISCOUNTED_PROBABILITIES
from fmlib.exercises.llm.pretraining.laws import BITS_FROM_PERPLEXITY, POWER_LAW_BY_LINE
from fmlib.exercises.llm.pretraining.questions import PRETRAINING, UNTRAINED_LOSS
from fmlib.exercises.llm.pretraining.run import COSINE_SCHEDULE, INPUTS_AND_TARGETS

EXERCISES = (
    BITS_FROM_PERPLEXITY,
    DISCOUNTED_PROBABILITIES,
    INPUTS_AND_TARGETS,
    COSINE_SCHEDULE,
    POWER_LAW_BY_LINE,
)
PREDICTIONS = (UNTRAINED_LOSS,)
QUIZZES = (PRETRAINING,)
