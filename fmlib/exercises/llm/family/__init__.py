"""Exercises of the lesson on the family: what LLaMA, BERT and T5 change.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.llm.family.blanks import HIDE_TOKENS
from fmlib.exercises.llm.family.llama import REPEAT_HEADS, RMS_NORM
from fmlib.exercises.llm.family.questions import FAMILY, LLAMA_CACHE
from fmlib.exercises.llm.family.rotary import ROTARY
from fmlib.exercises.llm.family.spans import CORRUPT_SPANS

EXERCISES = (RMS_NORM, ROTARY, REPEAT_HEADS, HIDE_TOKENS, CORRUPT_SPANS)
PREDICTIONS = (LLAMA_CACHE,)
QUIZZES = (FAMILY,)
