"""A training run in one safetensors file: weights, optimizer, history. No pickle, always whole, checked when it is read."""

import hashlib
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

FORMAT = "fmlib-training-2"


@dataclass
class Checkpoint:
    """What is not a tensor: the steps done, all that decides the run, and its history."""

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
    """Write everything that the next step depends on, with a checksum of each part.

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
    told = json.dumps(asdict(checkpoint))
    sums = json.dumps({name: _checksum(value) for name, value in content.items()})
    header = {"format": FORMAT, "state": told, "checksums": sums, "checksum": _text_checksum(told, sums)}
    atomic_write_bytes(path, save(content, metadata=header))


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: nn.Module | None,
    run: dict[str, Any],
) -> Checkpoint:
    """Put a run back to where it was saved; nothing is changed unless everything fits.

    Raises:
        ValueError: not a checkpoint of `fit`, damaged, of a run with other numbers, or of another model.
    """
    checkpoint, sums, tensors = _read(path, with_tensors=True)
    if missing := sorted(sums.keys() - tensors.keys()):
        raise ValueError(f"{path} is not whole: {', '.join(missing[:5])} missing; remove it and start again")
    if changed := [name for name, value in tensors.items() if _checksum(value) != sums.get(name)]:
        raise ValueError(
            f"{path} is damaged: {', '.join(sorted(changed)[:5])} not as written (the checksum differs); "
            "remove it and start again"
        )
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "model_ema": {}, "optimizer": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    _check_keys(path, parts["model"], model)
    if ema is not None:
        _check_keys(path, parts["model_ema"], ema)
    run = json.loads(json.dumps(run))  # as it comes back: tuples are lists
    differing = {
        name: (checkpoint.run.get(name), run.get(name))
        for name in [*run, *sorted(checkpoint.run.keys() - run.keys())]
        if checkpoint.run.get(name) != run.get(name)
    }
    if differing and run:
        told = ", ".join(f"{k} was {was!r}, now {now!r}" for k, (was, now) in differing.items())
        raise ValueError(f"{path} is of another run: {told}; use the same numbers or another file")
    for measured in checkpoint.history["measured"].values():  # JSON made the steps strings
        for step in list(measured):
            measured[int(step)] = measured.pop(step)
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


def read_checkpoint(path: str | Path) -> Checkpoint:
    """What a checkpoint says of its run, without its tensors.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a folder, no checkpoint of `fit`, or a damaged one; names it.
    """
    return _read(Path(path), with_tensors=False)[0]


def _read(path: Path, with_tensors: bool) -> tuple[Checkpoint, dict[str, str], dict[str, Tensor]]:
    if path.is_dir():
        raise ValueError(f"{path} is a folder: expected a checkpoint, a .safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {}
            if with_tensors and header.get("format") == FORMAT:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a whole safetensors file ({error}): remove it and start again"
        ) from error
    if header.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {header.get('format')!r}: expected {FORMAT!r}, as this version of fit writes it; "
            "use another file, or remove it and start again"
        )
    told, sums = header.get("state", ""), header.get("checksums", "")
    if header.get("checksum") != _text_checksum(told, sums):
        raise ValueError(f"{path} is damaged (its header is not as written): remove it and start again")
    return Checkpoint(**json.loads(told)), json.loads(sums), tensors


def _checksum(tensor: Tensor) -> str:
    """Of a tensor's type, shape and bytes."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _text_checksum(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


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
