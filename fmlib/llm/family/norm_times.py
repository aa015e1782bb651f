"""What a norm takes: the formula with less to compute is not always the faster one, it depends on who carries it out."""

import time
from collections.abc import Mapping

import torch
from torch import nn


def norm_times(
    norms: Mapping[str, nn.Module], positions: int, dim: int, repeats: int = 20
) -> dict[str, float]:
    """Milliseconds of each norm, forward and backward together.

    Args:
        norms: name -> a norm of `dim` features; trained by nobody, its gradients are left empty.
        positions: how many are normalized at once.
        dim: features of each.
        repeats: the fastest counts; the norms take turns, so that what disturbs one disturbs all.

    Raises:
        ValueError: repeats below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}: expected 1 or more")
    x = torch.randn(positions, dim, generator=torch.Generator().manual_seed(0)).requires_grad_()
    best = dict.fromkeys(norms, float("inf"))
    for turn in range(repeats + 1):
        for name, norm in norms.items():
            began = time.perf_counter()
            torch.autograd.grad(norm(x).sum(), [x, *norm.parameters()])
            took = 1000 * (time.perf_counter() - began)
            if turn:  # the first one warms up
                best[name] = min(best[name], took)
    return best
