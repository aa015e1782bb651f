"""What every language model that reads from left to right is made of: tokens in, blocks, logits out, and a cache.

GPT, LLaMA and what lies between them are `Decoder`s; T5's decoder, which also looks at another text, uses its parts.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import as_mask
from fmlib.llm.gpt.next_token import check_tokens
from fmlib.nn.kv_cache import KVCache, tokens_seen
from fmlib.nn.transformer import Block


def run_blocks(
    blocks: Iterable[Block],
    x: Float[Tensor, "batch length dim"],
    context: Tensor | None = None,
    *,
    cache: list[KVCache] | None = None,
    **inputs: Tensor | None,
) -> Float[Tensor, "batch length dim"]:
    """The residual stream through one block after the other, each with its own cache.

    Args:
        blocks: of one model.
        x: [batch, length, dim].
        context: what cross-attention looks at, the same for all blocks.
        cache: one `KVCache` a block.
        inputs: what each block is told besides: mask, context_mask, positions; see `Block.forward`.
    """
    for i, block in enumerate(blocks):
        x = block(x, context, cache=None if cache is None else cache[i], **inputs)
    return x


def make_cache(blocks: Iterable[Block], batch: int, max_length: int) -> list[KVCache]:
    """An empty cache for every block.

    Args:
        blocks: of one model.
        batch: rows.
        max_length: positions that there is room for.
    """
    return [block.attention.make_cache(batch, max_length) for block in blocks]


class Decoder(nn.Module):
    """A language model that looks to the left only: at every position it says which token comes next.

    A model of this kind sets `config` (with `vocab_size` and `max_length`), `token_embedding`, `blocks`, `norm`, and
    `head`: its output matrix, or None where the token embedding is that, too. What it makes of tokens before the first
    block is `embed`.
    """

    token_embedding: nn.Embedding
    blocks: nn.ModuleList
    norm: nn.Module
    head: nn.Linear | None

    def embed(
        self, tokens: Int64[Tensor, "batch length"], positions: Int64[Tensor, "rows length"]
    ) -> Float[Tensor, "batch length dim"]:
        """What goes into the first block; here tokens alone, for models that bring positions into every attention.

        Args:
            tokens: [batch, length].
            positions: where each token stands, [batch or 1, length].
        """
        return self.token_embedding(tokens)

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
        x = self.embed(tokens, positions)
        return self.norm(run_blocks(self.blocks, x, cache=cache, mask=mask, positions=positions))

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
        """Compare with each token's row of the output matrix: the embedding itself (Press & Wolf 2017), or an own one.

        An own one is called as a module, so that what is hooked to it or put in its place counts.
        """
        return F.linear(hidden, self.token_embedding.weight) if self.head is None else self.head(hidden)

    def make_cache(self, batch: int, max_length: int | None = None) -> list[KVCache]:
        """An empty cache for every block.

        Args:
            batch: rows.
            max_length: positions that there is room for; by default all that the model knows.
        """
        return make_cache(self.blocks, batch, self.config.max_length if max_length is None else max_length)
