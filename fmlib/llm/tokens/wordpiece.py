"""WordPiece, BERT's tokenizer: take the longest piece of the vocabulary that the word begins with, then go on behind it."""

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from fmlib._files import atomic_write_text
from fmlib.llm.tokens.bpe import learn_merges
from fmlib.llm.tokens.characters import checked, utf8

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUES = "##"  # marks a piece that does not begin a word
LONGEST_WORD = 100  # characters; what is longer is no word, but an address or worse


def wordpiece(word: str, vocabulary: Collection[str], unknown: str = "[UNK]") -> list[str]:
    """Cut a word into pieces, greedily: always the longest one that fits.

    Args:
        word: without white space.
        vocabulary: the pieces; those inside of a word begin with ``##``.
        unknown: stands for the whole word where no piece fits.

    Returns:
        The pieces, e.g. ``["play", "##ing"]``; none for an empty word.

    Source: Devlin et al. 2019, "BERT", section 3, and its released code; the name is from Schuster and Nakajima 2012.
    """
    pieces, start = [], 0
    while start < len(word):
        prefix = CONTINUES if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if prefix + word[start:end] in vocabulary), None)
        if end is None:
            return [unknown]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


def basic_words(text: str, lowercase: bool = True) -> list[str]:
    """Cut a text at white space and around every punctuation mark and Chinese character, as BERT does.

    Args:
        text: anything.
        lowercase: make letters small and drop their accents, as the uncased models do.

    Returns:
        The words. Spaces, control characters and, with `lowercase`, case and accents are lost.

    Source: the released code of BERT, `BasicTokenizer`.
    """
    spaced = []
    for character in text:
        kind = unicodedata.category(character)
        if character in "\t\n\r" or kind[0] == "Z":
            spaced.append(" ")
        elif character != "\ufffd" and kind not in ("Cc", "Cf", "Co"):  # control, format, private use
            spaced.append(f" {character} " if _is_chinese(character) else character)
    text = "".join(spaced)
    if lowercase:
        parts = unicodedata.normalize("NFD", text.lower())
        text = "".join(character for character in parts if unicodedata.category(character) != "Mn")
    return "".join(
        f" {character} " if _is_punctuation(character) else character for character in text
    ).split()


def _is_chinese(character: str) -> bool:
    blocks = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F))
    more = ((0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
    return any(first <= ord(character) <= last for first, last in blocks + more)


def _is_punctuation(character: str) -> bool:
    # Signs such as $ and ^ count too, which Unicode does not call punctuation.
    return character in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" or unicodedata.category(character)[0] == "P"


class WordPieceTokenizer:
    """BERT's way from text to numbers and back; what comes back has lost spaces, case and accents.

    Args:
        pieces: the vocabulary with its special tokens; the id is the place in it.
        lowercase: as in `basic_words`.

    Raises:
        ValueError: a piece occurs twice, or ``[UNK]`` is missing.
    """

    def __init__(self, pieces: Sequence[str], lowercase: bool = True) -> None:
        self.pieces, self.lowercase = list(pieces), lowercase
        self._ids = {piece: i for i, piece in enumerate(self.pieces)}
        if len(self._ids) != len(self.pieces):
            twice = next(piece for piece, count in Counter(self.pieces).items() if count > 1)
            raise ValueError(f"the piece {twice!r} occurs twice: expected every piece once")
        if "[UNK]" not in self._ids:
            raise ValueError(f"none of the {len(self.pieces)} pieces is '[UNK]', which unknown words need")
        self.special_tokens = {piece: self._ids[piece] for piece in SPECIAL if piece in self._ids}

    @classmethod
    def train(cls, text: str, vocab_size: int, lowercase: bool = True) -> "WordPieceTokenizer":
        """Choose the pieces: every character, then what byte-pair merges of characters make.

        Google's own training was not published. Like `tokenizers`, this one merges the most frequent pair; only the
        cutting of words, by longest match, is WordPiece's own.

        Args:
            text: to learn from.
            vocab_size: special tokens, characters and merges together.
            lowercase: as in `basic_words`.

        Raises:
            ValueError: a vocabulary too small for the text's characters, or too large for its words.
        """
        words = Counter(basic_words(text, lowercase))
        alphabet = sorted({symbol for word in words for symbol in _symbols(word)})
        merges = vocab_size - len(SPECIAL) - len(alphabet)
        if merges < 0:
            raise ValueError(
                f"vocab_size is {vocab_size}: expected {vocab_size - merges} or more, for {len(SPECIAL)} special tokens "
                f"and {len(alphabet)} pieces of one character, inside of words or not"
            )
        numbers = {symbol: i for i, symbol in enumerate(alphabet)}
        spelled = {tuple(numbers[symbol] for symbol in _symbols(word)): n for word, n in words.items()}
        pieces = list(alphabet)
        for left, right in learn_merges(spelled, merges, first_id=len(alphabet)):
            pieces.append(pieces[left] + pieces[right].removeprefix(CONTINUES))
        return cls([*SPECIAL, *pieces], lowercase)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, special ones included."""
        return len(self.pieces)

    def encode(self, text: str) -> list[int]:
        """A text as token ids, without ``[CLS]`` and ``[SEP]``, which the model's input adds.

        ``[SEP]`` and the like in the text stay text; take the ids from `special_tokens`.

        Raises:
            ValueError: the text has a lone surrogate.
        """
        utf8(text)
        ids = []
        for word in basic_words(text, self.lowercase):
            pieces = wordpiece(word, self._ids) if len(word) <= LONGEST_WORD else ["[UNK]"]
            ids += [self._ids[piece] for piece in pieces]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The words of token ids with a space between each two.

        Raises:
            ValueError: an id is not in the vocabulary.
        """
        pieces = [self.pieces[token] for token in checked(ids, self.vocab_size)]
        return " ".join(pieces).replace(f" {CONTINUES}", "")

    def token_bytes(self, token: int) -> bytes:
        """A piece in UTF-8, with its ``##``.

        Raises:
            ValueError: the id is not in the vocabulary.
        """
        return utf8(self.pieces[checked([token], self.vocab_size)[0]])

    def save(self, path: str | os.PathLike) -> None:
        """Write the pieces one a line, as BERT's vocab.txt.

        Raises:
            OSError: the file cannot be written.
        """
        atomic_write_text(path, "".join(f"{piece}\n" for piece in self.pieces))

    @classmethod
    def load(cls, path: str | os.PathLike, lowercase: bool = True) -> "WordPieceTokenizer":
        """Read a vocab.txt, ours or a published one.

        Raises:
            ValueError: it is not UTF-8, or its pieces are no vocabulary; names the file.
            OSError: it cannot be read.
        """
        try:
            lines = Path(path).read_bytes().decode("utf-8").replace("\r\n", "\n").split("\n")
            return cls(lines[:-1] if lines[-1] == "" else lines, lowercase)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)} is no vocabulary: {error}") from error


def _symbols(word: str) -> list[str]:
    return [word[0], *(CONTINUES + character for character in word[1:])]
