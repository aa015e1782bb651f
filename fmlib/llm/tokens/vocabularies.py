"""Vocabularies as others publish them, taken apart into what `BPETokenizer` is made of: merges, and an id for each token."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmlib.llm.tokens.bpe import Pair, bpe_encode

# GPT-2's, with every digit on its own, as SmolLM2 and Falcon cut: a number then has as many tokens as digits.
DIGIT_SPLIT = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"


def byte_letters() -> dict[int, str]:
    """The letter that GPT-2's files write for each byte, since JSON cannot hold bytes.

    Returns:
        byte -> letter. Printable bytes stand for themselves, the others in order for the letters from U+0100 on, so that
        a space is Ġ and a line end Ċ.

    Source: the released code of GPT-2, `bytes_to_unicode`.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}


def parts_of_letters(
    vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]]
) -> tuple[list[Pair], list[int | None]]:
    """Take apart a vocabulary written in `byte_letters`.

    Args:
        vocabulary: token -> id.
        merges: pairs of tokens in the order in which they are applied.

    Returns:
        The merges as pairs of numbers, where 0 to 255 are bytes and 256 + i is what merge i makes; and for each of those
        numbers its id in the vocabulary, None for a byte that the vocabulary lacks.

    Raises:
        ValueError: a merge is of parts that do not exist, or makes what is not in the vocabulary.
    """
    letters = byte_letters()
    numbers = {letters[byte]: byte for byte in range(256)}
    order = [vocabulary.get(letters[byte]) for byte in range(256)]
    pairs: list[Pair] = []
    for i, (left, right) in enumerate(merges):
        if left not in numbers or right not in numbers or left + right not in vocabulary:
            raise ValueError(
                f"merge {i} is of {left!r} and {right!r}: expected parts made before it, and the whole in the vocabulary"
            )
        pairs.append((numbers[left], numbers[right]))
        numbers[left + right] = 256 + i
        order.append(vocabulary[left + right])
    return pairs, order


def parts_of_ranks(ranks: Mapping[bytes, int]) -> tuple[list[Pair], list[int | None]]:
    """Take apart a vocabulary as `tiktoken` has it, where a token's id is its rank, too.

    The merges are not written there. But a token is made by its last merge, of the two parts that the earlier merges make
    of its bytes.

    Args:
        ranks: the bytes of each token -> its id.

    Returns:
        As `parts_of_letters`.

    Raises:
        ValueError: a token is not made of two earlier ones.
    """
    made: dict[Pair, int] = {}
    order: list[int | None] = [ranks.get(bytes([byte])) for byte in range(256)]
    for token in sorted((token for token in ranks if len(token) > 1), key=lambda token: ranks[token]):
        parts = bpe_encode(token, made)
        if len(parts) != 2:
            raise ValueError(f"the token {token!r} is made of {len(parts)} earlier ones: expected two")
        made[parts[0], parts[1]] = len(order)
        order.append(ranks[token])
    return list(made), order


def read_json(path: str | os.PathLike) -> dict:
    """The JSON object in a file.

    Raises:
        ValueError: the file holds something else; names it.
        OSError: it cannot be read.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not even UTF-8
        raise ValueError(f"{os.fspath(path)} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{os.fspath(path)} holds a {type(content).__name__}: expected a JSON object")
    return content


def read_merges(path: str | os.PathLike) -> list[tuple[str, str]]:
    """The pairs in a merges.txt, one a line, after a first line with a version.

    Raises:
        ValueError: a line has not two parts; names file and line.
        OSError: it cannot be read.
    """
    pairs = []
    text = Path(path).read_text(encoding="utf-8")
    # Not splitlines(), which would also cut at letters that stand for bytes.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line and not (number == 1 and line.startswith("#version")):
            parts = line.split(" ")
            if len(parts) != 2 or not all(parts):
                raise ValueError(
                    f"{os.fspath(path)}, line {number} is {line!r}: expected two tokens and a space between"
                )
            pairs.append((parts[0], parts[1]))
    return pairs
