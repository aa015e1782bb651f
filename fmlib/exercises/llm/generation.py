"""Exercises of the lesson on generation."""

from fmlib.exercises.llm.generation_cache import NEXT_LOGITS
from fmlib.exercises.llm.generation_filters import APPLY_TEMPERATURE, TOP_K_FILTER
from fmlib.exercises.llm.generation_nucleus import TOP_P_FILTER
from fmlib.exercises.llm.generation_penalty import REPETITION_PENALTY
from fmlib.exercises.llm.generation_questions import GENERATION, NUCLEUS_SIZE

EXERCISES = (APPLY_TEMPERATURE, TOP_K_FILTER, TOP_P_FILTER, REPETITION_PENALTY, NEXT_LOGITS)
PREDICTIONS = (NUCLEUS_SIZE,)
QUIZZES = (GENERATION,)
