"""Exercises of the lesson on generation."""

from fmlib.exercises.llm.generation.cache import NEXT_LOGITS
from fmlib.exercises.llm.generation.filters import APPLY_TEMPERATURE, TOP_K_FILTER
from fmlib.exercises.llm.generation.nucleus import TOP_P_FILTER
from fmlib.exercises.llm.generation.penalty import REPETITION_PENALTY
from fmlib.exercises.llm.generation.questions import GENERATION, NUCLEUS_SIZE

EXERCISES = (APPLY_TEMPERATURE, TOP_K_FILTER, TOP_P_FILTER, REPETITION_PENALTY, NEXT_LOGITS)
PREDICTIONS = (NUCLEUS_SIZE,)
QUIZZES = (GENERATION,)
