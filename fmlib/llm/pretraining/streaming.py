"""Texts that do not fit in memory: tokenized once, piece by piece, into a file that is read where it lies.

A token file is a header of 4,096 bytes (JSON, padded with spaces) and then the ids, 2 bytes each where the vocabulary
allows it, else 4. It is written under another name and moved into place when it is whole.
"""

import codecs
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import regex
import torch
from jaxtyping import Integer
from torch import Tensor

from fmlib._files import atomic_file, sha256
from fmlib.llm.tokens.characters import Tokenizer

FORMAT = "fmlib-tokens-1"
HEADER = 4096
CHUNK = 1 << 20  # characters read at a time
LONGEST = 1 << 26  # characters without a place to cut before we give up
_CUTS = (regex.compile(r"(?r)\n(?=\S)"), regex.compile(r"(?r)\s(?=\S)"))  # both look from the end on


@dataclass(frozen=True)
class TokenFile:
    """Tokens on disk.

    Args:
        path: of the file.
        count: how many tokens.
        characters: of the text that they were.
        vocab_size: of the tokenizer.
        dtype: "uint16" or "uint32".
        sha256: of the tokens' bytes.
        text_sha256: of the text's bytes.
    """

    path: Path
    count: int
    characters: int
    vocab_size: int
    dtype: str
    sha256: str
    text_sha256: str

    def __len__(self) -> int:
        return self.count

    def tokens(self) -> Integer[Tensor, "text"]:
        """The ids as a tensor that is mapped from the file: what is indexed is read, the rest stays on the disk.

        `fmlib.training.batches.TextBatches` takes it like any other. Writing to it changes nothing in the file.
        """
        mapped = np.memmap(
            self.path, dtype="<" + _CODES[self.dtype], mode="c", offset=HEADER, shape=self.count
        )
        return torch.from_numpy(mapped)

    def check(self) -> None:
        """Read the whole file and compare it with its checksum.

        Raises:
            ValueError: it has changed since it was written.
        """
        digest = hashlib.sha256()
        with open(self.path, "rb") as file:
            file.seek(HEADER)
            while block := file.read(1 << 20):
                digest.update(block)
        if digest.hexdigest() != self.sha256:
            raise ValueError(f"{self.path} is not what was written (its checksum differs): make it anew")


_CODES = {"uint16": "u2", "uint32": "u4"}


def write_tokens(
    text: str | os.PathLike,
    tokenizer: Tokenizer,
    path: str | os.PathLike,
    special_tokens: bool = False,
    chunk: int = CHUNK,
) -> TokenFile:
    """Tokenize a text file into a token file, with a few megabytes of memory however large it is.

    The tokens are those of the whole text at once: it is cut before the last white space in front of a word only, where no
    token of the GPT-2 pattern, of characters or of bytes crosses.

    Args:
        text: a file in UTF-8.
        tokenizer: any.
        path: of the token file; one that is there is replaced when the new one is whole.
        special_tokens: whether ``<|endoftext|>`` and the like in the text become special tokens.
        chunk: characters read at a time.

    Returns:
        The token file.

    Raises:
        OSError: the text cannot be read, or the token file cannot be written.
        ValueError: the text is empty or not UTF-8, or has no white space in 64 million characters.
    """
    path, text = Path(path), Path(text)
    dtype = "uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32"
    count, characters, digest = 0, 0, hashlib.sha256()
    marks = tuple(getattr(tokenizer, "special_tokens", ())) if special_tokens else ()
    options = {"allowed_special": True} if marks else {}
    with atomic_file(path) as file:
        file.write(b" " * HEADER)
        for piece in pieces_of_file(text, chunk, marks):
            ids = np.asarray(tokenizer.encode(piece, **options), dtype="<" + _CODES[dtype])
            file.write(ids.tobytes())
            digest.update(ids.tobytes())
            count += len(ids)
            characters += len(piece)
        if count == 0:
            raise ValueError(f"{text} is empty: expected a text")
        made = TokenFile(
            path, count, characters, tokenizer.vocab_size, dtype, digest.hexdigest(), sha256(text)
        )
        header = {"format": FORMAT, **asdict(made)}
        del header["path"]
        file.seek(0)
        file.write(json.dumps(header).encode())
    return made


def open_tokens(path: str | os.PathLike) -> TokenFile:
    """A token file that `write_tokens` made.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no token file, or not whole; names it.
    """
    path = Path(path)
    with open(path, "rb") as file:
        start = file.read(HEADER)
    try:
        header = json.loads(start)
        if header.pop("format") != FORMAT:
            raise ValueError("another format")
        found = TokenFile(path=path, **header)
        size = np.dtype(_CODES[found.dtype]).itemsize
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no token file ({error}): make it with write_tokens") from error
    expected = HEADER + found.count * size
    if path.stat().st_size != expected:
        raise ValueError(
            f"{path} has {path.stat().st_size:,} bytes: expected {expected:,} for {found.count:,} tokens; make it anew"
        )
    return found


def pieces_of_file(
    path: str | os.PathLike, chunk: int = CHUNK, special_tokens: tuple[str, ...] = ()
) -> Iterator[str]:
    """A text file in pieces of about `chunk` characters, each but the first beginning with white space.

    A piece ends before a line end that is followed by something to see or, where there is none, before any white space
    that is: there the pattern that cuts texts into words for byte-pair encoding always cuts, so that the tokens of the
    pieces are the tokens of the text.

    Args:
        path: in UTF-8; line ends stay as they are.
        chunk: characters, at least 1.
        special_tokens: texts that end the run of white space before them; no cut is made in one or right before it.

    Raises:
        OSError: it cannot be read.
        ValueError: not UTF-8, or no place to cut in 64 million characters.
    """
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}: expected 1 or more characters")
    # What comes after a possible special token must be seen whole, so the last few characters wait.
    room = max((len(mark) for mark in special_tokens), default=0)
    waiting, seen = "", 0  # up to `seen` there is no place to cut
    try:
        with open(path, encoding="utf-8", newline="") as file:
            while more := file.read(chunk):
                waiting += more
                end = _last_cut(waiting, seen, special_tokens)
                if end:
                    yield waiting[:end]
                    waiting, seen = waiting[end:], 0
                elif len(waiting) > max(LONGEST, 2 * chunk):
                    raise ValueError(
                        f"{path} has no white space to cut at in {len(waiting):,} characters: break it into lines"
                    )
                else:
                    seen = max(0, len(waiting) - room - 1)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 {_where_not_utf8(path)}: convert it, e.g. with iconv -t utf-8"
        ) from error
    if waiting:
        yield waiting


def _last_cut(text: str, first: int, special_tokens: tuple[str, ...]) -> int:
    """Where the last white space stands that a piece may end before, from `first` on; 0 if there is none."""
    room = max((len(mark) for mark in special_tokens), default=0)
    for cut in _CUTS:
        for found in cut.finditer(text, max(1, first)):
            end, after = found.start(), found.end()
            near = text[max(0, end - room + 1) : after + room]
            if after + room <= len(text) and not any(mark in near for mark in special_tokens):
                return end
    return 0


def _where_not_utf8(path: str | os.PathLike) -> str:
    """The first byte of a file that is no part of a character, with its line."""
    decoder, done, line = codecs.getincrementaldecoder("utf-8")(), 0, 1
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            kept = len(decoder.getstate()[0])  # bytes of a character that began in the block before
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                line += block[: max(0, error.start - kept)].count(b"\n")
                return f"at byte {done - kept + error.start + 1:,} (line {line:,})"
            done += len(block)
            line += block.count(b"\n")
    return "at its end"
