"""GPT: a stack of causal blocks that says at every position which token comes next."""

import os
from functools import partial

from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.llm.gpt.checkpoint import read_gpt2
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.decoder import Decoder
from fmlib.nn.attention import Attention
from fmlib.nn.transformer import MLP, Block, gelu_tanh, reset_small
from fmlib.pretrained import load_published


class GPT(Decoder):
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
        self.head = None  # the token embedding turns the stream into logits, too
        reset_small(self, config.layers)

    def embed(
        self, tokens: Int64[Tensor, "batch length"], positions: Int64[Tensor, "rows length"]
    ) -> Float[Tensor, "batch length dim"]:
        """Each token's embedding, and that of the place where it stands."""
        return self.dropout(self.token_embedding(tokens) + self.position_embedding(positions))


def load_gpt2(source: str | os.PathLike = "openai-community/gpt2") -> GPT:
    """The published GPT-2 in our code.

    Args:
        source: a checkpoint folder, or a name on the Hugging Face hub.

    Returns:
        The model in evaluation mode, in float32.

    Raises:
        CheckpointError: not found, not whole, not a GPT-2, or tensors that do not fit.
    """
    return load_published(source, read_gpt2, GPTConfig, GPT)
