"""What a step of a method takes: time, and what must be kept for the backward pass."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fmlib.checks import check_whole
from fmlib.self_supervised.comparison.budget import Budget, train


@dataclass(frozen=True)
class StepCost:
    """Cost of one step of training.

    Args:
        seconds: the median over the steps.
        kept: megabytes (10^6 bytes) of activations that the forward pass keeps for the backward pass, each block of
            memory counted once, weights not counted.
        weights: megabytes of all networks of the method, slow copies included.
    """

    seconds: float
    kept: float
    weights: float


def step_cost(method: str, budget: Budget, steps: int = 4, seed: int = 0) -> StepCost:
    """Train a method for a few steps and say what a step took.

    Time depends on the machine and on what else it does; what is kept does not.

    Args:
        method: one of `METHODS`.
        budget: the pictures of a step; its number of steps is not used.
        steps: that are timed; one more goes before, and is weighed.
        seed: of weights, batches and views.

    Raises:
        ValueError: an unknown method, or steps that are no positive whole number.
    """
    check_whole("steps", steps)
    weighed, stamps = Scale(), []

    def stamp(model: nn.Module) -> dict[str, float]:
        if not stamps:
            weighed.close()
            weighed.weights = sum(p.numel() * p.element_size() for p in model.parameters())
        stamps.append(time.perf_counter())
        return {"steps": float(len(stamps))}

    with weighed:
        train(
            method, Budget(steps + 1, budget.pictures), seed, progress=False, measure=stamp, measure_every=1
        )
    times = torch.tensor(stamps, dtype=torch.float64).diff()
    return StepCost(times.median().item(), weighed.kept / 1e6, weighed.weights / 1e6)


class Scale:
    """Within `with`, adds up the activations that autograd keeps; each block of memory once.

    Only those of the first backward pass: a block that is free again may come back under the same address.
    """

    def __init__(self) -> None:
        self.kept = 0
        self.weights = 0
        self._blocks: set[int] = set()
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda kept: kept)

    def __enter__(self) -> "Scale":
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop weighing, before the end of `with` as well."""
        if self._hooks is not None:
            self._hooks.__exit__()
        self._hooks = None

    def _keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        whole = (
            tensor if tensor._base is None else tensor._base
        )  # a layer keeps a transposed view of its weights, too
        if not isinstance(whole, nn.Parameter) and storage.data_ptr() not in self._blocks:
            self._blocks.add(storage.data_ptr())
            self.kept += storage.nbytes()
        return tensor
