"""Exercises of the lesson on tokens."""

from fmlib.exercises.llm.tokens.bpe import COUNT_PAIRS, MERGE_PAIR
from fmlib.exercises.llm.tokens.encode import BPE_ENCODE
from fmlib.exercises.llm.tokens.pieces import BITS_PER_CHARACTER, WORDPIECE
from fmlib.exercises.llm.tokens.questions import CHARACTERS_PER_TOKEN, TOKENS

EXERCISES = (COUNT_PAIRS, MERGE_PAIR, BPE_ENCODE, BITS_PER_CHARACTER, WORDPIECE)
PREDICTIONS = (CHARACTERS_PER_TOKEN,)
QUIZZES = (TOKENS,)
