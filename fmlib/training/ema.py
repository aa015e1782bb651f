"""A slow copy of a network: MoCo's key encoder, BYOL's target, DINO's teacher, diffusion's sampler."""

import copy

import torch
from torch import nn


def momentum_update(slow: nn.Module, fast: nn.Module, momentum: float = 0.99) -> None:
    """Move every parameter of `slow` a small step towards `fast`: slow <- momentum·slow + (1 - momentum)·fast.

    Buffers (the running statistics of batch norm) are copied, not averaged.

    Args:
        slow: changed in place; takes no gradient from this.
        fast: a network of the same shape, left alone.
        momentum: in [0, 1]; 1 freezes the slow network, 0 makes it a copy.

    Raises:
        ValueError: momentum outside [0, 1], or the two networks differ in names or shapes.

    Source: He et al. 2020, "Momentum Contrast for Unsupervised Visual Representation Learning", eq. 2.
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}: expected a number in [0, 1]")
    ours, theirs = dict(slow.named_parameters()), dict(fast.named_parameters())
    differing = sorted(ours.keys() ^ theirs.keys()) or [
        name for name, value in ours.items() if value.shape != theirs[name].shape
    ]
    if differing:
        raise ValueError(f"the two networks differ at {differing[0]!r}: expected two of the same shape")
    with torch.no_grad():
        for name, value in ours.items():
            value.lerp_(theirs[name].to(value), 1 - momentum)
        for value, source in zip(slow.buffers(), fast.buffers(), strict=True):
            value.copy_(source)


def frozen_copy(module: nn.Module) -> nn.Module:
    """A copy that starts equal and takes no gradient."""
    return copy.deepcopy(module).requires_grad_(False)
