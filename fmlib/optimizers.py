"""Optimizers for `fit` beyond AdamW: Muon for the matrices, AdamW for the rest, as one."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


class JoinedOptimizer(torch.optim.Optimizer):
    """Several optimizers, each with parameters of its own, that step, save and load as one.

    Args:
        parts: the optimizers, no parameter in two of them.

    Raises:
        ValueError: no part, or a parameter in two of them.
    """

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        groups = [group for part in parts for group in part.param_groups]
        super().__init__(groups, {})
        self.parts = parts
        self._share()

    def _share(self) -> None:
        """Let the parts work on the groups and the state that this one saves and loads."""
        first = 0
        for part in self.parts:
            last = first + len(part.param_groups)
            part.param_groups, part.state = self.param_groups[first:last], self.state
            first = last

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every part."""
        loss = closure() if closure is not None else None
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put rates and state back to where they were saved."""
        super().load_state_dict(state_dict)
        self._share()


def muon(
    model: nn.Module,
    rate: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.95),
) -> Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]:
    """For `fit`: parameters -> Muon for the matrices inside a model, AdamW for embeddings, biases and norms.

    A gradient matrix mostly has a few strong directions. Muon gives all of its directions the same length, so that the rare
    ones are learnt, too. Its steps are scaled to be as large as AdamW's, so that one rate suits both.

    Args:
        model: tells which of its matrices are embeddings; these are looked up, not multiplied with.
        rate: of both.
        weight_decay: of matrices and embeddings.
        betas: AdamW's.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the size of the steps and the
    decay are those of Liu et al. 2025, "Muon is Scalable for LLM Training", section 2.2.
    """
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}

    def make(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        every = list(parameters)
        matrices = [p for p in every if p.ndim == 2 and id(p) not in embeddings]
        rest = [p for p in every if p.ndim != 2 or id(p) in embeddings]
        groups = [
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": weight_decay},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        ]
        groups, parts = [group for group in groups if group["params"]], []
        if matrices:
            options = {"weight_decay": weight_decay, "adjust_lr_fn": "match_rms_adamw"}
            parts.append(torch.optim.Muon(matrices, lr=rate, **options))
        if groups:
            parts.append(torch.optim.AdamW(groups, lr=rate, betas=betas))
        return JoinedOptimizer(*parts)

    return make
