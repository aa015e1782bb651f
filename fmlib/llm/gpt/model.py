"""GPT: a stack of causal blocks that says at every position which token comes next."""

import os
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import as_mask
from fmlib.llm.gpt.checkpoint import read_gpt2
from fmlib.llm.gpt.config import GPTConfig, count_parameters, flops_per_token, parameter_count
from fmlib.llm.gpt.cross_entropy import IGNORED
from fmlib.llm.gpt.next_token import check_tokens, next_token_loss
from fmlib.nn.attention import Attention
from fmlib.nn.kv_cache import KVCache, tokens_seen
from fmlib.nn.transformer import MLP, Block, gelu_tanh, reset_small
from fmlib.pretrained import build_model, checked_config

__all__ = [
    "GPT",
    "IGNORED",
    "GPTConfig",
    "check_tokens",
    "count_parameters",
    "flops_per_token",
    "load_gpt2",
    "next_token_loss",
    "parameter_count",
]


class GPT(nn.Module):
    """Tokens in, for each position the logits of the token that follows.

    Args:
        config: the sizes.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        norm = partial(nn.LayerNorm, config.dim, bias=config.bias)
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_length, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(
                Attention(config.dim, config.heads, causal=True, bias=config.bias, dropout=config.dropout),
                MLP(config.dim, activation=gelu_tanh, bias=config.bias),
                norm,
                dropout=config.dropout,
            )
            for _ in range(config.layers)
        )
        self.norm = norm()
        reset_small(self, config.layers)

    def hidden(
        self,
        tokens: Int64[Tensor, "batch length"],
        *,
        cache: list[KVCache] | None = None,
        mask: Tensor | None = None,
        positions: Int64[Tensor, "rows length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """The residual stream behind the last norm, before it is turned into logits."""
        past = tokens_seen(cache, len(self.blocks))
        check_tokens(tokens, self.config.vocab_size, self.config.max_length, past, positions)
        if mask is not None:
            mask = as_mask("mask", mask, "...")
        if positions is None:
            positions = torch.arange(past, past + tokens.shape[1], device=tokens.device)[None]
        x = self.dropout(self.token_embedding(tokens) + self.position_embedding(positions))
        for i, block in enumerate(self.blocks):
            x = block(x, mask=mask, cache=cache[i] if cache is not None else None)
        return self.norm(x)

    def forward(
        self,
        tokens: Int64[Tensor, "batch length"],
        *,
        cache: list[KVCache] | None = None,
        mask: Tensor | None = None,
        positions: Int64[Tensor, "rows length"] | None = None,
    ) -> Float[Tensor, "batch length vocab"]:
        """Logits of the next token at every position.

        Args:
            tokens: [batch, length].
            cache: from `make_cache`; tokens then continue what was seen before.
            mask: True where a query may look, broadcast to [batch, heads, queries, keys]; needed where rows are padded.
            positions: where each token stands, [batch or 1, length]; counted on from the cache by default.

        Raises:
            TypeError: tokens are no tensor of torch.long.
            ValueError: not [batch, length], tokens outside the vocabulary, more than max_length positions, a cache of
                another model.
        """
        return self.logits(self.hidden(tokens, cache=cache, mask=mask, positions=positions))

    def logits(self, hidden: Float[Tensor, "*positions dim"]) -> Float[Tensor, "*positions vocab"]:
        """Compare with each token's embedding: input and output share one matrix (Press & Wolf 2017)."""
        return F.linear(hidden, self.token_embedding.weight)

    def make_cache(self, batch: int, max_length: int | None = None) -> list[KVCache]:
        """An empty cache for every block.

        Args:
            batch: rows.
            max_length: positions that there is room for; by default all that the model knows.
        """
        max_length = self.config.max_length if max_length is None else max_length
        return [block.attention.make_cache(batch, max_length) for block in self.blocks]


def load_gpt2(source: str | os.PathLike = "openai-community/gpt2") -> GPT:
    """The published GPT-2 in our code.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        The model in evaluation mode, in float32.

    Raises:
        CheckpointError: not found, not whole, not a GPT-2, or tensors that do not fit.
    """
    sizes, tensors = read_gpt2(source)
    return build_model(source, GPT, checked_config(source, GPTConfig, sizes), tensors)
