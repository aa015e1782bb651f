"""The two simplest tokenizers: a token for each character, a token for each byte."""

from collections.abc import Iterable
from operator import index
from typing import Protocol, runtime_checkable


@runtime_checkable
class Tokenizer(Protocol):
    """What every tokenizer of this chapter can do."""

    @property
    def vocab_size(self) -> int:
        """How many tokens there are; their ids are 0 to vocab_size - 1."""

    def encode(self, text: str) -> list[int]:
        """A text as token ids."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids."""

    def token_bytes(self, token: int) -> bytes:
        """What a token stands for."""


def utf8(text: str) -> bytes:
    """A text's bytes in UTF-8.

    Raises:
        ValueError: it has a lone surrogate, half of a UTF-16 pair, which is no character.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text has the lone surrogate {text[error.start]!r} at position {error.start}, which is no character: mend it, "
            "e.g. with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from None


def checked(ids: Iterable[int], vocab_size: int) -> list[int]:
    """Token ids as whole numbers.

    Raises:
        ValueError: one is no whole number, or not in the vocabulary.
    """
    try:
        ids = [index(token) for token in ids]
    except TypeError as error:
        raise ValueError(f"ids are {ids!r}: expected whole numbers from 0 to {vocab_size - 1}") from error
    if ids and not 0 <= min(ids) <= max(ids) < vocab_size:
        bad = next(token for token in ids if not 0 <= token < vocab_size)
        raise ValueError(f"token {bad} is not in the vocabulary: expected 0 to {vocab_size - 1}")
    return ids


class CharTokenizer:
    """One token for each different character of a text.

    Args:
        characters: the vocabulary; the id is the place in it.

    Raises:
        ValueError: a character occurs twice.
    """

    def __init__(self, characters: str) -> None:
        self.characters = characters
        self._ids = {character: i for i, character in enumerate(characters)}
        if len(self._ids) != len(characters):
            raise ValueError(f"characters are {characters!r}: expected each of them once")

    @classmethod
    def train(cls, text: str) -> "CharTokenizer":
        """The characters of a text, in the order of their code points."""
        return cls("".join(sorted(set(text))))

    @property
    def vocab_size(self) -> int:
        """How many tokens there are."""
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """One id for each character.

        Raises:
            ValueError: a character is not in the vocabulary.
        """
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise ValueError(
                f"the character {error.args[0]!r} is not among the {self.vocab_size} of the vocabulary: train on "
                "text that has it, or take bytes"
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids.

        Raises:
            ValueError: an id is not in the vocabulary.
        """
        return "".join(self.characters[token] for token in checked(ids, self.vocab_size))

    def token_bytes(self, token: int) -> bytes:
        """What a token stands for, in UTF-8."""
        return utf8(self.decode([token]))


class ByteTokenizer:
    """One token for each byte of UTF-8: 256 tokens for all texts in the world."""

    vocab_size = 256

    def encode(self, text: str) -> list[int]:
        """One id for each byte.

        Raises:
            ValueError: the text has a lone surrogate.
        """
        return list(utf8(text))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; bytes that are not UTF-8 become U+FFFD, the replacement character.

        Raises:
            ValueError: an id is not in the vocabulary.
        """
        return bytes(checked(ids, 256)).decode("utf-8", errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """The byte that a token stands for."""
        return bytes(checked([token], 256))
