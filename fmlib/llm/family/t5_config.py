"""The sizes of a T5."""

from dataclasses import dataclass

from fmlib.checks import check_dropout, check_number, check_sizes


@dataclass(frozen=True)
class T5Config:
    """Sizes of a T5.

    Args:
        vocab_size: how many tokens there are.
        max_length: the most tokens on either side. Relative positions have no table that ends; this is what fits.
        layers, heads, dim: blocks of the encoder, attention heads in each, features of the residual stream.
        decoder_layers: blocks of the decoder; as many as of the encoder by default.
        head_dim: features of a head; dim / heads by default. In large T5s it is not.
        hidden_dim: of the MLP; 4 · dim by default.
        buckets, max_distance: of the relative positions, see `fmlib.llm.family.relative_bias.distance_buckets`.
        dropout: of embeddings, attention weights and each part's output, in training.
        gated: a gated GELU in the MLP (version 1.1) instead of a ReLU (1.0).
        tied: the output matrix is the token embedding, and what goes in is scaled by dim^-0.5 (1.0); else it is a matrix of
            its own (1.1).
        eps: of the norms.

    Raises:
        ValueError: a size that is no positive whole number, heads that do not divide dim while head_dim is not given,
            too few buckets, a max_distance that is too near, an eps that is not positive, or a dropout outside [0, 1).
    """

    vocab_size: int
    max_length: int = 512
    layers: int = 4
    heads: int = 4
    dim: int = 128
    decoder_layers: int | None = None
    head_dim: int | None = None
    hidden_dim: int | None = None
    buckets: int = 32
    max_distance: int = 128
    dropout: float = 0.0
    gated: bool = False
    tied: bool = True
    eps: float = 1e-6

    def __post_init__(self) -> None:
        check_sizes(self, "vocab_size", "max_length", "layers", "heads", "dim", "buckets", "max_distance")
        if self.head_dim is None and self.dim % self.heads:
            raise ValueError(
                f"dim is {self.dim} and heads is {self.heads}: expected a dim that heads divides, or a head_dim"
            )
        defaults = {
            "decoder_layers": self.layers,
            "head_dim": self.dim // self.heads,
            "hidden_dim": 4 * self.dim,
        }
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        check_sizes(self, *defaults)
        if self.buckets < 4 or self.max_distance <= self.buckets // 2:
            raise ValueError(
                f"buckets is {self.buckets} and max_distance is {self.max_distance}: expected at least 4 buckets, and a "
                "max_distance of more than half of them"
            )
        check_dropout(self.dropout)
        check_number("eps", self.eps, above=0)

    @classmethod
    def tiny(cls, vocab_size: int = 64) -> "T5Config":
        """For tests: milliseconds."""
        return cls(
            vocab_size=vocab_size, max_length=16, layers=2, heads=2, dim=16, buckets=8, max_distance=12
        )

    @classmethod
    def t5_small(cls) -> "T5Config":
        """T5 small, 60,506,624 parameters (Raffel et al. 2020, section 3.7, says 60 million)."""
        return cls(32_128, layers=6, heads=8, dim=512, dropout=0.1)

    @classmethod
    def t5_small_v1_1(cls) -> "T5Config":
        """Version 1.1 of it, 76,961,152 parameters: more and narrower layers, gated, with an output matrix of its own."""
        sizes = {"layers": 8, "heads": 6, "dim": 512, "head_dim": 64, "hidden_dim": 1024}
        return cls(32_128, **sizes, dropout=0.1, gated=True, tied=False)
