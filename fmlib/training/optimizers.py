"""Optimizers for `fit`: AdamW, and Muon for the matrices with AdamW for the rest, as one."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


def orthogonalize(
    matrices: Float[Tensor, "count rows columns"], steps: int = 5
) -> Float[Tensor, "count rows columns"]:
    """Give all directions of each matrix about the same length: U Vᵀ in place of U Σ Vᵀ, without finding U, Σ, V.

    A product such as X Xᵀ X has the U and V of X and the cubes of its singular values. So a polynomial in X Xᵀ, times X,
    bends the singular values alone; this one, applied again and again, draws all but the tiniest to about 1. Of a wide
    matrix only the small square X Xᵀ is needed on the way, since all polynomials in it commute.

    Args:
        matrices: of one shape.
        steps: how often the polynomial is applied, at least once.

    Returns:
        Singular values from 0.68 to 1.14 after five steps, of all that were at least a hundredth of the matrix's norm.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks", whose coefficients these are.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices  # the products below are as small as the shorter side
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)

    def polynomial(square: Tensor) -> Tensor:
        result = torch.baddbmm(square, square, square, beta=b, alpha=c)
        result.diagonal(dim1=1, dim2=2).add_(a)
        return result

    if x.shape[2] < 2 * x.shape[1]:
        for _ in range(steps):
            x = polynomial(x @ x.mT) @ x
    else:
        square = x @ x.mT
        product = bend = polynomial(square)
        for _ in range(steps - 1):
            square = bend @ square @ bend
            bend = polynomial(square)
            product = bend @ product
        x = product @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """A running sum of each matrix's gradients, made orthogonal, is the step.

    Kernels of convolutions count as matrices: one row for each feature that comes out.

    Args:
        parameters: matrices and kernels.
        lr: a step's root mean square is 0.2 · lr, about that of an AdamW step.
        momentum: of the running sum, which looks one step ahead (Nesterov).
        weight_decay: share of the weights, times lr, that goes at each step.

    Raises:
        ValueError: a parameter that is neither matrix nor kernel, or a number out of range.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the size of the steps and the
    decay are those of Liu et al. 2025, "Muon is Scalable for LLM Training", section 2.2.
    Differs from torch.optim.Muon: works in the parameters' precision, not in bfloat16; takes matrices of one shape together,
    which halves the time of small ones; and takes kernels.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        check_numbers(lr=lr, weight_decay=weight_decay, momentum=momentum)
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        shapes = [tuple(p.shape) for group in self.param_groups for p in group["params"]]
        if vectors := [shape for shape in shapes if len(shape) < 2]:
            raise ValueError(f"a parameter has shape {vectors[0]}: expected matrices and kernels only")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of all matrices that have a gradient."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike.setdefault(parameter.flatten(1).shape, []).append(parameter)
            for same in alike.values():
                self._step_together(same, group["lr"], group["momentum"], group["weight_decay"])
        return loss

    def _step_together(
        self, parameters: list[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        for parameter in parameters:
            if "sum" not in self.state[parameter]:
                self.state[parameter]["sum"] = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters]
        sums = [self.state[parameter]["sum"] for parameter in parameters]
        torch._foreach_lerp_(sums, gradients, 1 - momentum)
        ahead = torch.stack([g.lerp(s, momentum).flatten(1) for g, s in zip(gradients, sums, strict=True)])
        steps = orthogonalize(ahead)
        length = 0.2 * max(ahead.shape[1:]) ** 0.5
        for parameter, step in zip(parameters, steps, strict=True):
            parameter.mul_(1 - lr * weight_decay).sub_(step.view(parameter.shape), alpha=lr * length)


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


def check_numbers(**numbers: float | tuple[float, ...]) -> None:
    """Refuse a rate or a decay below 0, and a momentum outside [0, 1): rates, decays, momenta and betas by their names.

    Raises:
        ValueError: names the first that is out of range.
    """
    for name, value in numbers.items():
        highest = 1.0 if name in ("momentum", "betas") else math.inf
        for number in value if isinstance(value, (tuple, list)) else (value,):
            if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < highest:
                told = "0 or more" if highest == math.inf else "shares in [0, 1)"
                raise ValueError(f"{name} is {value!r}: expected {told}")


def describe_optimizer(optimizer: torch.optim.Optimizer, rate: float) -> dict[str, Any]:
    """Kind and numbers of an optimizer, ready for JSON: two that would go on differently are described differently.

    Args:
        optimizer: before its first step.
        rate: the run's; the groups' rates are told as multiples of it.

    Returns:
        "optimizer" with the kind, and each number with its value, or with a list where groups of parameters differ.
    """
    parts = optimizer.parts if isinstance(optimizer, JoinedOptimizer) else [optimizer]
    told: dict[str, Any] = {"optimizer": " + ".join(type(part).__name__ for part in parts)}
    groups = [{k: v for k, v in g.items() if k not in _NO_NUMBERS} for g in optimizer.param_groups]
    for group, whole in zip(groups, optimizer.param_groups, strict=True):
        group["share_of_rate"] = float(group.pop("lr", rate)) / rate
        group["parameters"] = sum(p.numel() for p in whole["params"])
    for name in dict.fromkeys(name for group in groups for name in group):
        values = [group.get(name) for group in groups]
        values = [
            float(v) if isinstance(v, Tensor) else list(v) if isinstance(v, tuple) else v for v in values
        ]
        told[name] = values[0] if all(v == values[0] for v in values) else values
    return told


# These change speed, not results.
_NO_NUMBERS = {"params", "foreach", "fused", "capturable", "differentiable"}

Maker = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]  # what `fit` calls with what it trains


def _groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Decay for what has rows and columns, none for biases and norms; a group that would be empty is left out."""
    every = list(parameters)
    groups = [
        {"params": [p for p in every if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in every if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def adamw(
    model: nn.Module,
    rate: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Maker:
    """For `fit`: parameters -> AdamW, with decay on matrices, kernels and embeddings and none on biases and norms.

    Args:
        model: not needed; here so that all makers are called alike.
        rate, weight_decay, betas: AdamW's.

    Raises:
        ValueError: a number out of range.

    Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization".
    """
    check_numbers(rate=rate, weight_decay=weight_decay, betas=betas)
    return lambda parameters: torch.optim.AdamW(_groups(parameters, weight_decay), lr=rate, betas=betas)


def muon(
    model: nn.Module,
    rate: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.95),
) -> Maker:
    """For `fit`: parameters -> Muon for a model's matrices and kernels, AdamW for embeddings, biases and norms.

    A gradient matrix mostly has a few strong directions. Muon gives all of its directions the same length, so that the rare
    ones are learnt, too. Its steps are scaled to be as large as AdamW's, so that one rate suits both.

    Args:
        model: tells which of its matrices are embeddings; these are looked up, not multiplied with.
        rate: of both.
        weight_decay: of matrices, kernels and embeddings.
        betas: AdamW's.

    Raises:
        ValueError: a number out of range.

    Source: see `Muon` and `adamw`.
    """
    check_numbers(rate=rate, weight_decay=weight_decay, betas=betas)
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}

    def make(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        every = list(parameters)
        matrices = [p for p in every if p.ndim > 1 and id(p) not in embeddings]
        rest = [p for p in every if p.ndim <= 1 or id(p) in embeddings]
        parts: list[torch.optim.Optimizer] = []
        if matrices:
            parts.append(Muon(matrices, lr=rate, weight_decay=weight_decay))
        if rest:
            parts.append(torch.optim.AdamW(_groups(rest, weight_decay), lr=rate, betas=betas))
        return JoinedOptimizer(*parts)

    return make


def by_name(name: str) -> Callable[..., Maker]:
    """`muon` or `adamw`.

    Raises:
        ValueError: another name.
    """
    if name not in ("muon", "adamw"):
        raise ValueError(f'optimizer is {name!r}: expected "muon" or "adamw"')
    return {"muon": muon, "adamw": adamw}[name]
