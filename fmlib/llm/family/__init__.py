"""The family: what LLaMA, BERT and T5 change in the GPT, and what each is for.

In reading order:

    parts            RMSNorm and the MLP with a gate
    norm_times       what a norm takes
    rotary           positions as angles, and heads that share keys
    llama            LLaMA
    ladder           from GPT to LLaMA one change at a time
    masking          hide some tokens, ask for them
    bert             BERT
    relative_bias    T5's positions
    span_corruption  T5's task
    t5               T5, encoder and decoder
    targets          the loss where every position has a target of its own
    diagrams         all four, drawn
    training         all four at one budget
    blanks           one question for all four
    bert_checkpoint  `llama_checkpoint`, `t5_checkpoint`, `gguf_checkpoint`: how published weights are laid out
"""

from fmlib.llm.family.bert import Bert, BertConfig, load_bert
from fmlib.llm.family.blanks import make_blanks
from fmlib.llm.family.gguf_checkpoint import load_llama_gguf
from fmlib.llm.family.ladder import LADDER, make_rung
from fmlib.llm.family.llama import Llama, LlamaConfig, load_llama
from fmlib.llm.family.masking import hide_tokens, mask_tokens
from fmlib.llm.family.parts import GatedMLP, RMSNorm, rms_norm
from fmlib.llm.family.relative_bias import RelativeBias, distance_buckets
from fmlib.llm.family.rotary import RotaryAttention, repeat_heads
from fmlib.llm.family.span_corruption import corrupt_spans
from fmlib.llm.family.t5 import T5, Writer, load_t5, shift_right
from fmlib.llm.family.t5_config import T5Config
from fmlib.llm.family.targets import target_loss
from fmlib.llm.family.training import (
    KINDS,
    Recipe,
    flops_per_step,
    make_batches,
    make_loss,
    make_model,
    train,
)

__all__ = [
    "KINDS",
    "LADDER",
    "T5",
    "Bert",
    "BertConfig",
    "GatedMLP",
    "Llama",
    "LlamaConfig",
    "RMSNorm",
    "Recipe",
    "RelativeBias",
    "RotaryAttention",
    "T5Config",
    "Writer",
    "corrupt_spans",
    "distance_buckets",
    "flops_per_step",
    "hide_tokens",
    "load_bert",
    "load_llama",
    "load_llama_gguf",
    "load_t5",
    "make_batches",
    "make_blanks",
    "make_loss",
    "make_model",
    "make_rung",
    "mask_tokens",
    "repeat_heads",
    "rms_norm",
    "shift_right",
    "target_loss",
    "train",
]
