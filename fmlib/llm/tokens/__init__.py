"""From text to numbers: characters, bytes, byte-pair encoding, WordPiece, and how to compare them.

In reading order:

    characters    a token for each character or each byte
    bpe           byte-pair encoding in plain functions
    tokenizer     the same as a tokenizer that GPT-2 would know
    saving        one of your own in a file
    vocabularies  published vocabularies, taken apart
    wordpiece     BERT's tokenizer
    measure       characters per token, what counting single tokens and pairs achieves, and which rows are unused
    show          a text with its tokens in boxes
"""

from fmlib.llm.tokens.bpe import (
    GPT2_SPLIT,
    bpe_encode,
    count_pairs,
    learn_merges,
    merge_pair,
    most_frequent_pair,
    split_words,
)
from fmlib.llm.tokens.characters import ByteTokenizer, CharTokenizer, Tokenizer
from fmlib.llm.tokens.measure import bigram_nats, characters_per_token, likeness_to_unused, unigram_nats
from fmlib.llm.tokens.saving import load_tokenizer, save_tokenizer
from fmlib.llm.tokens.show import color_tokens, draw_tokens
from fmlib.llm.tokens.tokenizer import BPETokenizer
from fmlib.llm.tokens.wordpiece import WordPieceTokenizer

__all__ = [
    "GPT2_SPLIT",
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "Tokenizer",
    "WordPieceTokenizer",
    "bigram_nats",
    "bpe_encode",
    "characters_per_token",
    "color_tokens",
    "count_pairs",
    "draw_tokens",
    "learn_merges",
    "likeness_to_unused",
    "load_tokenizer",
    "merge_pair",
    "most_frequent_pair",
    "save_tokenizer",
    "split_words",
    "unigram_nats",
]
