"""A training run in one safetensors file: weights, optimizer, history. No pickle, always whole."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fmlib._files import atomic_write_bytes

FORMAT = "fmlib-training-1"


@dataclass
class Checkpoint:
    """What is not a tensor: the steps done, the numbers that define the run, and its history."""

    step: int
    run: dict[str, Any]
    history: dict[str, Any]


def save_checkpoint(
    path: Path,
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: nn.Module | None,
) -> None:
    """Write everything that the next step depends on.

    Raises:
        OSError: the disk is full or read-only; the previous checkpoint is untouched.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    if ema is not None:
        tensors |= {f"model_ema.{name}": value for name, value in ema.state_dict().items()}
    state = optimizer.state_dict()
    for index, values in state["state"].items():
        tensors |= {
            f"optimizer.{index}.{name}": torch.as_tensor(v) for name, v in values.items() if v is not None
        }
    content = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    content_header = {"format": FORMAT, "state": json.dumps(asdict(checkpoint))}
    atomic_write_bytes(path, save(content, metadata=content_header))


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: nn.Module | None,
    run: dict[str, Any],
) -> Checkpoint:
    """Put a run back to where it was saved; nothing is changed unless everything fits.

    Raises:
        ValueError: not a checkpoint of `fit`, of a run with other numbers, or of another model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a whole safetensors file ({error}): remove it and start again"
        ) from error
    if header.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {header.get('format')!r}: expected {FORMAT!r}, as written by fit"
        )
    checkpoint = Checkpoint(**json.loads(header["state"]))
    differing = {k: (checkpoint.run.get(k), v) for k, v in run.items() if checkpoint.run.get(k) != v}
    if differing:
        told = ", ".join(f"{k} was {was!r}, now {now!r}" for k, (was, now) in differing.items())
        raise ValueError(f"{path} is of another run: {told}; use the same numbers or another file")
    for measured in checkpoint.history["measured"].values():  # JSON made the steps strings
        for step in list(measured):
            measured[int(step)] = measured.pop(step)

    parts: dict[str, dict[str, Tensor]] = {"model": {}, "model_ema": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    _check_keys(path, parts["model"], model)
    if ema is not None:
        _check_keys(path, parts["model_ema"], ema)
    state = optimizer.state_dict()
    state["state"] = {}
    for name, value in parts["optimizer"].items():
        index, _, key = name.partition(".")
        state["state"].setdefault(int(index), {})[key] = value
    model.load_state_dict(parts["model"])
    if ema is not None:
        ema.load_state_dict(parts["model_ema"])
    optimizer.load_state_dict(state)
    return checkpoint


def misfits(module: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """What keeps tensors from being a module's weights: each that is missing, unexpected or of another shape."""
    expected = {name: value.shape for name, value in module.state_dict().items()}
    wrong = [f"missing {name}" for name in expected.keys() - tensors.keys()]
    wrong += [f"unexpected {name}" for name in tensors.keys() - expected.keys()]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(expected[name])}"
        for name in expected.keys() & tensors.keys()
        if tensors[name].shape != expected[name]
    ]
    return sorted(wrong)


def _check_keys(path: Path, found: dict[str, Tensor], module: nn.Module) -> None:
    if wrong := misfits(module, found):
        raise ValueError(f"{path} does not fit {type(module).__name__}: {'; '.join(wrong)}")
