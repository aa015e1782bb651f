"""The transformer as a language model: GPT, its loss, and what each of its parts does.

In reading order:

    config         the sizes, and what they cost
    model          the model
    diagrams       attention, the block and the model, drawn
    next_token     its loss, and what it refuses to read
    cross_entropy  that loss without copies of the logits
    measure        the loss on a whole text
    checkpoint     how GPT-2's published weights are laid out
    counting       tables of pairs and triples, to compare its predictions with
    experiments    the lesson: a small GPT, whole and with one part changed
"""

from fmlib.llm.gpt.config import GPTConfig, count_parameters, flops_per_token, parameter_count
from fmlib.llm.gpt.cross_entropy import IGNORED, mean_cross_entropy
from fmlib.llm.gpt.measure import nats_per_token
from fmlib.llm.gpt.model import GPT, load_gpt2
from fmlib.llm.gpt.next_token import check_tokens, next_token_loss

__all__ = [
    "GPT",
    "IGNORED",
    "GPTConfig",
    "check_tokens",
    "count_parameters",
    "flops_per_token",
    "load_gpt2",
    "mean_cross_entropy",
    "nats_per_token",
    "next_token_loss",
    "parameter_count",
]
