"""How the chapter's methods are run: weights that come from a seed, and `fit` by the numbers of a recipe."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from fmlib.training.batches import ShuffledBatches
from fmlib.training.fit import Loss, fit
from fmlib.training.history import History
from fmlib.training.optimizers import by_name

Module = TypeVar("Module", bound=nn.Module)


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
