"""A tokenizer of one's own in a file: plain JSON, written whole or not at all, refused where parts are missing."""

import json
import os
from collections.abc import Mapping
from operator import index
from typing import Any

from fmlib._files import atomic_write_text
from fmlib.llm.tokens.tokenizer import BPETokenizer
from fmlib.llm.tokens.vocabularies import read_json

FORMAT = "fmlib-bpe-1"


def save_tokenizer(tokenizer: BPETokenizer, path: str | os.PathLike) -> None:
    """Write everything into a JSON file, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    atomic_write_text(path, json.dumps(tokenizer_to_json(tokenizer)) + "\n")


def load_tokenizer(path: str | os.PathLike) -> BPETokenizer:
    """Read what `save_tokenizer` wrote.

    Raises:
        ValueError: the file is not of this form; names it.
        OSError: it cannot be read.
    """
    try:
        return tokenizer_from_json(read_json(path))
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)} is no whole tokenizer: {error}") from error


def tokenizer_to_json(tokenizer: BPETokenizer) -> dict[str, Any]:
    """All that a tokenizer is, ready for JSON."""
    return {"format": FORMAT, **tokenizer.parts()}


def tokenizer_from_json(content: Mapping[str, Any]) -> BPETokenizer:
    """Make again what `tokenizer_to_json` took apart.

    Raises:
        ValueError: another format, or parts that are missing or do not fit.
    """
    if content.get("format") != FORMAT:
        raise ValueError(f"the tokenizer has format {content.get('format')!r}: expected {FORMAT!r}")
    try:
        special = {text: index(token) for text, token in content["special_tokens"].items()}
        merges = [(index(left), index(right)) for left, right in content["merges"]]
        order = [token if token is None else index(token) for token in content["order"]]
        return BPETokenizer(merges, special, content["pattern"], order)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"parts of the tokenizer are missing or do not fit: {error}") from error
