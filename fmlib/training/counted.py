"""Losses over a number that varies from batch to batch, and steps of several micro-batches, exact for both."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fmlib.training.distributed import process_count


@dataclass(frozen=True)
class Counted:
    """A mean together with how many it was taken over, for a loss over a number that varies from batch to batch.

    Of two batches with 10 and 30 answered tokens, the mean of all 40 is not the mean of both means. So `fit` weights each
    by its count: in several micro-batches and processes a step is then the step of the whole batch.

    Args:
        mean: a loss, finite also where the count is 0.
        count: how many tokens, or whatever else varies, it is the mean of; 0 or more, in the whole batch at least 1.
    """

    mean: Tensor
    count: Tensor | int


Term = Tensor | Counted
Value = Term | list[Term]  # the terms of a list are added


def terms_of(result: Value | tuple[Value, Any]) -> tuple[list[Counted], Any]:
    """What a loss returned, as terms to add up, and its extra."""
    value, extra = result if isinstance(result, tuple) else (result, None)
    terms = [
        term if isinstance(term, Counted) else Counted(term, 1)
        for term in (value if isinstance(value, list) else [value])
    ]
    for term in terms:
        if not isinstance(term.mean, Tensor) or term.mean.ndim:
            came = tuple(term.mean.shape) if isinstance(term.mean, Tensor) else type(term.mean).__name__
            raise ValueError(f"the loss is {came}: expected one number, a tensor of shape ()")
    if not terms:
        raise ValueError("the loss is an empty list: expected at least one term")
    return terms, extra


def _counts(terms: list[Counted]) -> Tensor:
    """How many each term is a mean of, as float64 where the device has that."""
    device = terms[0].mean.device
    exact = torch.float32 if device.type == "mps" else torch.float64
    return torch.stack([torch.as_tensor(term.count, dtype=exact, device=device) for term in terms])


def _over_processes(counts: Tensor) -> Tensor:
    if process_count() > 1:
        counts = counts.clone()
        torch.distributed.all_reduce(counts)
    return counts


def mean_of_whole_batch(terms: list[Counted]) -> Tensor:
    """A loss whose mean over the processes is that of the whole batch."""
    means = [term.mean for term in terms]
    if process_count() > 1 and any(not isinstance(term.count, int) or term.count != 1 for term in terms):
        counts = _counts(terms)
        shares = counts * process_count() / _over_processes(counts)
        means = [mean * share.to(mean.dtype) for mean, share in zip(means, shares, strict=True)]
    return sum(means[1:], means[0])


def accumulated(
    forward: Callable[[int], tuple[list[Counted], Any]],
    numbers: Iterable[int],
    parameters: list[nn.Parameter],
    accelerator: Any,
    wrapped: nn.Module,
) -> tuple[Tensor, list[Any]]:
    """Leave the gradient of all micro-batches together in the parameters; returns their loss and extras.

    How many a term counts is known only when the last micro-batch has been seen. So each term has a sum of gradients of its
    own, which is divided by its count at the end.
    """
    extras, sums, counts, gradients = [], None, None, []
    for number in numbers:
        with accelerator.no_sync(wrapped):
            terms, extra = forward(number)
            extras.append(extra)
            here = _counts(terms)
            whole = [t.mean * n.to(t.mean.dtype) for t, n in zip(terms, here, strict=True)]  # sums, not means
            gradients = gradients or [[None] * len(parameters) for _ in terms]
            if len(terms) != len(gradients):
                raise ValueError(
                    f"the loss has {len(terms)} terms, before it had {len(gradients)}: expected as many"
                )
            for i, summed in enumerate(gradients):
                for parameter, gradient in zip(parameters, summed, strict=True):
                    parameter.grad = gradient
                accelerator.backward(whole[i], retain_graph=i + 1 < len(terms))
                gradients[i] = [parameter.grad for parameter in parameters]
        values = torch.stack([value.detach().to(here.dtype) for value in whole])
        sums = values if sums is None else sums + values
        counts = here if counts is None else counts + here
    counts = _over_processes(counts)
    for i, parameter in enumerate(parameters):
        parts = [g[i] / n.to(g[i].dtype) for g, n in zip(gradients, counts, strict=True) if g[i] is not None]
        parameter.grad = sum(parts[1:], parts[0]) if parts else None
        if process_count() > 1:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.distributed.all_reduce(parameter.grad)
    return (process_count() * sums / counts).sum(), extras
