"""Counting what the network that learns looks at in one step, to see that a budget is kept."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from fmlib.self_supervised.comparison.budget import Budget, train


def pictures_seen(network: nn.Module, step: Callable[[], object]) -> int:
    """How many pictures go through a network in one step, of those that it can learn from.

    Args:
        network: its first argument is a batch, and it may be called several times, or not at all.
        step: called once, without arguments.

    Returns:
        The rows of all batches for which a gradient was asked for; those that a network looks at without one, as a measure
        does, are not counted. The network is left as it was.
    """
    seen = 0

    def look(module: nn.Module, inputs: tuple) -> None:
        nonlocal seen
        seen += len(inputs[0]) if torch.is_grad_enabled() else 0

    hook = network.register_forward_pre_hook(look)
    try:
        step()
    finally:
        hook.remove()
    return seen


@dataclass(frozen=True)
class Seen:
    """What reaches the first layer of the network that learns, in one step.

    Args:
        rows: pictures, views or tiles.
        numbers: of pixels in each, counted over channels.
    """

    rows: int
    numbers: int


def seen_by_learner(method: str, budget: Budget, seed: int = 0) -> Seen:
    """Train one step of a method and count what its network looks at; a masked picture is whole here, before its patches go.

    Args:
        method: one of `METHODS`.
        budget: the pictures of a step; its number of steps is not used.
        seed: of weights, batches and views.

    Raises:
        ValueError: an unknown method.
    """
    first: list[nn.Module] = []
    batches: list[Tensor] = []

    def look(module: nn.Module, inputs: tuple) -> None:
        learns = (
            torch.is_grad_enabled()
            and isinstance(module, (nn.Conv2d, nn.Linear))
            and module.weight.requires_grad
        )
        if learns and (not first or module is first[0]):
            first[:] = [module]
            batches.append(inputs[0])

    hook = register_module_forward_pre_hook(look)
    try:
        train(method, Budget(1, budget.pictures), seed, progress=False)
    finally:
        hook.remove()
    rows = sum(len(batch) for batch in batches)
    return Seen(rows, batches[0][0].numel())
