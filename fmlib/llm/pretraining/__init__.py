"""Pretraining: what a GPT learns from a text, what counting and compressing achieve, and how loss falls with size.

In reading order:

    training     a run and all that it depends on
    ngrams       counting as a language model
    compressors  compressors as language models
    scaling      scaling laws
    streaming    texts larger than memory
    corpus       what a run from the command line reads
    throughput   tokens a second, and the share of the device that is used
    experiments  the rows that `make compare WHAT=pretraining` computes
"""

from fmlib.llm.pretraining.compressors import pack_all
from fmlib.llm.pretraining.ngrams import NGram, discounted_probabilities
from fmlib.llm.pretraining.scaling import (
    Forecast,
    Law,
    ScalingFit,
    fit_power_law,
    fit_with_uncertainty,
    power_law_by_line,
    ruler,
    scaling_recipes,
)
from fmlib.llm.pretraining.streaming import TokenFile, open_tokens, write_tokens
from fmlib.llm.pretraining.throughput import Meter, model_flops_utilization, peak_flops
from fmlib.llm.pretraining.training import (
    Recipe,
    bits_from_perplexity,
    inputs_and_targets,
    make_gpt,
    make_optimizer,
    shakespeare_tokens,
    surprise_of_text,
    text_bits_per_character,
    train_gpt,
)

__all__ = [
    "Forecast",
    "Law",
    "Meter",
    "NGram",
    "Recipe",
    "ScalingFit",
    "TokenFile",
    "bits_from_perplexity",
    "discounted_probabilities",
    "fit_power_law",
    "fit_with_uncertainty",
    "inputs_and_targets",
    "make_gpt",
    "make_optimizer",
    "model_flops_utilization",
    "open_tokens",
    "pack_all",
    "peak_flops",
    "power_law_by_line",
    "ruler",
    "scaling_recipes",
    "shakespeare_tokens",
    "surprise_of_text",
    "text_bits_per_character",
    "train_gpt",
    "write_tokens",
]
