"""Published checkpoints into our models: read the file, rename its tensors by a table, and refuse what does not fit.

Weights come as safetensors, from a folder or from the Hugging Face hub. Each model's file has its own table of `Rename`s.
"""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fmlib.training.checkpoint import misfits

Model = TypeVar("Model", bound=nn.Module)


class CheckpointError(ValueError):
    """A checkpoint that cannot be found, read, or fitted into the model; the message says which tensor and why."""


def same(tensor: Tensor) -> Tensor:
    """Leave a tensor as it is."""
    return tensor


def transposed(tensor: Tensor) -> Tensor:
    """[in, out] as [out, in].

    Raises:
        ValueError: no matrix.
    """
    if tensor.ndim != 2:
        raise ValueError(f"expected a matrix [in, out], not {tensor.ndim} axes")
    return tensor.T


def patches_as_rows(weight: Tensor) -> Tensor:
    """A convolution over patches [dim, channels, size, size] as our matrix [dim, size · size · channels].

    Raises:
        ValueError: no such convolution.
    """
    if weight.ndim != 4:
        raise ValueError(f"expected a convolution [dim, channels, size, size], not {weight.ndim} axes")
    return weight.permute(0, 2, 3, 1).flatten(1)


@dataclass(frozen=True)
class Rename:
    """One row of a table from a published layout to ours.

    Args:
        theirs: name in the checkpoint; ``{i}`` stands for the number of a layer.
        ours: names in our model, with the same ``{i}``; several if theirs is one matrix for several of ours.
        transform: their tensor -> ours, or a tuple of ours.
    """

    theirs: str
    ours: str | tuple[str, ...]
    transform: Callable[[Tensor], Tensor | tuple[Tensor, ...]] = same


def weight_and_bias(theirs: str, ours: str) -> tuple[Rename, Rename]:
    """The two tensors of one layer."""
    return tuple(Rename(f"{theirs}.{kind}", f"{ours}.{kind}") for kind in ("weight", "bias"))


def convert(
    tensors: Mapping[str, Tensor], table: Sequence[Rename], ignored: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Rename a checkpoint's tensors.

    Args:
        tensors: the checkpoint.
        table: which of theirs becomes which of ours.
        ignored: patterns (regular expressions) of names that carry nothing, e.g. stored masks.

    Returns:
        Our names -> tensors.

    Raises:
        CheckpointError: names that no row of the table knows, or a tensor that cannot be cut as its row says.
    """
    patterns = [(re.compile(re.escape(row.theirs).replace(r"\{i\}", r"(\d+)")), row) for row in table]
    found: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in tensors.items():
        if any(re.fullmatch(pattern, name) for pattern in ignored):
            continue
        for pattern, row in patterns:
            match = pattern.fullmatch(name)
            if match:
                i = match.group(1) if match.groups() else ""
                ours = (row.ours,) if isinstance(row.ours, str) else row.ours
                try:
                    changed = row.transform(tensor)
                except (RuntimeError, IndexError, ValueError) as error:
                    raise CheckpointError(f"{name} {tuple(tensor.shape)} cannot be cut: {error}") from error
                changed = (changed,) if isinstance(changed, Tensor) else changed
                if len(changed) != len(ours):
                    raise CheckpointError(
                        f"{name} {tuple(tensor.shape)} gives {len(changed)} tensors: expected {len(ours)}"
                    )
                found |= {our.replace("{i}", i): t for our, t in zip(ours, changed, strict=True)}
                break
        else:
            unknown.append(name)
    if unknown:
        raise CheckpointError(f"the checkpoint has tensors that this model does not: {_told(unknown)}")
    return found


def load_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into a model, all or none.

    Raises:
        CheckpointError: names every tensor that is missing, unexpected or of another shape; the model is unchanged then.
    """
    _check_fit(model, tensors)
    model.load_state_dict(dict(tensors))


def _check_fit(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    if wrong := misfits(model, tensors):
        raise CheckpointError(f"the checkpoint does not fit {type(model).__name__}: {_told(wrong)}")


def checked_config(source: object, config_type: Callable[..., Any], sizes: Mapping[str, Any]) -> Any:
    """A model's configuration from the sizes that a checkpoint tells.

    Raises:
        CheckpointError: sizes that cannot be; says which.
    """
    try:
        return config_type(**sizes)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{source} has sizes that cannot be: {error}") from error


def build_model(
    source: object, model_type: Callable[[Any], Model], config: Any, tensors: Mapping[str, Tensor]
) -> Model:
    """A model of these sizes with these weights, in evaluation mode.

    It is made without memory first, so that absurd sizes are refused before they take all there is.

    Raises:
        CheckpointError: sizes that no weights could fill; or names every tensor that does not fit.
    """
    layers = max(getattr(config, name, 0) for name in ("layers", "decoder_layers"))
    if layers > len(tensors):
        raise CheckpointError(
            f"{source} tells of {layers:,} layers and has {len(tensors)} tensors: expected some for each layer"
        )
    try:
        with torch.device("meta"):
            sketch = model_type(config)
    except (RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{source} has sizes that cannot be: {error}") from error
    _check_fit(sketch, tensors)
    model = model_type(config)
    load_tensors(model, tensors)
    return model.eval()


def same_dropout(folder: Path, config: Mapping[str, Any], *names: str) -> Any:
    """The dropout that all places of a model share; 0.1 where the config does not say.

    Raises:
        CheckpointError: more than one.
    """
    found = [config.get(name, 0.1) for name in names]
    different = [value for i, value in enumerate(found) if value not in found[:i]]
    if len(different) > 1:
        raise CheckpointError(f"{folder} has dropouts {different}: expected one for all places")
    return found[0]


def yes_or_no(folder: Path, config: Mapping[str, Any], name: str, default: bool) -> bool:
    """A switch of the config.

    Raises:
        CheckpointError: neither true nor false.
    """
    found = config.get(name, default)
    if not isinstance(found, bool):
        raise CheckpointError(f"{folder} has {name} = {found!r}: expected true or false")
    return found


def find_checkpoint(source: str | os.PathLike) -> Path:
    """The folder of a checkpoint.

    Args:
        source: a folder with config.json and safetensors files, or the name of a repository on the Hugging Face hub, e.g.
            "openai-community/gpt2"; that is downloaded once, and checked by the hub's own hashes.

    Raises:
        CheckpointError: neither is there, or the hub cannot be reached.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder
    if folder.exists() or not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        raise CheckpointError(
            f"{source} is no folder, and no name of a repository on the hub (owner/name): expected one of these"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(source), allow_patterns=["*.json", "*.safetensors", "*.txt"]))
    except Exception as error:  # many kinds: no network, no such repository, no permission
        raise CheckpointError(
            f"{source} is no folder here, and the hub did not give it ({type(error).__name__}): check the name and the "
            "network, or download it elsewhere and pass its folder"
        ) from error


def read_config(
    folder: Path, model_type: str, needed: Sequence[str] = (), settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The config.json of a checkpoint.

    Args:
        folder: of the checkpoint.
        model_type: what kind of model it must be.
        needed: names that must be there.
        settings: name -> the only value that our model can reproduce; it may be left out of the file.

    Raises:
        CheckpointError: missing, not JSON, of another kind of model, without something that is needed, or with another
            setting; names it.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read ({error}): expected the checkpoint's config") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != model_type:
        raise CheckpointError(f"{file} is of a {kind!r} model: expected {model_type!r}")
    missing = [name for name in needed if name not in config]
    if missing:
        raise CheckpointError(f"{file} does not say {', '.join(missing)}: expected a whole config")
    for name, value in (settings or {}).items():
        if config.get(name, value) != value:
            raise CheckpointError(
                f"{file} has {name} = {config[name]!r}, which our model does not do: expected {value!r}"
            )
    return config


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint: those that its index names, or all there are.

    Raises:
        CheckpointError: none, or one that the index names is missing.
    """
    indices = sorted(folder.glob("*.safetensors.index.json"))
    if indices:
        try:
            names = sorted(set(json.loads(indices[0].read_text(encoding="utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{indices[0]} is no index of a checkpoint ({error!r})") from error
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise CheckpointError(f"{folder} lacks {_told(missing)}, which {indices[0].name} names")
        return [folder / name for name in names]
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{folder} has no .safetensors file: expected the checkpoint's weights")
    return files


def read_tensors(folder: Path, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """All tensors of a checkpoint's safetensors files, however many they are.

    Args:
        folder: of the checkpoint.
        dtype: that floating-point tensors are turned into.

    Raises:
        CheckpointError: no such file, a corrupt one, or a tensor that two of them have.
    """
    tensors: dict[str, Tensor] = {}
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt") as opened:
                found = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} is not a whole safetensors file ({error})") from error
        twice = sorted(found.keys() & tensors.keys())
        if twice:
            raise CheckpointError(f"{file} has {_told(twice)}, as an earlier file: expected each tensor once")
        tensors |= {name: t.to(dtype) if t.is_floating_point() else t for name, t in found.items()}
    return tensors


def load_published(
    source: str | os.PathLike,
    read: Callable[[str | os.PathLike], tuple[dict[str, Any], dict[str, Tensor]]],
    make_config: Callable[..., Any],
    make_model: Callable[[Any], Model],
) -> Model:
    """A published checkpoint as one of our models.

    Args:
        source: a checkpoint folder, a file, or a name on the Hugging Face hub: whatever `read` takes.
        read: source -> (sizes by their names in our config, tensors by their names in our model).
        make_config: sizes -> config; refuses sizes that cannot be.
        make_model: config -> model.

    Returns:
        The model in evaluation mode.

    Raises:
        CheckpointError: what `read` refuses, sizes that cannot be, or tensors that do not fit.
    """
    sizes, tensors = read(source)
    return build_model(source, make_model, checked_config(source, make_config, sizes), tensors)


def _told(names: list[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    names = sorted(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
