"""T5: an encoder that reads a text, and a decoder that looks at it while it writes another."""

import copy
import os
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor, nn

from fmlib.checks import FLOAT, LONG, as_mask, check_tensors, check_whole
from fmlib.evaluate import evaluating
from fmlib.llm.family.parts import GatedMLP, RMSNorm
from fmlib.llm.family.relative_bias import RelativeBias
from fmlib.llm.family.t5_checkpoint import read_t5
from fmlib.llm.family.t5_config import T5Config
from fmlib.llm.gpt.cross_entropy import IGNORED
from fmlib.llm.gpt.decoder import make_cache, run_blocks
from fmlib.llm.gpt.next_token import check_tokens
from fmlib.nn.attention import Attention
from fmlib.nn.kv_cache import KVCache, tokens_seen
from fmlib.nn.transformer import MLP, Block, gelu_tanh
from fmlib.pretrained import load_published

START = 0  # what the decoder reads first: T5 takes the padding token


class T5(nn.Module):
    """A text in, and the beginning of another; for each position of that the logits of its next token.

    Args:
        config: the sizes.

    Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
    section 2.1.
    Differs from the paper: no dropout inside of the MLP, between its two matrices.
    """

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.config = config
        norm = partial(RMSNorm, config.dim, config.eps)
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.encoder_bias, self.decoder_bias = (
            RelativeBias(config.heads, config.buckets, config.max_distance, both_ways=both_ways)
            for both_ways in (True, False)
        )
        self.encoder = nn.ModuleList(_block(config, norm, decodes=False) for _ in range(config.layers))
        self.decoder = nn.ModuleList(_block(config, norm, decodes=True) for _ in range(config.decoder_layers))
        self.encoder_norm, self.decoder_norm = norm(), norm()
        self.dropout = nn.Dropout(config.dropout)
        self.head = None if config.tied else nn.Linear(config.dim, config.vocab_size, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Random weights so that logits of attention, which nothing scales, begin with variance 1.

        Source: the code of Raffel et al. 2020, as in transformers.
        Differs from it: an output matrix of its own begins with dim^-0.5; 1 would begin with sure and wrong answers.
        """
        dim = self.config.dim
        nn.init.normal_(self.token_embedding.weight, std=1.0)
        if self.head is not None:
            nn.init.normal_(self.head.weight, std=dim**-0.5)
        for bias in (self.encoder_bias, self.decoder_bias):
            nn.init.normal_(bias.table.weight, std=dim**-0.5)
        for module in self.modules():
            if isinstance(module, Attention):
                nn.init.normal_(module.query.weight, std=(dim * module.head_dim) ** -0.5)
                for part in (module.key, module.value, module.output):
                    nn.init.normal_(part.weight, std=part.in_features**-0.5)
            elif isinstance(module, (MLP, GatedMLP)):
                for part in module.children():
                    nn.init.normal_(part.weight, std=part.in_features**-0.5)
            elif isinstance(module, RMSNorm):
                nn.init.ones_(module.weight)

    def encode(
        self,
        tokens: Int64[Tensor, "batch length"],
        mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """Read a text; each token looks at all of it.

        Args:
            tokens: [batch, length].
            mask: False or 0 where a row is padded, on whichever side.

        Raises:
            TypeError: tokens are no tensor of torch.long, or the mask is neither torch.bool nor whole numbers.
            ValueError: not [batch, length], more than max_length, a mask of another shape; on a CPU also tokens outside the
                vocabulary.
        """
        check_tokens(tokens, self.config.vocab_size, self.config.max_length)
        if mask is not None:
            mask = as_mask("mask", mask, "batch length", ("tokens", tokens, LONG, "batch length"))
        bias = self.encoder_bias(tokens.shape[1], tokens.shape[1])
        if mask is not None:
            bias = bias.masked_fill(~mask[:, None, None, :], float("-inf"))
        x = run_blocks(self.encoder, self.dropout(self.token_embedding(tokens)), mask=bias)
        return self.dropout(self.encoder_norm(x))

    def decode(
        self,
        tokens: Int64[Tensor, "batch length"],
        context: Float[Tensor, "batch context_length dim"],
        *,
        context_mask: Bool[Tensor, "batch context_length"]
        | Integer[Tensor, "batch context_length"]
        | None = None,
        mask: Tensor | None = None,
        cache: list[KVCache] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """The decoder's residual stream behind its last norm, before it is turned into logits.

        Args:
            tokens: what is written so far, [batch, length], beginning with the start token.
            context: from `encode`.
            context_mask: False where the context is padded.
            mask: True where a query may look, broadcast to [batch, heads, queries, keys]; needed for padding on the left
                only, since nobody looks to the right.
            cache: from `make_cache`; tokens then continue what was seen before.

        Raises:
            TypeError, ValueError: as `encode`; also a cache of another model.
        """
        past = tokens_seen(cache, len(self.decoder))
        check_tokens(tokens, self.config.vocab_size, self.config.max_length, past)
        read = ("context", context, FLOAT, f"batch length {self.config.dim}")
        check_tensors(("tokens", tokens, LONG, "batch written"), read)
        bias = self.decoder_bias(tokens.shape[1], past + tokens.shape[1])
        if mask is not None:
            bias = bias.masked_fill(~as_mask("mask", mask, "..."), float("-inf"))
        if context_mask is not None:
            context_mask = as_mask("context_mask", context_mask, "batch length", read)
        seen = None if context_mask is None else context_mask[:, None, None, :]
        x = self.dropout(self.token_embedding(tokens))
        x = run_blocks(self.decoder, x, context, cache=cache, mask=bias, context_mask=seen)
        return self.dropout(self.decoder_norm(x))

    def forward(
        self,
        tokens: Int64[Tensor, "batch length"],
        written: Int64[Tensor, "batch written_length"],
        *,
        mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch written_length vocab"]:
        """Logits of what comes next in the text that is written.

        Args:
            tokens: the text to read, [batch, length].
            written: the beginning of the other text; in training the whole of it, from `shift_right`.
            mask: False where a row of the tokens is padded.

        Raises:
            TypeError, ValueError: see `encode` and `decode`.
        """
        return self.logits(self.decode(written, self.encode(tokens, mask), context_mask=mask))

    def logits(self, hidden: Float[Tensor, "*positions dim"]) -> Float[Tensor, "*positions vocab"]:
        """Compare with the embeddings, of which each feature has variance 1: hence the scale; or with an own matrix."""
        if self.head is not None:
            return self.head(hidden)
        return F.linear(hidden * self.config.dim**-0.5, self.token_embedding.weight)

    def make_cache(self, batch: int, max_length: int | None = None) -> list[KVCache]:
        """An empty cache for what every block of the decoder has written.

        Args:
            batch: rows.
            max_length: positions that there is room for; by default the config's.
        """
        return make_cache(self.decoder, batch, self.config.max_length if max_length is None else max_length)


class Writer(nn.Module):
    """A T5 that has read something: now it is a language model as any other, and `generate` lets it write.

    Args:
        model: the T5.
        tokens: what it reads, [batch, length]; a single row serves any number of rows that are written. Of several rows, row
            i is for row i of what is written.
        mask: False or 0 where a row is padded.

    Raises:
        TypeError, ValueError: see `T5.encode`.

    Example:
        >>> model = T5(T5Config.tiny()).eval()
        >>> writer = Writer(model, torch.tensor([[5, 6, 7]]))
        >>> writer.hidden(torch.tensor([[START]])).shape
        torch.Size([1, 1, 16])
    """

    def __init__(
        self,
        model: T5,
        tokens: Int64[Tensor, "batch length"],
        mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.mask, self.config = model, mask, model.config
        self.logits, self.make_cache = model.logits, model.make_cache
        with torch.no_grad(), evaluating(model):
            self.context = model.encode(tokens, mask)

    def hidden(
        self,
        tokens: Int64[Tensor, "batch length"],
        *,
        cache: list[KVCache] | None = None,
        mask: Tensor | None = None,
        positions: Int64[Tensor, "rows length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """As of any language model. The positions are not needed: only distances matter.

        Raises:
            ValueError: several texts were read, and another number of rows is written.
        """
        rows = len(tokens)
        self._check_rows(rows)
        context = self.context.expand(rows, -1, -1)
        seen = None if self.mask is None else self.mask.expand(rows, -1)
        return self.model.decode(tokens, context, context_mask=seen, mask=mask, cache=cache)

    def for_rows(self, rows: int) -> list["Writer"]:
        """A writer for each of so many rows, which has read that row's text alone: beam search writes each row many times.

        Raises:
            ValueError: several texts were read, and another number of rows is asked for.
        """
        self._check_rows(rows)
        if len(self.context) == 1:
            return [self] * rows
        writers = [copy.copy(self) for _ in range(rows)]
        for i, writer in enumerate(writers):
            writer.context = self.context[i : i + 1]
            writer.mask = None if self.mask is None else self.mask[i : i + 1]
        return writers

    def _check_rows(self, rows: int) -> None:
        if len(self.context) not in (1, rows):
            raise ValueError(
                f"tokens have {rows} rows and the writer has read {len(self.context)} texts: expected as many, or one text"
            )


def shift_right(targets: Int64[Tensor, "batch length"], start: int = START) -> Int64[Tensor, "batch length"]:
    """What the decoder reads while it learns to write the targets: the start token, then all but the last target.

    Args:
        targets: [batch, length]; those of -100, which don't count, are read as the start token.
        start: the token that the decoder begins with.

    Raises:
        TypeError, ValueError: targets that are not torch.long [batch, length], a start that is no token.

    Source: Raffel et al. 2020, its released code.
    """
    check_tensors(("targets", targets, LONG, "batch length"))
    check_whole("start", start, least=0)
    read = F.pad(targets[:, :-1], (1, 0), value=start)
    return read.masked_fill(read == IGNORED, start)


def load_t5(source: str | os.PathLike = "google-t5/t5-small") -> T5:
    """A published T5, of version 1.0 or 1.1 (also the instruction-tuned FLAN-T5), in our code.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        The model in evaluation mode, in float32.

    Raises:
        CheckpointError: not found, not whole, not a T5 as Google's, or tensors that do not fit.
    """
    return load_published(source, read_t5, T5Config, T5)


def _block(config: T5Config, norm: partial, *, decodes: bool) -> Block:
    sizes = {"head_dim": config.head_dim, "bias": False, "scale": 1.0, "dropout": config.dropout}
    attention = partial(Attention, config.dim, config.heads, **sizes)
    if config.gated:
        mlp = GatedMLP(config.dim, config.hidden_dim, gelu_tanh)
    else:
        mlp = MLP(config.dim, config.hidden_dim, F.relu, bias=False)
    cross = attention() if decodes else None
    return Block(attention(causal=decodes), mlp, norm, cross=cross, dropout=config.dropout)
