"""LLaMA: a GPT with RMSNorm, rotary positions, SwiGLU and grouped queries, and without biases."""

import os
from dataclasses import dataclass
from functools import partial

from torch import nn

from fmlib.checks import check_number, check_sizes
from fmlib.llm.family.llama_checkpoint import read_llama
from fmlib.llm.family.parts import GatedMLP, RMSNorm
from fmlib.llm.family.rotary import RotaryAttention
from fmlib.llm.gpt.decoder import Decoder
from fmlib.nn.transformer import Block, reset_small
from fmlib.pretrained import load_published


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a LLaMA.

    Args:
        vocab_size: how many tokens there are.
        max_length: positions that it is trained for. Rotary positions have no table that ends, yet quality does.
        layers, heads, dim: blocks, query heads in each, features of the residual stream.
        key_heads: heads of keys and values; divides heads, heads itself by default.
        hidden_dim: of the MLP; by default 8/3 · dim, rounded up to a multiple of 8.
        theta: of the rotary positions.
        eps: of the norms.
        tied: whether the output matrix is the token embedding, as in small models.

    Raises:
        ValueError: a size that is no positive whole number, heads that do not divide dim into heads of an even size, key
            heads that do not divide heads, theta or eps that is not positive.
    """

    vocab_size: int
    max_length: int = 256
    layers: int = 4
    heads: int = 4
    dim: int = 128
    key_heads: int | None = None
    hidden_dim: int | None = None
    theta: float = 10_000.0
    eps: float = 1e-5
    tied: bool = False

    def __post_init__(self) -> None:
        if self.key_heads is None:
            object.__setattr__(self, "key_heads", self.heads)
        if self.hidden_dim is None and isinstance(self.dim, int):
            object.__setattr__(self, "hidden_dim", -(-self.dim // 3) * 8)
        check_sizes(self, "vocab_size", "max_length", "layers", "heads", "dim", "key_heads", "hidden_dim")
        if self.dim % (2 * self.heads):
            raise ValueError(
                f"dim is {self.dim} and heads is {self.heads}: expected heads of an even number of features"
            )
        if self.heads % self.key_heads:
            raise ValueError(
                f"heads is {self.heads} and key_heads is {self.key_heads}: expected key_heads that divide heads"
            )
        check_number("theta", self.theta, above=0)
        check_number("eps", self.eps, above=0)

    @classmethod
    def tiny(cls, vocab_size: int = 64) -> "LlamaConfig":
        """For tests: milliseconds."""
        return cls(vocab_size=vocab_size, max_length=16, layers=2, heads=4, key_heads=2, dim=16)

    @classmethod
    def llama_7b(cls) -> "LlamaConfig":
        """LLaMA 7B, 6,738,415,616 parameters (Touvron et al. 2023, table 2, says 6.7 B)."""
        return cls(32_000, max_length=2048, layers=32, heads=32, dim=4096, hidden_dim=11_008, eps=1e-6)

    @classmethod
    def smollm2_135m(cls) -> "LlamaConfig":
        """SmolLM2 135M, 134,515,008 parameters: deep, narrow, and with the embedding used twice."""
        sizes = {"max_length": 8192, "layers": 30, "heads": 9, "dim": 576, "key_heads": 3, "hidden_dim": 1536}
        return cls(49_152, **sizes, theta=100_000.0, tied=True)


class Llama(Decoder):
    """Tokens in, for each position the logits of the token that follows.

    Args:
        config: the sizes.

    Source: Touvron et al. 2023, "LLaMA: Open and Efficient Foundation Language Models", section 2.2; grouped queries as in
    Llama 2 (Touvron et al. 2023), section 2.2.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        norm = partial(RMSNorm, config.dim, config.eps)
        self.token_embedding = nn.Embedding(config.vocab_size, config.dim)
        self.blocks = nn.ModuleList(
            Block(
                RotaryAttention(config.dim, config.heads, config.key_heads, theta=config.theta),
                GatedMLP(config.dim, config.hidden_dim),
                norm,
            )
            for _ in range(config.layers)
        )
        self.norm = norm()
        self.head = None if config.tied else nn.Linear(config.dim, config.vocab_size, bias=False)
        reset_small(self, config.layers)  # as our GPT; the paper does not say how it begins


def load_llama(source: str | os.PathLike = "HuggingFaceTB/SmolLM2-135M") -> Llama:
    """A published LLaMA, or a model of its kind such as SmolLM2, in our code.

    Args:
        source: a checkpoint folder in transformers' layout, or a name on the Hugging Face hub. The default is 0.3 GB.

    Returns:
        The model in evaluation mode, in float32.

    Raises:
        CheckpointError: not found, not whole, not a LLaMA as this one, or tensors that do not fit.
    """
    return load_published(source, read_llama, LlamaConfig, Llama)
