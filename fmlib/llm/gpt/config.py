"""The sizes of a GPT, and what they cost: parameters and operations."""

from dataclasses import dataclass

from torch import nn

from fmlib.checks import check_dropout, check_heads, check_sizes


@dataclass(frozen=True)
class GPTConfig:
    """Sizes of a GPT.

    Args:
        vocab_size: how many tokens there are.
        max_length: positions that the model knows: the most tokens it can see at once.
        layers, heads, dim: blocks, attention heads in each, features of the residual stream.
        dropout: of embeddings, attention weights and each part's output, in training.
        bias: of linear layers and norms; GPT-2 has it.

    Raises:
        ValueError: a size that is no positive whole number, heads that do not divide dim, or a dropout outside [0, 1).
    """

    vocab_size: int
    max_length: int = 256
    layers: int = 4
    heads: int = 4
    dim: int = 128
    dropout: float = 0.0
    bias: bool = True

    def __post_init__(self) -> None:
        check_sizes(self, "vocab_size", "max_length", "layers", "heads", "dim")
        check_heads(self.dim, self.heads)
        check_dropout(self.dropout)

    @classmethod
    def tiny(cls, vocab_size: int = 64) -> "GPTConfig":
        """For tests: milliseconds."""
        return cls(vocab_size=vocab_size, max_length=16, layers=2, heads=2, dim=16)

    @classmethod
    def gpt2(cls) -> "GPTConfig":
        """GPT-2 small, 124,439,808 parameters (Radford et al. 2019, table 2, counts them as 117 M)."""
        return cls(vocab_size=50257, max_length=1024, layers=12, heads=12, dim=768, dropout=0.1)


def parameter_count(model: nn.Module) -> int:
    """How many numbers are learned; a matrix that is used twice counts once."""
    return sum(p.numel() for p in model.parameters())


def count_parameters(config: GPTConfig) -> int:
    """How many parameters a GPT of these sizes has, without building it.

    A block has four matrices of attention, dim x dim each, and two of the MLP, dim x 4·dim each: 12 · dim² together. The
    output matrix is the token embedding, so it counts once.

    Args:
        config: the sizes.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3 and table 2.
    """
    dim, bias = config.dim, int(config.bias)
    norm = dim + bias * dim
    attention = 4 * (dim * dim + bias * dim)
    mlp = 2 * (dim * 4 * dim) + bias * (4 * dim + dim)
    embeddings = config.vocab_size * dim + config.max_length * dim
    return embeddings + config.layers * (attention + mlp + 2 * norm) + norm


def flops_per_token(config: GPTConfig, length: int | None = None) -> int:
    """Floating-point operations of training on one token, forward and backward.

    Each weight of a matrix is multiplied and added once forward and twice backward: 6 a weight. Attention adds
    12 · layers · length · dim for the logits and the weighted sum, counted without the causal mask. What is no product of
    matrices is left out: norms, softmax, activation, residual sums, the optimizer.

    Args:
        config: of the model.
        length: of the sequences; max_length by default.

    Raises:
        ValueError: a length below 1.

    Source: Chowdhery et al. 2022, "PaLM", appendix B.
    """
    length = config.max_length if length is None else length
    if length < 1:
        raise ValueError(f"length is {length}: expected at least 1 token")
    matrices = config.layers * 12 * config.dim**2 + config.vocab_size * config.dim
    return 6 * matrices + 12 * config.layers * length * config.dim
