"""What a pretraining run reads: a text file or a named data set, tokenized once into files beside the checkpoint."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fmlib._files import atomic_write_text, sha256
from fmlib.data import DataError, load_shakespeare
from fmlib.llm.pretraining.streaming import open_tokens, pieces_of_file, write_tokens
from fmlib.llm.tokens.saving import load_tokenizer, save_tokenizer
from fmlib.llm.tokens.tokenizer import BPETokenizer

END_OF_TEXT = "<|endoftext|>"
# Eldan & Li 2023; license CDLA-Sharing-1.0. The revision is fixed, so the files are always the same.
TINYSTORIES = {
    "repo_id": "roneneldan/TinyStories",
    "repo_type": "dataset",
    "revision": "f54c09fd23315a6f9c86f9dc80f725de7d8f9c64",
}
TINYSTORIES_FILES = {"train": "TinyStoriesV2-GPT4-train.txt", "validation": "TinyStoriesV2-GPT4-valid.txt"}
HELD_OUT_SHARE = 0.1  # of a text that comes without a held-out one, at most


@dataclass(frozen=True)
class Corpus:
    """Tokens to train on and tokens to measure with.

    Args:
        train: mapped from the disk.
        held_out: in memory.
        tokenizer: that made them.
    """

    train: Tensor
    held_out: Tensor
    tokenizer: BPETokenizer


def prepare(
    stem: Path,
    text: Path | None,
    data: str | None,
    vocab_size: int,
    held_out_tokens: int,
    tokenizer_characters: int,
    keep: bool = False,
    say: Callable[[str], object] = lambda line: None,
) -> None:
    """Train a tokenizer and write the token files, unless they are there already from the same text, and whole.

    Args:
        stem: the files' names begin with it.
        text: a text file, or None.
        data: "shakespeare" or "tinystories", or None.
        vocab_size: of the tokenizer.
        held_out_tokens: how many tokens are kept for measuring, at most.
        tokenizer_characters: of the text's beginning that the tokenizer learns from.
        keep: a training run stands on the files: refuse to replace them.
        say: told what is done.

    Raises:
        DataError: the data set cannot be had.
        OSError, ValueError: the text cannot be read, is no text, or is too short for such a vocabulary; or a run stands on
            files that have changed.
    """
    with tempfile.TemporaryDirectory() as folder:
        train, validation = _texts(text, data, Path(folder))
        wanted = {
            "text": sha256(train),
            "held_out_text": None if validation is None else sha256(validation),
            "vocab_size": vocab_size,
            "held_out_tokens": held_out_tokens,
            "tokenizer_characters": tokenizer_characters,
        }
        note = _file(stem, "corpus.json")
        found = read_note(note)
        files = found.pop("files", {})
        damaged = [name for name in files if _checksum(_file(stem, name)) != files[name]]
        if found == wanted and files and not damaged:
            return
        if keep and found:
            told = [
                f"{key} was {found.get(key)!r}, now {v!r}" for key, v in wanted.items() if found.get(key) != v
            ]
            if told:
                raise ValueError(
                    f"{stem} is of another run: {'; '.join(told)}; give the same text and options"
                )
            raise ValueError(
                f"{_file(stem, (damaged or ['tokens'])[0])} is not what was written (its checksum differs): the run "
                "cannot go on as it began; restore the file, or start again with another --checkpoint"
            )
        note.unlink(missing_ok=True)  # what it spoke of is replaced now
        special = (END_OF_TEXT,) if data == "tinystories" else ()
        start = next(pieces_of_file(train, tokenizer_characters, special), "")
        if not start:
            raise ValueError(f"{train} is empty: expected a text")
        start = start[:tokenizer_characters]
        say(f"learning a vocabulary of {vocab_size:,} tokens from {len(start):,} characters")
        tokenizer = BPETokenizer.train(start, vocab_size, special, watch=_every(500, say, "{:,} tokens"))
        save_tokenizer(tokenizer, _file(stem, "tokenizer.json"))
        say("writing the text as tokens")
        write_tokens(train, tokenizer, _file(stem, "tokens"), special_tokens=bool(special))
        names = ["tokenizer.json", "tokens"]
        if validation is not None:
            write_tokens(validation, tokenizer, _file(stem, "held_out"), special_tokens=bool(special))
            names.append("held_out")
        else:
            _file(stem, "held_out").unlink(missing_ok=True)
        sums = {name: sha256(_file(stem, name)) for name in names}
        atomic_write_text(note, json.dumps({**wanted, "files": sums}) + "\n")


def read_note(path: Path) -> dict[str, Any]:
    """What one of the small files beside a checkpoint says; nothing where it is missing.

    Raises:
        ValueError: it is damaged; names it.
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): restore it, or remove it to have it made anew"
        ) from error
    if not isinstance(found, dict):
        raise ValueError(
            f"{path} is damaged (it holds no names): restore it, or remove it to have it made anew"
        )
    return found


def _checksum(path: Path) -> str | None:
    return sha256(path) if path.is_file() else None


def _every(some: int, say: Callable[[str], object], line: str) -> Callable[[int], None]:
    def watch(done: int) -> None:
        if done % some == 0:
            say(line.format(done))

    return watch


def load(stem: Path, held_out_tokens: int) -> Corpus:
    """What `prepare` wrote.

    Raises:
        OSError, ValueError: files are missing or damaged.
    """
    tokens = open_tokens(_file(stem, "tokens")).tokens()
    separate = _file(stem, "held_out")
    if separate.exists():
        held_out = open_tokens(separate).tokens()[:held_out_tokens]
    else:
        kept = min(held_out_tokens, int(HELD_OUT_SHARE * len(tokens)))
        if kept < 2:
            raise ValueError(f"the text has {len(tokens)} tokens: too few to hold some out for measuring")
        tokens, held_out = tokens[:-kept], tokens[-kept:]
    return Corpus(tokens, held_out.to(torch.long), load_tokenizer(_file(stem, "tokenizer.json")))


def _file(stem: Path, part: str) -> Path:
    return stem.parent / f"{stem.name}.{part}"


def _texts(text: Path | None, data: str | None, folder: Path) -> tuple[Path, Path | None]:
    """The file to train on and the one to measure with, if there is one."""
    if text is not None:
        return text, None
    if data == "shakespeare":
        paths = []
        for split in ("train", "validation"):
            paths.append(folder / f"{split}.txt")
            paths[-1].write_bytes(load_shakespeare(split).text.encode())
        return paths[0], paths[1]
    return tuple(_download(name) for name in TINYSTORIES_FILES.values())


def _download(name: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(filename=name, **TINYSTORIES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        cause = type(error).__name__
        raise DataError(
            f"TinyStories ({name}, 2 GB) could not be downloaded from the Hugging Face hub ({cause}): connect to the "
            f"internet, or get the file elsewhere and pass it as --text. Offline there is --data shakespeare"
        ) from error
