"""BERT: a stack of blocks that look both ways, and say at every position which token belongs there."""

import os
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor, nn

from fmlib.checks import LONG, as_mask, check_dropout, check_heads, check_range, check_sizes, check_tensors
from fmlib.llm.family.bert_checkpoint import read_bert
from fmlib.llm.gpt.next_token import check_tokens
from fmlib.nn.attention import Attention
from fmlib.nn.transformer import MLP, Block
from fmlib.pretrained import load_published

EPS = 1e-12  # of BERT's norms; torch's default, 1e-5, is enough to spoil a comparison


@dataclass(frozen=True)
class BertConfig:
    """Sizes of a BERT.

    Args:
        vocab_size: how many tokens there are.
        max_length: positions that the model knows: the most tokens it can see at once.
        layers, heads, dim: blocks, attention heads in each, features of the residual stream.
        hidden_dim: of the MLP; 4 · dim by default.
        types: kinds of segments; BERT reads two sentences side by side, and each token says which it is in.
        dropout: of embeddings, attention weights and each part's output, in training.

    Raises:
        ValueError: a size that is no positive whole number, heads that do not divide dim, or a dropout outside [0, 1).
    """

    vocab_size: int
    max_length: int = 256
    layers: int = 4
    heads: int = 4
    dim: int = 128
    hidden_dim: int | None = None
    types: int = 2
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.hidden_dim is None and isinstance(self.dim, int):
            object.__setattr__(self, "hidden_dim", 4 * self.dim)
        check_sizes(self, "vocab_size", "max_length", "layers", "heads", "dim", "hidden_dim", "types")
        check_heads(self.dim, self.heads)
        check_dropout(self.dropout)

    @classmethod
    def tiny(cls, vocab_size: int = 64) -> "BertConfig":
        """For tests: milliseconds."""
        return cls(vocab_size=vocab_size, max_length=16, layers=2, heads=2, dim=16)

    @classmethod
    def bert_base(cls) -> "BertConfig":
        """BERT base, uncased: 109,514,298 parameters with the head (Devlin et al. 2019, section 3, says 110 M)."""
        return cls(vocab_size=30_522, max_length=512, layers=12, heads=12, dim=768, dropout=0.1)


class MaskedHead(nn.Module):
    """From the residual stream to logits: one more layer, then a comparison with each token's embedding.

    Args:
        dim: features.
        vocab_size: how many tokens there are.

    Source: Devlin et al. 2019, its released code, `get_masked_lm_output`; the paper does not mention the layer.
    """

    def __init__(self, dim: int, vocab_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(
        self, hidden: Float[Tensor, "*positions dim"], embedding: Float[Tensor, "vocab dim"]
    ) -> Float[Tensor, "*positions vocab"]:
        """Logits of every token."""
        return F.linear(self.norm(F.gelu(self.dense(hidden))), embedding, self.bias)


class Bert(nn.Module):
    """Tokens in, for each position the logits of the token that belongs there.

    Args:
        config: the sizes.

    Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", section 3.
    Differs from the paper: no prediction of the next sentence, which later work found to bring nothing (Liu et al. 2019,
    "RoBERTa", section 4.2).
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        norm = partial(nn.LayerNorm, config.dim, eps=EPS)
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.position_embedding = nn.Embedding(config.max_length, config.dim)
        self.type_embedding = nn.Embedding(config.types, config.dim)
        self.embedding_norm = norm()
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(
                Attention(config.dim, config.heads, dropout=config.dropout),
                MLP(config.dim, config.hidden_dim),
                norm,
                pre_norm=False,
                dropout=config.dropout,
            )
            for _ in range(config.layers)
        )
        self.head = MaskedHead(config.dim, config.vocab_size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Small random matrices of standard deviation 0.02, no biases, norms that change nothing.

        Source: Devlin et al. 2019, its released code, `initializer_range`.
        """
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.trunc_normal_(weight, std=0.02, a=-0.04, b=0.04)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)
            else:
                nn.init.ones_(weight)

    def hidden(
        self,
        tokens: Int64[Tensor, "batch length"],
        *,
        mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
        types: Int64[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch length dim"]:
        """What the last block says about each token: features for other tasks. Arguments as in `forward`."""
        check_tokens(tokens, self.config.vocab_size, self.config.max_length)
        text = ("tokens", tokens, LONG, "batch length")
        if mask is not None:
            mask = as_mask("mask", mask, "batch length", text)
        if types is None:
            types = torch.zeros_like(tokens)
        check_tensors(text, ("types", types, LONG, "batch length"))
        check_range("types", types, 0, self.config.types - 1)
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.token_embedding(tokens) + self.position_embedding(positions) + self.type_embedding(types)
        x = self.dropout(self.embedding_norm(x))
        looks = None if mask is None else mask[:, None, None, :]  # [batch, 1, 1, length]
        for block in self.blocks:
            x = block(x, mask=looks)
        return x

    def forward(
        self,
        tokens: Int64[Tensor, "batch length"],
        *,
        mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
        types: Int64[Tensor, "batch length"] | None = None,
    ) -> Float[Tensor, "batch length vocab"]:
        """Logits of the token that belongs to each position.

        Args:
            tokens: [batch, length].
            mask: False or 0 where a row is padded (on the right: positions are counted from the left); nobody looks there.
            types: which segment each token is in, 0 by default.

        Raises:
            TypeError: tokens or types are no tensor of torch.long, or the mask is neither torch.bool nor whole numbers.
            ValueError: not [batch, length], more than max_length positions, a mask or types of another shape; on a CPU also
                tokens or types that the model does not know, or a mask of other numbers than 0 and 1.
        """
        return self.logits(self.hidden(tokens, mask=mask, types=types))

    def logits(self, hidden: Float[Tensor, "*positions dim"]) -> Float[Tensor, "*positions vocab"]:
        """From `hidden`, of all positions or only of those that are asked for, which is cheaper."""
        return self.head(hidden, self.token_embedding.weight)


def load_bert(source: str | os.PathLike = "google-bert/bert-base-uncased") -> Bert:
    """The published BERT in our code.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        The model in evaluation mode, in float32.

    Raises:
        CheckpointError: not found, not whole, not a BERT with its head for masked tokens, or tensors that do not fit.
    """
    return load_published(source, read_bert, BertConfig, Bert)
