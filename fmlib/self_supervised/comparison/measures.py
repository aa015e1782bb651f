"""What every encoder of the comparison is asked, on pictures that it never saw."""

from functools import lru_cache

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib import scale
from fmlib.evaluate import embed, retrieval
from fmlib.self_supervised.contrastive.emoji_views import emoji_task
from fmlib.self_supervised.probing import probes

SIZE = 28  # pixels, as the clothes have


def measure(encoder: nn.Module, seed: int = 0) -> dict[str, float]:
    """What features know: of clothes, from few labels, and of drawings, across two artists.

    Args:
        encoder: float pictures [n, 1, 28, 28] -> features.
        seed: of the draw of the labeled pictures.

    Returns:
        In per cent: "probe_100" and "probe_1000", test pictures of Fashion-MNIST that a linear probe on frozen features
        gets right with so many labels (at scale smoke 100 only); and "retrieval", gray emoji of one artist whose
        counterpart by another artist is the nearest one. No method has learned from these emoji, nor from the first
        artist.
    """
    found = probes(encoder, seed, scale.pick(smoke=(100,), cpu=(100, 1000), gpu=(100, 1000)))
    queries, gallery, targets = gray_emoji()
    ranks = retrieval(embed(encoder, queries), embed(encoder, gallery), targets, ranks=(1,))
    return {**{f"probe_{count}": value for count, value in found.items()}, "retrieval": ranks[1]}


@lru_cache(maxsize=1)
def gray_emoji() -> tuple[
    Float[Tensor, "queries 1 28 28"], Float[Tensor, "gallery 1 28 28"], Int64[Tensor, "queries"]
]:
    """Held-out emoji by the held-out artist, the same ones by another artist, and the place of each in the gallery.

    In gray, of the size of the clothes.
    """
    task = emoji_task()

    def gray(images: Tensor) -> Tensor:
        small = F.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True)
        return small.mean(dim=1, keepdim=True)

    return gray(task.queries), gray(task.gallery), task.targets
