"""Small trained models that lessons start from, so that none has to wait for another's training.

Each is a safetensors file in half precision that also holds its sizes, its tokenizer and its card: data, steps, loss,
license. `python tools/build_checkpoints.py` trains them anew.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load

from fmlib.data import DataError, _store

FILES = Path(__file__).parent / "files"
FORMAT = "fmlib-checkpoint-1"


@dataclass(frozen=True)
class Card:
    """What a trained model is.

    Args:
        name: of the checkpoint.
        model: what it is, in a sentence.
        data: what it was trained on.
        recipe: the numbers of the run.
        results: name -> number, on held-out data.
        license: of the weights.
    """

    name: str
    model: str
    data: str
    recipe: dict[str, Any]
    results: dict[str, float]
    license: str

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.model}", f"data: {self.data}"]
        lines += [f"{k}: {v:.4g}" for k, v in self.results.items()]
        return "\n".join([*lines, f"license: {self.license}"])


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as stored: tensors in float32, and all that is no tensor."""

    tensors: dict[str, torch.Tensor]
    config: dict[str, Any]
    tokenizer: dict[str, Any]
    card: Card


@lru_cache(maxsize=4)
def read(name: str) -> Checkpoint:
    """One embedded checkpoint.

    Args:
        name: e.g. "shakespeare_gpt".

    Raises:
        DataError: the file is missing, corrupt, or not a checkpoint.
    """
    file = f"{name}.safetensors"
    content = _store.read(file, FILES)
    size = int.from_bytes(content[:8], "little")  # safetensors: the header's length, then the header as JSON
    header = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    if header.get("format") != FORMAT:
        raise DataError(f"{FILES / file} has format {header.get('format')!r}: expected {FORMAT!r}")
    tensors = {key: value.float() for key, value in load(content).items()}
    parts = json.loads(header["parts"])
    return Checkpoint(tensors, parts["config"], parts["tokenizer"], Card(**parts["card"]))


def load_shakespeare_gpt():
    """A small GPT that has read Shakespeare, and the tokenizer that it reads with.

    Returns:
        (`fmlib.llm.gpt.GPT` in evaluation mode, `fmlib.llm.tokens.BPETokenizer`); the model is a new one at each
        call, so that it may be trained on.

    Raises:
        DataError: the file is missing or corrupt.

    Example:
        >>> model, tokenizer = load_shakespeare_gpt()
        >>> model.config.vocab_size == tokenizer.vocab_size
        True
    """
    from fmlib.llm.gpt.config import GPTConfig
    from fmlib.llm.gpt.model import GPT
    from fmlib.llm.tokens.saving import tokenizer_from_json
    from fmlib.pretrained import load_tensors

    stored = read("shakespeare_gpt")
    model = GPT(GPTConfig(**stored.config))
    load_tensors(model, stored.tensors)
    return model.eval(), tokenizer_from_json(stored.tokenizer)


def card(name: str) -> Card:
    """What an embedded checkpoint is: data, numbers of the run, results, license.

    Raises:
        DataError: the file is missing or corrupt.
    """
    return read(name).card
