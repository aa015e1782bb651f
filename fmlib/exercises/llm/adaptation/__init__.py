"""Exercises of the lesson on adaptation."""

from fmlib.exercises.llm.adaptation import in_context as adaptation_icl
from fmlib.exercises.llm.adaptation.dpo import DPO_LOSS, SEQUENCE_LOG_PROBS
from fmlib.exercises.llm.adaptation.questions import ADAPTATION, FORGETTING
from fmlib.exercises.llm.adaptation.tuning import ANSWER_LOSS, REPLAY_BATCH

EXERCISES = (*adaptation_icl.EXERCISES, REPLAY_BATCH, ANSWER_LOSS, DPO_LOSS, SEQUENCE_LOG_PROBS)
PREDICTIONS = (*adaptation_icl.PREDICTIONS, FORGETTING)
QUIZZES = (*adaptation_icl.QUIZZES, ADAPTATION)
