"""Generation: from probabilities to a text, one token at a time.

In reading order:

    sampling     which token to take
    decode       ask, take, append, ask again; with a cache, and for many prompts at once
    diagrams     attention with a cache, drawn
    one_token    the same step with less around it
    beam         the likeliest text as a whole
    measure      how unexpected a text is, and how much of it is new
    experiments  what repetitions cost, and blanks at the end of a prompt
"""

from fmlib.llm.generation.beam import beam_search
from fmlib.llm.generation.decode import generate, may_look, next_logits, pad_left, stream
from fmlib.llm.generation.measure import distinct_ngrams, surprise
from fmlib.llm.generation.one_token import OneTokenStep
from fmlib.llm.generation.sampling import (
    Sampling,
    apply_temperature,
    min_p_filter,
    repetition_penalty,
    sample_token,
    top_k_filter,
    top_p_filter,
)

__all__ = [
    "OneTokenStep",
    "Sampling",
    "apply_temperature",
    "beam_search",
    "distinct_ngrams",
    "generate",
    "may_look",
    "min_p_filter",
    "next_logits",
    "pad_left",
    "repetition_penalty",
    "sample_token",
    "stream",
    "surprise",
    "top_k_filter",
    "top_p_filter",
]
