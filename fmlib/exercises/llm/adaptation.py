"""Exercises of the lesson on adaptation."""

from fmlib.exercises.llm.adaptation_dpo import DPO_LOSS, SEQUENCE_LOG_PROBS
from fmlib.exercises.llm.adaptation_questions import ADAPTATION, FORGETTING
from fmlib.exercises.llm.adaptation_tuning import ANSWER_LOSS, REPLAY_BATCH

EXERCISES = (REPLAY_BATCH, ANSWER_LOSS, DPO_LOSS, SEQUENCE_LOG_PROBS)
PREDICTIONS = (FORGETTING,)
QUIZZES = (ADAPTATION,)
