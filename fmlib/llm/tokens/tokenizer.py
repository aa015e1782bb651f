"""Text to numbers and back: byte-pair encoding as a tokenizer, beside the simpler ones of `fmlib.llm.tokens.characters`.

All have `encode`, `decode`, `vocab_size` and `token_bytes`. What `encode` accepts, `decode` gives back exactly.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import regex

from fmlib.llm.tokens.bpe import GPT2_SPLIT, Pair, bpe_encode, bpe_encode_long, learn_merges, split_words
from fmlib.llm.tokens.characters import checked, utf8
from fmlib.llm.tokens.vocabularies import parts_of_letters, parts_of_ranks, read_json, read_merges

CACHED_WORDS = 2**17
LONG_WORD = 100  # characters; shorter words are faster without a heap
END_OF_TEXT = "<|endoftext|>"


class BPETokenizer:
    """Byte-pair encoding on bytes, as GPT-2 has it: frequent words become one token, and still no text is impossible.

    Args:
        merges: pairs in the order in which they were learned: 0 to 255 are the bytes, 256 + i is what merge i makes.
        special_tokens: their texts, e.g. ``("<|endoftext|>",)``. They mark what is not text, such as the end of a
            document; `encode` makes them only when told to. Their ids come after all others, or are those of a mapping.
        pattern: of the words that no merge crosses.
        order: for each byte and then for what each merge makes its id, where these are not 0, 1, 2, ...; None for a byte
            that the vocabulary lacks.

    Raises:
        ValueError: the parts do not fit together.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.
    """

    def __init__(
        self,
        merges: Sequence[Pair],
        special_tokens: Sequence[str] | Mapping[str, int] = (),
        pattern: str = GPT2_SPLIT,
        order: Sequence[int | None] | None = None,
    ) -> None:
        self.merges = [(left, right) for left, right in merges]
        self.pattern = pattern
        spelled = _spell(self.merges)
        self._order = list(range(len(spelled))) if order is None else list(order)
        if not isinstance(special_tokens, Mapping):
            special_tokens = {text: len(spelled) + i for i, text in enumerate(special_tokens)}
        self.special_tokens = dict(special_tokens)
        self._check(len(spelled))
        self._bytes = {token: spelling for token, spelling in zip(self._order, spelled, strict=True)}
        self._bytes |= {token: utf8(text) for text, token in self.special_tokens.items()}
        self._bytes.pop(None, None)
        self._ranks = {pair: 256 + i for i, pair in enumerate(self.merges)}
        longest_first = sorted(self.special_tokens, key=len, reverse=True)
        self._special = regex.compile("|".join(map(regex.escape, longest_first))) if longest_first else None
        self._cache: dict[str, list[int]] = {}

    def _check(self, made: int) -> None:
        if len(self._order) != made:
            raise ValueError(
                f"order has {len(self._order)} ids: expected {made}, for 256 bytes and each merge"
            )
        if "" in self.special_tokens:
            raise ValueError("a special token is empty: expected text such as '<|endoftext|>'")
        ids = [token for token in self._order if token is not None] + list(self.special_tokens.values())
        if sorted(ids) != list(range(len(ids))):
            raise ValueError(f"the ids of all tokens are not 0 to {len(ids) - 1}, each of them once")
        probe = "a1 b! \u00e9\u4e2d\n\t\u00a0 9"
        try:
            whole = "".join(split_words(probe, self.pattern)) == probe
        except (TypeError, regex.error) as error:  # pieces that are tuples come from groups
            raise ValueError(f"pattern {self.pattern!r} cannot be used: {error}") from error
        if not whole:
            raise ValueError(
                f"pattern {self.pattern!r} leaves out characters: its pieces must give back any text"
            )

    @classmethod
    def train(
        cls,
        text: str,
        vocab_size: int,
        special_tokens: Sequence[str] = (),
        pattern: str = GPT2_SPLIT,
        watch: Callable[[int], object] = lambda learned: None,
    ) -> "BPETokenizer":
        """Learn the merges from a text.

        Args:
            text: the more, the better; special tokens in it end a word and are not learned from.
            vocab_size: 256 bytes, the special tokens, and the rest is merges.
            special_tokens, pattern: as in the class.
            watch: told after each merge how many have been learned.

        Raises:
            ValueError: a vocabulary too small for bytes and special tokens, or too large for the text.
        """
        merges = vocab_size - 256 - len(special_tokens)
        if merges < 0:
            raise ValueError(
                f"vocab_size is {vocab_size}: expected {256 + len(special_tokens)} or more, for 256 bytes "
                f"and {len(special_tokens)} special tokens"
            )
        parts = cls((), special_tokens, pattern)._parts(text, allowed_special=True)
        words = Counter(word for part, special in parts if not special for word in split_words(part, pattern))
        learned = learn_merges({utf8(word): count for word, count in words.items()}, merges, watch=watch)
        return cls(learned, special_tokens, pattern)

    @classmethod
    def from_ranks(
        cls, ranks: Mapping[bytes, int], special_tokens: Mapping[str, int], pattern: str = GPT2_SPLIT
    ) -> "BPETokenizer":
        """Take over a vocabulary as `tiktoken` has it: the bytes of each token -> its id, which is its rank, too.

        Raises:
            ValueError: a token is not made of two earlier ones, or ids are missing.
        """
        merges, order = parts_of_ranks(ranks)
        return cls(merges, special_tokens, pattern, order)

    @classmethod
    def from_letters(
        cls,
        vocabulary: Mapping[str, int],
        merges: Sequence[tuple[str, str]],
        special_tokens: Sequence[str] = (END_OF_TEXT,),
        pattern: str = GPT2_SPLIT,
    ) -> "BPETokenizer":
        """Take over a vocabulary whose tokens are written in letters, one for each byte (`vocabularies.byte_letters`).

        Args:
            vocabulary: token -> id.
            merges: pairs of tokens in the order in which they are applied.
            special_tokens: which tokens of the vocabulary are not text.
            pattern: as in the class.

        Raises:
            ValueError: the parts do not fit together.
        """
        missing = [text for text in special_tokens if text not in vocabulary]
        if missing:
            raise ValueError(
                f"the special tokens {missing} are not in the vocabulary of {len(vocabulary)} tokens"
            )
        pairs, order = parts_of_letters(vocabulary, merges)
        return cls(pairs, {text: vocabulary[text] for text in special_tokens}, pattern, order)

    @classmethod
    def from_gpt2(cls, vocab: str | os.PathLike, merges: str | os.PathLike) -> "BPETokenizer":
        """Load the two files that GPT-2 was published with, vocab.json and merges.txt.

        Raises:
            ValueError: the files are not of this form or do not fit together; names the file.
            OSError: they cannot be read.
        """
        try:
            return cls.from_letters(read_json(vocab), read_merges(merges))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(vocab)} and {os.fspath(merges)} do not fit: {error}") from error

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
            ValueError: the text has a lone surrogate, or a byte that the vocabulary lacks.
        """
        ids: list[int] = []
        cache = self._cache
        for part, special in self._parts(text, allowed_special):
            if special:
                ids.append(self.special_tokens[part])
                continue
            for word in split_words(part, self.pattern):
                known = cache.get(word)
                if known is None:
                    known = self._encode_word(word)
                    if len(cache) < CACHED_WORDS:
                        cache[word] = known
                ids.extend(known)
        return ids

    def _encode_word(self, word: str) -> list[int]:
        encode = bpe_encode_long if len(word) > LONG_WORD else bpe_encode
        ids = [self._order[token] for token in encode(utf8(word), self._ranks)]
        if None in ids:
            raise ValueError(
                f"{word!r} has a byte that is not in the vocabulary: this tokenizer cannot write it"
            )
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
        spelled = b"".join(self._bytes[token] for token in checked(ids, self.vocab_size))
        return spelled.decode("utf-8", errors="replace")

    def parts(self) -> dict[str, Any]:
        """All that the tokenizer is: pattern, special_tokens, merges and order, as the class takes them."""
        return {
            "pattern": self.pattern,
            "special_tokens": self.special_tokens,
            "merges": self.merges,
            "order": self._order,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BPETokenizer) and self.parts() == other.parts()

    __hash__ = None

    def __repr__(self) -> str:
        return f"BPETokenizer({self.vocab_size:,} tokens, {len(self.special_tokens)} of them special)"


def _spell(merges: Sequence[Pair]) -> list[bytes]:
    """The bytes of every token, from its merges."""
    spelled = [bytes([byte]) for byte in range(256)]
    for i, (left, right) in enumerate(merges):
        if not (0 <= left < len(spelled) and 0 <= right < len(spelled)):
            raise ValueError(
                f"merge {i} is of ({left}, {right}): expected two of 0 to {255 + i}, made before it"
            )
        spelled.append(spelled[left] + spelled[right])
    if len(set(spelled)) != len(spelled):
        twice = next(token for token, count in Counter(spelled).items() if count > 1)
        raise ValueError(f"two merges make {twice!r}: expected every token once")
    return spelled
