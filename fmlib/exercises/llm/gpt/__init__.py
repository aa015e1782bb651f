"""Exercises of the lesson on the transformer.

In each file an exercise stands together: a plain right answer, from which most mistakes are made by changing a
line (`slips`); what its cases are made of; then the exercise itself. The reference is the library's function.
"""

from fmlib.exercises.llm.gpt.attention import ATTENTION, CAUSAL_MASK
from fmlib.exercises.llm.gpt.heads import MERGE_HEADS, SPLIT_HEADS
from fmlib.exercises.llm.gpt.questions import MLP_SHARE, TRANSFORMER
from fmlib.exercises.llm.gpt.training import COUNT_PARAMETERS, NEXT_TOKEN_LOSS

EXERCISES = (ATTENTION, CAUSAL_MASK, SPLIT_HEADS, MERGE_HEADS, NEXT_TOKEN_LOSS, COUNT_PARAMETERS)
PREDICTIONS = (MLP_SHARE,)
QUIZZES = (TRANSFORMER,)
