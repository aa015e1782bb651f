"""How the chapter's methods are run: weights that come from a seed, and `fit` by the numbers of a recipe or on labels."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fmlib.augment import Augmentation
from fmlib.data import Pictures
from fmlib.training.batches import ShuffledBatches
from fmlib.training.fit import Loss, fit
from fmlib.training.history import History
from fmlib.training.optimizers import by_name

Module = TypeVar("Module", bound=nn.Module)


def as_floats(images: Tensor) -> Tensor:
    """Pictures in [0, 1], from floats or bytes."""
    return images if images.is_floating_point() else images.float() / 255


@runtime_checkable
class HasNumbers(Protocol):
    """What a recipe must say: how many steps of which batches, with which optimizer at which highest rate."""

    steps: int
    batch_size: int
    rate: float
    optimizer: str


def with_seed(make: Callable[[], Module], seed: int) -> Module:
    """A network with the weights of a seed; the global randomness goes on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def fit_recipe(
    model: nn.Module,
    data: Tensor | tuple[Tensor, ...],
    loss: Loss,
    recipe: HasNumbers,
    seed: int,
    **options: Any,
) -> History:
    """Train a model on shuffled batches by the numbers of a recipe.

    Args:
        model: trained in place.
        data: a tensor, or several that are cut alike.
        loss: as `fit` takes it.
        recipe: steps, batch_size, rate and optimizer.
        seed: of batches and views.
        **options: passed to `fit`.
    """
    return fit(
        model,
        ShuffledBatches(
            *(data if isinstance(data, tuple) else (data,)), batch_size=recipe.batch_size, seed=seed
        ),
        loss,
        steps=recipe.steps,
        rate=recipe.rate,
        optimizer=by_name(recipe.optimizer)(model, recipe.rate),
        seed=seed,
        **options,
    )


def fit_labels(
    model: nn.Module, pictures: Pictures, augment: Augmentation, batch_size: int, seed: int, **options: Any
) -> History:
    """Train a classifier on views of labeled pictures, by cross-entropy.

    Args:
        model: from pictures to logits; trained in place.
        pictures: with labels.
        augment: how a view is made.
        batch_size: at most as many as there are pictures are taken.
        seed: of batches and views.
        **options: passed to `fit`: steps, rate, optimizer, ...
    """

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        images, labels = batch
        return F.cross_entropy(model(augment(as_floats(images), generator)), labels)

    batches = ShuffledBatches(
        pictures.images, pictures.labels, batch_size=min(batch_size, len(pictures)), seed=seed
    )
    return fit(model, batches, loss, seed=seed, **options)
