"""MoCo: a queue of old keys gives many negatives to a small batch, a slow encoder keeps them comparable.

Source: He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning"; the two-layer head is
MoCo v2's (Chen et al. 2020, "Improved Baselines with Momentum Contrastive Learning").
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import FLOAT, check_number, check_sizes, check_tensors, check_whole
from fmlib.self_supervised.contrastive.simclr import (
    ProjectionHead,
    check_pairs,
    check_temperature,
    find_feature_dim,
    unit_rows,
)
from fmlib.training.distributed import gather_rows
from fmlib.training.ema import frozen_copy, momentum_update

__all__ = ["MoCo", "MoCoConfig", "enqueue", "info_nce", "momentum_update"]


def info_nce(
    query: Float[Tensor, "batch dim"],
    keys: Float[Tensor, "batch dim"],
    queue: Float[Tensor, "size dim"],
    temperature: float = 0.2,
) -> Float[Tensor, ""]:
    """Each query must pick its own key among that key and everything in the queue.

    Args:
        query: embeddings of one view, any scale (normalized here); the only input that takes a gradient.
        keys: embeddings of the other view, row i from the same picture as query i.
        queue: keys of earlier batches, the negatives.
        temperature: > 0.

    Returns:
        Mean cross-entropy in nats, in float32 at least; log(1 + size) when nothing is learnt yet.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: shapes that do not fit, an empty queue, or temperature <= 0.

    Source: He et al. 2020, eq. 1 and algorithm 1.
    """
    check_pairs(query, keys, "query", "keys")
    check_temperature(temperature)
    check_queue(queue, keys)
    query = unit_rows(query)
    keys = unit_rows(keys.detach())  # no gradient into keys: only the momentum update moves their encoder
    negatives = unit_rows(queue.detach())
    positive = (query * keys).sum(dim=1, keepdim=True)  # [batch, 1]
    logits = torch.cat((positive, query @ negatives.T), dim=1) / temperature  # [batch, 1 + size]
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


def enqueue(
    queue: Float[Tensor, "size dim"], keys: Float[Tensor, "batch dim"], start: int
) -> tuple[Float[Tensor, "size dim"], int]:
    """Overwrite the oldest keys with the newest ones, round and round.

    Args:
        queue: the keys so far; left alone.
        keys: the newest.
        start: the row that holds the oldest key, 0 <= start < size.

    Returns:
        The new queue, and the row where the next batch goes.

    Raises:
        ValueError: more keys than the queue holds, a start outside it, or widths that differ.

    Source: He et al. 2020, algorithm 1. Differs from the paper's code: any batch size wraps round, not only divisors.
    """
    check_queue(queue, keys)
    size = len(queue)
    check_whole("start", start, least=0, most=size - 1)
    if len(keys) > size:
        raise ValueError(f"keys has {len(keys)} rows: expected at most the queue's {size}")
    rows = (start + torch.arange(len(keys), device=queue.device)) % size
    queue = queue.index_copy(0, rows, keys.detach().to(queue))
    return queue, (start + len(keys)) % size


@dataclass(frozen=True)
class MoCoConfig:
    """What MoCo adds to an encoder.

    Args:
        hidden_dim, output_dim: sizes of the projection head.
        queue_size: how many old keys serve as negatives.
        momentum: of the key encoder, per step.
        temperature: of the loss.
        norm: batch norm in the head.

    Raises:
        ValueError: sizes that are no positive whole numbers, a momentum outside [0, 1], a temperature that is not above 0.
    """

    hidden_dim: int = 256
    output_dim: int = 64
    queue_size: int = 4096
    momentum: float = 0.99
    temperature: float = 0.2
    norm: bool = False

    def __post_init__(self) -> None:
        check_sizes(self, "hidden_dim", "output_dim", "queue_size")
        check_number("momentum", self.momentum, least=0, most=1)
        check_temperature(self.temperature)

    @classmethod
    def tiny(cls) -> "MoCoConfig":
        """For tests: seconds."""
        return cls(hidden_dim=16, output_dim=8, queue_size=32)

    @classmethod
    def paper(cls) -> "MoCoConfig":
        """MoCo v2 for a ResNet-50 (Chen et al. 2020, table 1; He et al. 2020, section 3.3)."""
        return cls(hidden_dim=2048, output_dim=128, queue_size=65536, momentum=0.999, temperature=0.2)


class MoCo(nn.Module):
    """A query encoder that learns, a key encoder that follows it, and a queue of keys.

    Args:
        encoder: any module from pictures [batch, ...] to features [batch, feature_dim].
        feature_dim: how many features; read from `encoder.feature_dim` when not given.
        config: sizes, momentum, temperature.
        generator: fills the first queue with random unit vectors.
    """

    queue: Tensor
    oldest: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        feature_dim: int | None = None,
        config: MoCoConfig | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = config = config or MoCoConfig()
        self.encoder = encoder
        self.head = ProjectionHead(
            find_feature_dim(encoder, feature_dim), config.hidden_dim, config.output_dim, config.norm
        )
        # Both encoder *and* head: a key head with weights of its own would make keys that mean something else.
        self.key_encoder = frozen_copy(self.encoder)
        self.key_head = frozen_copy(self.head)
        queue = torch.randn(config.queue_size, config.output_dim, generator=generator)
        self.register_buffer("queue", F.normalize(queue, dim=1))
        self.register_buffer("oldest", torch.tensor(0))

    def forward(
        self, view1: Float[Tensor, "batch *picture"], view2: Float[Tensor, "batch *picture"]
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Queries from the first view, keys (without gradient) from the second.

        Returns:
            Two tensors [batch, output_dim], both of unit length.

        Raises:
            ValueError: the views differ in shape.
        """
        if view1.shape != view2.shape:
            raise ValueError(
                f"views have shapes {tuple(view1.shape)} and {tuple(view2.shape)}: expected equal"
            )
        query = F.normalize(self.head(self.encoder(view1)), dim=1)
        with torch.no_grad():
            keys = F.normalize(self.key_head(self.key_encoder(view2)), dim=1)
        return query, keys

    def loss(self, query: Tensor, keys: Tensor) -> Float[Tensor, ""]:
        """`info_nce` of queries and keys against the queue as it stands."""
        return info_nce(query, keys, self.queue, self.config.temperature)

    @torch.no_grad()
    def update(self, keys: Float[Tensor, "batch dim"]) -> None:
        """After an optimizer step: the key encoder follows, and the keys of all processes join the queue."""
        momentum_update(self.key_encoder, self.encoder, self.config.momentum)
        momentum_update(self.key_head, self.head, self.config.momentum)
        queue, oldest = enqueue(self.queue, gather_rows(keys), int(self.oldest))
        self.queue.copy_(queue)
        self.oldest.fill_(oldest)


def check_queue(queue: Tensor, keys: Tensor) -> None:
    """Refuse a queue that the keys cannot stand beside."""
    check_tensors(("queue", queue, FLOAT, "size dim"), ("keys", keys, FLOAT, "batch dim"))
