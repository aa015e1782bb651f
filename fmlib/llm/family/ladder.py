"""From GPT to LLaMA one change at a time: RMSNorm, then rotary positions, then SwiGLU, then grouped queries.

Each rung is the one below it with one part exchanged, at the same number of weights in its blocks; the first is our GPT
(without biases), the last our LLaMA. Every rung is trained as the lesson's models are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.llm.family.parts import GatedMLP, RMSNorm
from fmlib.llm.family.rotary import RotaryAttention
from fmlib.llm.family.training import Recipe, train
from fmlib.llm.gpt.decoder import Decoder
from fmlib.llm.gpt.experiments import load_letters
from fmlib.llm.gpt.measure import nats_per_token
from fmlib.nn.attention import Attention
from fmlib.nn.transformer import MLP, Block, gelu_tanh, reset_small
from fmlib.results.compare import Comparison

LADDER = ("gpt", "rms_norm", "rotary", "swiglu", "grouped")  # each rung has the changes of those before it


@dataclass(frozen=True)
class RungConfig:
    """Which changes a decoder has, and its sizes.

    Args:
        rung: a name of `LADDER`.
        recipe: the sizes.

    Raises:
        ValueError: an unknown rung.
    """

    rung: str
    recipe: Recipe

    def __post_init__(self) -> None:
        if self.rung not in LADDER:
            raise ValueError(f"rung is {self.rung!r}: expected one of {', '.join(LADDER)}")

    def has(self, change: str) -> bool:
        """Whether this rung stands on that one, or is it."""
        return LADDER.index(change) <= LADDER.index(self.rung)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return self.recipe.vocab_size

    @property
    def max_length(self) -> int:
        """Positions that it is trained for."""
        return self.recipe.max_length


class Rung(Decoder):
    """A decoder with some of LLaMA's parts in place of GPT's: tokens in, logits of each next token out.

    Args:
        config: which parts.

    Source: Radford et al. 2019 (GPT-2), section 2.3; Touvron et al. 2023 (LLaMA), section 2.2, for the changes.
    """

    def __init__(self, config: RungConfig) -> None:
        super().__init__()
        self.config, recipe = config, config.recipe
        dim, heads = recipe.dim, recipe.heads
        norm: Callable[[], nn.Module] = partial(nn.LayerNorm, dim, bias=False)
        attention: Callable[[], nn.Module] = partial(Attention, dim, heads, causal=True, bias=False)
        mlp: Callable[[], nn.Module] = partial(MLP, dim, activation=gelu_tanh, bias=False)
        if config.has("rms_norm"):
            norm = partial(RMSNorm, dim)
        if config.has("rotary"):
            attention = partial(RotaryAttention, dim, heads)
        if config.has("swiglu"):
            mlp = partial(GatedMLP, dim, round(8 * dim / 3))  # three matrices as large as two of 4 · dim
        if config.has("grouped"):
            attention = partial(RotaryAttention, dim, heads, heads // 2)
            mlp = partial(GatedMLP, dim, 3 * dim)  # what keys and values save goes into the MLP
        self.token_embedding = nn.Embedding(recipe.vocab_size, dim)
        self.position_embedding = None if config.has("rotary") else nn.Embedding(recipe.max_length, dim)
        self.blocks = nn.ModuleList(Block(attention(), mlp(), norm) for _ in range(recipe.layers))
        self.norm = norm()
        self.head = None
        reset_small(self, recipe.layers)

    def embed(
        self, tokens: Int64[Tensor, "batch length"], positions: Int64[Tensor, "rows length"]
    ) -> Float[Tensor, "batch length dim"]:
        """As GPT's, and from the rung of rotary positions on as LLaMA's."""
        x = self.token_embedding(tokens)
        return x if self.position_embedding is None else x + self.position_embedding(positions)


def make_rung(rung: str, recipe: Recipe, seed: int) -> Rung:
    """A rung of the ladder with the weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Rung(RungConfig(rung, recipe))


def held_out_bits(model: nn.Module, recipe: Recipe) -> float:
    """Bits per character on the test plays, for a model that reads from left to right.

    The plays are cut into pieces of max_length + 1 letters; each is seen with what stands before it in its piece.

    Args:
        model: GPT, LLaMA or a rung.
        recipe: says how long the pieces are.
    """
    return nats_per_token(model, load_letters().test, recipe.max_length + 1) / math.log(2)


def ladder_row(rung: str, seed: int, recipe: Recipe | None = None) -> dict[str, float]:
    """Train a rung and measure it: one row of the comparison."""
    recipe = recipe or Recipe.short()
    model = make_rung(rung, recipe, seed)
    kind = "llama" if rung == LADDER[-1] else "gpt"
    train(model, kind, recipe, load_letters(), seed, progress=False)
    return {f"ladder_{rung}": held_out_bits(model, recipe)}


COMPARISON = Comparison(
    version=2,
    prefix="llm/family",
    rows={rung: (lambda seed, rung=rung: ladder_row(rung, seed)) for rung in LADDER},
    unit="bits",
    measured="bits per character of the test plays",
)
