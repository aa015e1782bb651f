"""Exercises of the lesson on adaptation, its part on prompts and in-context learning."""

from fmlib.exercises.llm.adaptation_icl_heads import INDUCTION_SCORE
from fmlib.exercises.llm.adaptation_icl_prompt import FEW_SHOT_PROMPT
from fmlib.exercises.llm.adaptation_icl_questions import IN_CONTEXT, UNSEEN_KEY
from fmlib.exercises.llm.adaptation_icl_texts import IN_CONTEXT_BATCH

EXERCISES = (FEW_SHOT_PROMPT, IN_CONTEXT_BATCH, INDUCTION_SCORE)
PREDICTIONS = (UNSEEN_KEY,)
QUIZZES = (IN_CONTEXT,)
