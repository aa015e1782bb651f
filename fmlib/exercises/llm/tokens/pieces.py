"""Bits per character, and WordPiece's longest match."""

import math
from numbers import Real

import torch

from fmlib.evaluate import bits_per_character
from fmlib.exercises.compare import describe
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.llm.tokens.notes import watch_list
from fmlib.exercises.observe import Notes
from fmlib.llm.tokens.wordpiece import wordpiece


def plain_bits(nats, characters):
    return nats / math.log(2) / characters


def watch_number(function, inputs) -> Notes:
    """A number, as Python, NumPy or torch has it."""
    value = function(*inputs.values())
    if (
        getattr(value, "shape", None) == ()
        and hasattr(value, "item")
        and not getattr(value, "is_sparse", False)
    ):
        value = value.item()
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return {"the result": torch.tensor(float(value), dtype=torch.float64) if is_number else describe(value)}


BITS_PER_CHARACTER = Exercise(
    name="bits_per_character",
    chapter="llm",
    title="From nats to bits per character",
    kind="write",
    difficulty=1,
    minutes=5,
    goal=r"""
A model's loss comes in nats per token, and two models with different tokenizers cannot be compared by it.
`nats` is the loss of *all* tokens of a text added up, $-\ln p(\text{text})$, and `characters` is how many
characters the text has. Return the loss in bits per character: how many bits a perfect
compressor that trusts this model would spend on each.
""",
    starter='''
import math


def bits_per_character(nats, characters):
    """The loss in bits per character: a number."""
    raise NotImplementedError("write bits_per_character")
''',
    reference=bits_per_character,
    observe=watch_number,
    cases=(
        Case("a fair coin, ten times", lambda g: {"nats": 10 * math.log(2), "characters": 10}),
        Case("a byte at random", lambda g: {"nats": math.log(256), "characters": 1}),
        Case("a text of 300,000 characters", lambda g: {"nats": 523_000.0, "characters": 300_000}),
        Case("a model that knows the text", lambda g: {"nats": 0.0, "characters": 7}),
        Case("a short text", lambda g: {"nats": 40.5, "characters": 13}),
    ),
    misconceptions=(
        Misconception(
            "These are nats per character. A bit is ln 2 = 0.693 nats, so there are more bits than nats: divide "
            "by ln 2 as well.",
            slips(plain_bits, {" / math.log(2)": ""}),
        ),
        Misconception(
            "ln 2 is on the wrong side. A nat is more than a bit (1.44 bits), so the number of bits is the larger one: "
            "divide by ln 2.",
            slips(plain_bits, {"/ math.log(2)": "* math.log(2)"}),
        ),
        Misconception(
            "The logarithm of the loss is taken, but the loss is a logarithm already. Only its unit changes.",
            (
                lambda nats, characters: math.log2(nats) / characters if nats else 0.0,
                lambda nats, characters: math.log2(nats / characters) if nats else 0.0,
                lambda nats, characters: math.log2(nats) / characters,
                lambda nats, characters: math.log2(nats / characters),
            ),
        ),
        Misconception(
            "That is a perplexity, the number of equally likely choices; bits are its logarithm to base 2.",
            (
                lambda nats, characters: math.exp(nats / characters),
                lambda nats, characters: 2 ** (nats / characters),
                lambda nats, characters: 2 ** (nats / characters / math.log(2)) / math.log(2),
            ),
        ),
        Misconception(
            "These are all bits of the text: divide by the number of characters.",
            slips(plain_bits, {" / characters": ""}),
        ),
        Misconception(
            "The division is upside down: these are characters per bit.",
            (
                lambda nats, characters: characters / (nats / math.log(2)),
                lambda nats, characters: characters / nats,
                lambda nats, characters: characters / (nats / math.log(2)) if nats else 0.0,
            ),
        ),
    ),
    hints=(
        "How many nats is one bit? A fair coin costs one bit, and -ln(1/2) nats.",
        "Divide the nats by ln 2, and share the bits among the characters.",
    ),
)


def plain_wordpiece(word, vocabulary, unknown="[UNK]"):
    pieces = []
    start = 0
    while start < len(word):
        end = len(word)
        while end > start:
            piece = word[start:end]
            if start > 0:
                piece = "##" + piece
            if piece in vocabulary:
                break
            end -= 1
        if end == start:
            return [unknown]
        pieces.append(piece)
        start = end
    return pieces


def shortest_pieces(word, vocabulary, unknown="[UNK]"):
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = [end for end in range(start + 1, len(word) + 1) if prefix + word[start:end] in vocabulary]
        if not ends:
            return [unknown]
        pieces.append(prefix + word[start : ends[0]])
        start = ends[0]
    return pieces


def fewest_pieces(word, vocabulary, unknown="[UNK]"):
    best = {0: []}
    for end in range(1, len(word) + 1):
        for start in range(end):
            piece = ("##" if start else "") + word[start:end]
            if start in best and piece in vocabulary:
                longer = [*best[start], piece]
                if end not in best or len(longer) < len(best[end]):
                    best[end] = longer
    return best.get(len(word), [unknown])


def marks_dropped(word, vocabulary, unknown="[UNK]"):
    return [piece.removeprefix("##") for piece in plain_wordpiece(word, vocabulary, unknown)]


PIECES = frozenset(
    {"play", "p", "a", "##p", "##l", "##lay", "##ay", "##ing", "##er", "##s", "##ers", "##i", "un", "##play"}
)


def word_case(label, word, vocabulary=PIECES, **more):
    return Case(label, lambda g: {"word": word, "vocabulary": set(vocabulary), **more})


WORDPIECE = Exercise(
    name="wordpiece",
    chapter="llm",
    title="WordPiece: the longest piece first",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
BERT cuts a word greedily: take the longest piece in `vocabulary` (a set of strings) that the word
begins with, and go on behind it until the word is used up. Pieces that do not begin the word stand in the
vocabulary with `##` before them: `players` becomes `["play", "##ers"]`. Return the list of pieces. Where no
piece fits, even halfway through, the whole word is `[unknown]`. An empty word has no pieces.
""",
    starter='''
def wordpiece(word, vocabulary, unknown="[UNK]"):
    """The pieces of one word: a list of strings."""
    raise NotImplementedError("write wordpiece")
''',
    reference=wordpiece,
    observe=watch_list,
    cases=(
        word_case("a word that is a piece", "play"),
        word_case("players", "players"),
        word_case("unplaying", "unplaying"),
        word_case("a word with no piece", "xyz"),
        word_case("a word that fits only at its beginning", "playful"),
        word_case("a word whose end is missing", "playq"),
        word_case("the longest piece leads nowhere", "abc", {"a", "ab", "##bc", "##b"}),
        word_case("a last piece of one letter", "plays", {"play", "##s"}),
        word_case("a piece that stands only at a word's beginning", "playa", {"play", "a"}),
        word_case("two letters", "ab", {"a", "##b"}),
        word_case("two letters, both only at a beginning", "ab", {"a", "b"}),
        word_case("a piece only for the inside", "ing"),
        word_case("another unknown token", "zzz", unknown="<unk>"),
        word_case("an empty word", ""),
    ),
    misconceptions=(
        Misconception(
            "Pieces inside of a word carry `##` in the vocabulary: look up `'##' + part` as soon as you are not at the "
            "word's beginning.",
            slips(
                plain_wordpiece,
                {'            if start > 0:\n                piece = "##" + piece\n': ""},
                {
                    '            if start > 0:\n                piece = "##" + piece\n': "            piece = '##' + piece\n"
                },
            ),
        ),
        Misconception(
            "It gives up as soon as the whole rest of the word is no piece. Then make the part shorter, letter by letter, "
            "until it fits.",
            slips(plain_wordpiece, {"            end -= 1\n": "            end = start\n"}),
        ),
        Misconception(
            "The shortest piece was taken. Begin with the whole rest of the word, and make it shorter until it fits.",
            (shortest_pieces,),
        ),
        Misconception(
            "A word that cannot be cut to its end is unknown as a whole: the pieces found so far are dropped, or the model "
            "would read half a word as another word.",
            slips(
                plain_wordpiece,
                {"return [unknown]": "return [*pieces, unknown]"},
                {"return [unknown]": "return pieces"},
                {
                    "            return [unknown]\n": "            pieces.append(unknown)\n"
                    "            start += 1\n            continue\n"
                },
                {"            return [unknown]\n": "            start += 1\n            continue\n"},
            ),
        ),
        Misconception(
            "That finds a way to cut the word by going back or by looking for the fewest pieces. WordPiece is greedy: "
            "once the longest piece is taken, it never looks back, even when the rest then fits nothing.",
            (fewest_pieces,),
        ),
        Misconception(
            "The `##` belongs to the piece: without it, `##s` inside of a word and `s` at its beginning would be one token.",
            (marks_dropped,),
        ),
        Misconception(
            "The unknown token is the argument `unknown`, not always `[UNK]`.",
            slips(plain_wordpiece, {"return [unknown]": 'return ["[UNK]"]'}),
        ),
    ),
    hints=(
        "Two loops: an outer one over where a piece starts, an inner one over where it ends, from the word's end backwards.",
        "`prefix = '##' if start else ''`, and then look for `prefix + word[start:end]`.",
        "If the inner loop finds nothing, return `[unknown]`; else append the piece and set `start = end`.",
    ),
)
