"""Adaptation: a pretrained model learns a task, from a prompt, from texts, from instructions, from preferences.

In reading order:

    few_shot      the task stands in the prompt
    in_context    a small GPT that learns to learn from its prompt
    induction     the heads that do it
    fine_tuning   training goes on with another author
    instructions  doing what one is told
    preferences   which of two answers is better
    dpo           making the better one likelier
"""

from fmlib.llm.adaptation.dpo import dpo_loss, pair_log_probs, sequence_log_probs, train_dpo
from fmlib.llm.adaptation.few_shot import few_shot_accuracy, few_shot_prompt
from fmlib.llm.adaptation.fine_tuning import Tuning, average_weights, fine_tune, replay_batch
from fmlib.llm.adaptation.instructions import (
    answer_loss,
    obedience,
    obedience_by_chance,
    obedience_with_error,
    tune_on_instructions,
    write_answers,
)
from fmlib.llm.adaptation.preferences import sample_pairs

__all__ = [
    "Tuning",
    "answer_loss",
    "average_weights",
    "dpo_loss",
    "few_shot_accuracy",
    "few_shot_prompt",
    "fine_tune",
    "obedience",
    "obedience_by_chance",
    "obedience_with_error",
    "pair_log_probs",
    "replay_batch",
    "sample_pairs",
    "sequence_log_probs",
    "train_dpo",
    "tune_on_instructions",
    "write_answers",
]
