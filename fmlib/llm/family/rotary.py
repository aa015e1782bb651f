"""Rotary positions: queries and keys are turned by an angle that grows with their position, so that their product knows
only how far apart they stand; and grouped queries, several of which share one key and value."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from fmlib.checks import FLOAT, REAL, WHOLE, check_number, check_tensors, check_whole
from fmlib.nn.attention import Attention


def rotary_angles(
    positions: Int64[Tensor, "rows length"],
    head_dim: int,
    theta: float = 10_000.0,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "rows length pairs"]:
    """How far each pair of features is turned at each position.

    Pair i of `head_dim` / 2 turns by theta^(-2i / head_dim) radians a position: the first is fast, the last hardly moves.

    Args:
        positions: [rows, length].
        head_dim: features of a head, an even number.
        theta: > 0; the larger, the slower the slow pairs, and the longer the texts whose positions they can tell apart.
        dtype: of the angles. Half precision would mix up neighbors beyond position 256 (bfloat16) or 2,048 (float16).

    Raises:
        TypeError: positions that are no whole numbers.
        ValueError: an odd or not positive head_dim, a theta that is not positive.

    Source: Su et al. 2021, "RoFormer", section 3.2.2, eq. 15.
    """
    check_tensors(("positions", positions, WHOLE, "rows length"))
    check_whole("head_dim", head_dim, least=2)
    if head_dim % 2:
        raise ValueError(f"head_dim is {head_dim}: expected an even number, since features turn in pairs")
    check_number("theta", theta, above=0, hint="common: 10,000")
    pairs = torch.arange(0, head_dim, 2, device=positions.device, dtype=dtype)
    return positions[..., None].to(dtype) / theta ** (pairs / head_dim)


def rotate(
    x: Float[Tensor, "batch heads length head_dim"], angles: Float[Tensor, "rows length pairs"]
) -> Float[Tensor, "batch heads length head_dim"]:
    """Turn every pair of features; feature i and feature i + head_dim / 2 are a pair.

    Args:
        x: queries or keys.
        angles: in radians, from `rotary_angles`, [batch or 1, length, head_dim / 2].

    Raises:
        TypeError, ValueError: no tensors of floats, shapes that do not fit.

    Source: Su et al. 2021, eq. 34.
    Differs from the paper: there features 2i and 2i + 1 are a pair. Both layouts are the same model with its features in
    another order, see `halves_from_pairs`; halves need no gathering of every other number.
    """
    check_tensors(
        ("x", x, FLOAT, "batch heads length head_dim"),
        (
            "angles",
            angles,
            FLOAT,
            f"batch|1 length {x.shape[-1] // 2 if isinstance(x, Tensor) and x.ndim else 1}",
        ),
    )
    if x.shape[-1] % 2:
        raise ValueError(f"x has heads of {x.shape[-1]} features: expected an even number, to turn pairs")
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]  # [rows, 1, length, pairs]
    turned = torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
    return turned.to(x.dtype)


def rotary(
    x: Float[Tensor, "batch heads length head_dim"],
    positions: Int64[Tensor, "rows length"],
    theta: float = 10_000.0,
) -> Float[Tensor, "batch heads length head_dim"]:
    """Give queries or keys their positions: rotary(query, m) · rotary(key, n) depends on m - n alone.

    Args:
        x: [batch, heads, length, head_dim].
        positions: where each stands, [batch or 1, length].
        theta: see `rotary_angles`.

    Raises:
        TypeError, ValueError: as `rotary_angles` and `rotate`.

    Source: Su et al. 2021, "RoFormer", section 3.2.2.
    """
    check_tensors(
        ("x", x, FLOAT, "batch heads length head_dim"), ("positions", positions, WHOLE, "batch|1 length")
    )
    exact = torch.promote_types(x.dtype, torch.float32)
    return rotate(x, rotary_angles(positions, x.shape[-1], theta, exact))


def repeat_heads(
    x: Float[Tensor, "batch key_heads length head_dim"], times: int
) -> Float[Tensor, "batch heads length head_dim"]:
    """Let neighboring query heads share a key or value head: 0, 1 as 0, 0, 1, 1.

    Args:
        x: keys or values.
        times: how many query heads share one, >= 1.

    Raises:
        TypeError, ValueError: x is no tensor of floats [batch, key_heads, length, head_dim]; times below 1.

    Source: Ainslie et al. 2023, "GQA", section 2.2.
    """
    check_tensors(("x", x, FLOAT, "batch key_heads length head_dim"))
    check_whole("times", times)
    return x if times == 1 else x.repeat_interleave(times, dim=1)


def halves_from_pairs(weight: Tensor, heads: int) -> Tensor:
    """A query or key projection for pairs (2i, 2i + 1), as Meta's files and GGUF have it, for halves (i, i + head_dim / 2).

    Transformers' checkpoints have halves already. Values and outputs are never turned and stay as they are.

    Args:
        weight: [heads · head_dim, dim], or a bias [heads · head_dim].
        heads: of the projection: query heads, or key heads.

    Raises:
        ValueError: rows that do not make `heads` heads of an even size.

    Source: Touvron et al. 2023, "LLaMA", its released code; `permute` in transformers' conversion script.
    """
    return _reorder(weight, heads, (-1, 2))


def pairs_from_halves(weight: Tensor, heads: int) -> Tensor:
    """The opposite of `halves_from_pairs`."""
    return _reorder(weight, heads, (2, -1))


def _reorder(weight: Tensor, heads: int, cut: tuple[int, int]) -> Tensor:
    check_tensors(
        ("weight", weight, REAL, "rows dim" if isinstance(weight, Tensor) and weight.ndim == 2 else "rows")
    )
    check_whole("heads", heads)
    if len(weight) % (2 * heads):
        raise ValueError(
            f"weight has {len(weight)} rows and heads is {heads}: expected heads of an even number of rows each"
        )
    return weight.unflatten(0, (heads, *cut)).transpose(1, 2).flatten(0, 2)


class RotaryAttention(Attention):
    """Causal attention with rotary positions, in which groups of query heads share keys and values.

    Args:
        dim: features of the input and the output.
        heads: of the queries.
        key_heads: of keys and values; a number that divides heads, heads itself by default. Fewer make the cache smaller.
        theta: see `rotary_angles`.

    Raises:
        ValueError: sizes that do not fit each other, or heads with an odd number of features.

    Source: Su et al. 2021, "RoFormer"; Ainslie et al. 2023, "GQA"; no biases as in Touvron et al. 2023, "LLaMA".
    """

    def __init__(
        self, dim: int, heads: int, key_heads: int | None = None, *, theta: float = 10_000.0
    ) -> None:
        super().__init__(dim, heads, causal=True, bias=False)
        key_heads = heads if key_heads is None else key_heads
        check_whole("key_heads", key_heads)
        if heads % key_heads:
            raise ValueError(
                f"heads is {heads} and key_heads is {key_heads}: expected key_heads that divide heads"
            )
        if self.head_dim % 2:
            raise ValueError(f"heads have {self.head_dim} features: expected an even number, to turn pairs")
        self.theta, self.sharing = theta, heads // key_heads
        if self.sharing > 1:
            self.key = torch.nn.Linear(dim, key_heads * self.head_dim, bias=False)
            self.value = torch.nn.Linear(dim, key_heads * self.head_dim, bias=False)

    def project(
        self, x: Tensor, context: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `Attention.project`, with queries and keys turned; keys and values have fewer heads.

        Raises:
            ValueError: no positions.
        """
        if positions is None:
            raise ValueError("positions is None: rotary attention must know where each token stands")
        query, key, value = super().project(x, context)
        exact = torch.promote_types(query.dtype, torch.float32)
        angles = rotary_angles(positions, self.head_dim, self.theta, exact)
        return rotate(query, angles), rotate(key, angles), value

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """As `Attention.attend`; what is cached has few heads, and is shared out only here."""
        key, value = repeat_heads(key, self.sharing), repeat_heads(value, self.sharing)
        return super().attend(query, key, value, mask)
