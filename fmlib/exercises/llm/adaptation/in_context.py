"""Exercises of the lesson on adaptation, its part on prompts and in-context learning."""

from fmlib.exercises.llm.adaptation.few_shot_prompt import FEW_SHOT_PROMPT
from fmlib.exercises.llm.adaptation.in_context_questions import IN_CONTEXT, UNSEEN_KEY
from fmlib.exercises.llm.adaptation.in_context_texts import IN_CONTEXT_BATCH
from fmlib.exercises.llm.adaptation.induction_heads import INDUCTION_SCORE

EXERCISES = (FEW_SHOT_PROMPT, IN_CONTEXT_BATCH, INDUCTION_SCORE)
PREDICTIONS = (UNSEEN_KEY,)
QUIZZES = (IN_CONTEXT,)
