"""Text to numbers and back, three ways: characters, bytes, and byte-pair encoding.

All have `encode`, `decode`, `vocab_size` and `token_bytes`. What `encode` accepts, `decode` gives back exactly.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import index
from pathlib import Path

import regex

from fmlib._files import atomic_write_text
from fmlib.llm.bpe import GPT2_SPLIT, Pair, bpe_encode, learn_merges, split_words

FORMAT = "fmlib-bpe-1"
CACHED_WORDS = 2**17


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
        ValueError: one is not in the vocabulary.
    """
    ids = [index(token) for token in ids]
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


class BPETokenizer:
    """Byte-pair encoding on bytes, as GPT-2 has it: frequent words become one token, and still no text is impossible.

    Args:
        merges: pairs in the order in which they were learned: 0 to 255 are the bytes, 256 + i is what merge i makes.
        special_tokens: their texts, e.g. ``("<|endoftext|>",)``. They mark what is not text, such as the end of a
            document; `encode` makes them only when told to. Their ids come after all others, or are those of a mapping.
        pattern: of the words that no merge crosses.
        order: the id of each byte and then of what each merge makes, where these are not 0, 1, 2, ...

    Raises:
        ValueError: the parts do not fit together.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.
    """

    def __init__(
        self,
        merges: Sequence[Pair],
        special_tokens: Sequence[str] | Mapping[str, int] = (),
        pattern: str = GPT2_SPLIT,
        order: Sequence[int] | None = None,
    ) -> None:
        self.merges = [(left, right) for left, right in merges]
        self.pattern = pattern
        self._spelled = _spell(self.merges)
        self._order = list(range(len(self._spelled))) if order is None else list(order)
        if not isinstance(special_tokens, Mapping):
            special_tokens = {text: len(self._spelled) + i for i, text in enumerate(special_tokens)}
        self.special_tokens = dict(special_tokens)
        self._bytes = dict(zip(self._order, self._spelled, strict=False))
        self._bytes |= {token: utf8(text) for text, token in self.special_tokens.items()}
        self._check()
        self._ranks = {pair: 256 + i for i, pair in enumerate(self.merges)}
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._special = regex.compile("|".join(map(regex.escape, longest_first))) if longest_first else None
        self._cache: dict[str, list[int]] = {}

    def _check(self) -> None:
        if len(self._order) != len(self._spelled):
            raise ValueError(
                f"order has {len(self._order)} ids: expected {len(self._spelled)}, one for each byte and each merge"
            )
        if "" in self.special_tokens:
            raise ValueError("a special token is empty: expected text such as '<|endoftext|>'")
        if sorted(self._bytes) != list(range(len(self._spelled) + len(self.special_tokens))):
            count = len(self._spelled) + len(self.special_tokens)
            raise ValueError(
                f"the ids of tokens and special tokens are not 0 to {count - 1}, each of them once"
            )
        for probe in ("a b\n", " \u00e9 9!\t"):
            if "".join(split_words(probe, self.pattern)) != probe:
                raise ValueError(
                    f"pattern {self.pattern!r} leaves out characters, or has groups that capture"
                )

    @classmethod
    def train(
        cls,
        text: str,
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        pattern: str = GPT2_SPLIT,
    ) -> "BPETokenizer":
        """Learn the merges from a text.

        Args:
            text: the more, the better; special tokens in it end a word and are not learned from.
            vocab_size: 256 bytes, the special tokens, and the rest is merges.
            special_tokens, pattern: as in the class.

        Raises:
            ValueError: a vocabulary too small for bytes and special tokens, or too large for the text.
        """
        merges = vocab_size - 256 - len(special_tokens)
        if merges < 0:
            raise ValueError(
                f"vocab_size is {vocab_size}: expected {256 + len(special_tokens)} or more, for 256 bytes "
                f"and {len(special_tokens)} special tokens"
            )
        start = cls((), special_tokens, pattern)
        words = Counter(
            word
            for part, is_special in start._parts(text, True)
            if not is_special
            for word in split_words(part, pattern)
        )
        return cls(
            learn_merges({utf8(word): n for word, n in words.items()}, merges), special_tokens, pattern
        )

    @classmethod
    def from_ranks(
        cls,
        ranks: Mapping[bytes, int],
        special_tokens: Mapping[str, int] | None = None,
        pattern: str = GPT2_SPLIT,
    ) -> "BPETokenizer":
        """Take over a vocabulary as `tiktoken` has it: the bytes of each token -> its id, which is its rank, too.

        Raises:
            ValueError: a byte is missing, or a token that no merge of two earlier ones makes.
        """
        order = sorted(ranks, key=lambda token: (len(token) > 1, ranks[token]))
        if order[:256] != sorted(order[:256], key=ranks.get) or {*order[:256]} != {
            bytes([b]) for b in range(256)
        }:
            raise ValueError("ranks lack single bytes: expected all 256, or some texts could not be encoded")
        known = {token: (token[0] if i < 256 else i) for i, token in enumerate(order)}
        merges: list[Pair] = []
        made: dict[Pair, int] = {}
        for token in order[256:]:
            parts = bpe_encode(token, made)
            if len(parts) != 2:
                raise ValueError(f"the token {token!r} is not made of two earlier ones, but of {len(parts)}")
            made[tuple(parts)] = known[token]
            merges.append((parts[0], parts[1]))
        ids = [ranks[bytes([byte])] for byte in range(256)] + [ranks[token] for token in order[256:]]
        return cls(merges, special_tokens or {}, pattern, ids)

    @classmethod
    def from_gpt2(
        cls,
        vocab: str | os.PathLike,
        merges: str | os.PathLike,
        special_tokens: Sequence[str] = ("<|endoftext|>",),
        pattern: str = GPT2_SPLIT,
    ) -> "BPETokenizer":
        """Load a tokenizer from the two files that GPT-2 was published with.

        Args:
            vocab: vocab.json, from each token, its bytes written as letters, to its id.
            merges: merges.txt, two such tokens a line.
            special_tokens: which tokens of the vocabulary are not text.
            pattern: as in the class.

        Raises:
            ValueError: the files are not of this form or do not fit together; names the file.
        """
        table = _read_json(vocab)
        lines = Path(merges).read_text(encoding="utf-8").split("\n")
        pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
        letters = byte_letters()
        names = [letters[byte] for byte in range(256)]
        canonical = {name: i for i, name in enumerate(names)}
        learned: list[Pair] = []
        try:
            for left, right in pairs:
                learned.append((canonical[left], canonical[right]))
                names.append(left + right)
                canonical.setdefault(left + right, len(names) - 1)
            special = {text: table[text] for text in special_tokens}
            order = [table[name] for name in names]
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(f"{os.fspath(merges)} does not fit {os.fspath(vocab)}: {error!r}") from error
        return cls(learned, special, pattern, order)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, special ones included."""
        return len(self._bytes)

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for; of a special token, its text in UTF-8.

        Raises:
            ValueError: the id is not in the vocabulary.
        """
        return self._bytes[checked([token], self.vocab_size)[0]]

    def encode(self, text: str, allowed_special: bool = False) -> list[int]:
        """A text as token ids.

        Args:
            text: any text.
            allowed_special: whether ``<|endoftext|>`` and the like become special tokens. False for text that others
                wrote, who could otherwise end your document: then it is cut like any other text.

        Raises:
            ValueError: the text has a lone surrogate.
        """
        ids: list[int] = []
        cache = self._cache
        for part, is_special in self._parts(text, allowed_special):
            if is_special:
                ids.append(self.special_tokens[part])
                continue
            for word in split_words(part, self.pattern):
                known = cache.get(word)
                if known is None:
                    known = [self._order[token] for token in bpe_encode(utf8(word), self._ranks)]
                    if len(cache) < CACHED_WORDS:
                        cache[word] = known
                ids.extend(known)
        return ids

    def _parts(self, text: str, allowed_special: bool) -> list[tuple[str, bool]]:
        """The text cut at special tokens: pieces, and whether each is one."""
        utf8(text)  # refuse surrogates where their position still is the text's
        if not allowed_special or self._special is None:
            return [(text, False)]
        parts, end = [], 0
        for match in self._special.finditer(text):
            parts += [(text[end : match.start()], False), (match.group(), True)]
            end = match.end()
        return [*parts, (text[end:], False)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids.

        Args:
            ids: of any tokens. A token can be part of a character: bytes that are not UTF-8 become U+FFFD.

        Raises:
            ValueError: an id is not in the vocabulary.
        """
        return b"".join(self._bytes[token] for token in checked(ids, self.vocab_size)).decode(
            "utf-8", errors="replace"
        )

    def save(self, path: str | os.PathLike) -> None:
        """Write everything into a JSON file, whole or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        content = {
            "format": FORMAT,
            "pattern": self.pattern,
            "special_tokens": self.special_tokens,
            "merges": self.merges,
            "order": None if self._order == sorted(self._order) else self._order,
        }
        atomic_write_text(path, json.dumps(content, ensure_ascii=True) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike) -> "BPETokenizer":
        """Read what `save` wrote.

        Raises:
            ValueError: the file is not of this form; names the file.
            OSError: it cannot be read.
        """
        content = _read_json(path)
        if content.get("format") != FORMAT:
            raise ValueError(f"{os.fspath(path)} has format {content.get('format')!r}: expected {FORMAT!r}")
        try:
            special = {str(text): index(token) for text, token in content["special_tokens"].items()}
            merges = [(index(left), index(right)) for left, right in content["merges"]]
            return cls(merges, special, content["pattern"], content["order"])
        except (KeyError, TypeError, ValueError, AttributeError, regex.error) as error:
            raise ValueError(f"{os.fspath(path)} is no whole tokenizer: {error!r}") from error


def _spell(merges: Sequence[Pair]) -> list[bytes]:
    """The bytes of every token, from its merges."""
    spelled = [bytes([byte]) for byte in range(256)]
    for i, (left, right) in enumerate(merges):
        if not (0 <= left < len(spelled) and 0 <= right < len(spelled)):
            raise ValueError(
                f"merge {i} is of ({left}, {right}): expected tokens made before it, 0 to {255 + i}"
            )
        spelled.append(spelled[left] + spelled[right])
    if len(set(spelled)) != len(spelled):
        twice = next(token for token, n in Counter(spelled).items() if n > 1)
        raise ValueError(f"two merges make {twice!r}: expected every token once")
    return spelled


def _read_json(path: str | os.PathLike) -> dict:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{os.fspath(path)} is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{os.fspath(path)} holds a {type(content).__name__}: expected a JSON object")
    return content


def byte_letters() -> dict[int, str]:
    """The letter that GPT-2's files write for each byte, since JSON cannot hold bytes.

    Printable bytes stand for themselves; the others, in order, for the letters from U+0100 on: a space is Ġ.

    Source: the released code of GPT-2, `bytes_to_unicode`.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
