"""One function a chapter: train something small on real data in about a minute, and look at what came out."""

from jaxtyping import Float
from torch import Tensor


def contrastive_learning_example(
    steps: int | None = None, seed: int = 0, progress: bool = True
) -> tuple[Float[Tensor, "pictures features"], float]:
    """Train a small SimCLR on Fashion-MNIST without labels.

    Args:
        steps: of training; by default what takes about a minute at the scale in force.
        seed: of weights, batches and views.
        progress: show a bar.

    Returns:
        Features of the 2,000 validation pictures, in their order, and the loss at the end in nats (the mean of the
        last 20 steps).

    Raises:
        ValueError: steps below 1.

    Example:
        >>> features, loss = contrastive_learning_example(steps=2, progress=False)
        >>> len(features)
        2000
    """
    from dataclasses import replace

    from fmlib import scale
    from fmlib.data import load_fashion_mnist
    from fmlib.evaluate import embed
    from fmlib.self_supervised.contrastive import Recipe, train_simclr

    steps = scale.pick(smoke=2, cpu=800, gpu=2000) if steps is None else steps
    recipe = replace(Recipe.main(), steps=steps)
    model, history = train_simclr(load_fashion_mnist("train").images, recipe, seed, progress=progress)
    last = history.loss[-20:]
    return embed(model.encoder, load_fashion_mnist("validation").images), sum(last) / len(last)
