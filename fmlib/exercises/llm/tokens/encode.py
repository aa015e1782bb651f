"""A bug hunt: bpe_encode, with the merges in the wrong order."""

from itertools import pairwise

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.llm.tokens.bpe import draw
from fmlib.exercises.llm.tokens.notes import watch_list
from fmlib.llm.tokens.bpe import bpe_encode, learn_merges, merge_pair

LEFT_TO_RIGHT = '''
from fmlib.llm.tokens import bpe


def bpe_encode(ids, ranks):
    """The tokens of one word, from its bytes: replay the merges."""
    ids = list(ids)
    i = 0
    while i < len(ids) - 1:
        pair = (ids[i], ids[i + 1])
        if pair in ranks:
            ids[i : i + 2] = [ranks[pair]]
            i = 0  # the new token may merge with its left neighbor
        else:
            i += 1
    return ids
'''


def plain_bpe_encode(ids, ranks):
    ids = list(ids)
    while True:
        pairs = [pair for pair in pairwise(ids) if pair in ranks]
        if not pairs:
            return ids
        best = min(pairs, key=lambda pair: ranks[pair])
        ids = merge_pair(ids, best, ranks[best])


def encode_in_one_pass(ids, ranks):
    merged = []
    for token in ids:
        if merged and (merged[-1], token) in ranks:
            token = ranks[merged.pop(), token]
        merged.append(token)
    return merged


def encode_longest(ids, ranks):
    spelled = {}
    for (left, right), new_id in sorted(ranks.items(), key=lambda item: item[1]):
        spelled[new_id] = spelled.get(left, (left,)) + spelled.get(right, (right,))
    numbers = {spelling: token for token, spelling in spelled.items()}
    tokens, start = [], 0
    while start < len(ids):
        for end in range(len(ids), start, -1):
            part = tuple(ids[start:end])
            if part in numbers or end == start + 1:
                tokens.append(numbers.get(part, ids[start]))
                start = end
                break
    return tokens


def learned(words):
    """The ranks that training on some words gives."""
    merges = learn_merges({word.encode(): count for word, count in words.items()}, 8)
    return {pair: 256 + i for i, pair in enumerate(merges)}


PLAY = {"the": 20, "then": 9, "hen": 12, "he": 6, "other": 8, "her": 5, "en": 3}
BY_HAND = {
    (98, 99): 256,
    (97, 98): 257,
    (256, 100): 258,
    (97, 258): 259,
    (257, 100): 260,
}  # bc, ab, bcd, abcd, abd


def encode_case(label, word, ranks):
    return Case(label, lambda g: {"ids": list(word), "ranks": dict(ranks)})


BPE_ENCODE = Exercise(
    name="bpe_encode",
    chapter="llm",
    title="An encoder that never saw its own training",
    kind="fix",
    difficulty=2,
    minutes=15,
    goal="""
This encoder merges whatever pair it meets, from left to right, until none is left. Its tokens decode to the right
text, so nobody noticed. But it cuts other tokens than the tokenizer that the model was trained with, and more of them: some
the model has hardly ever seen. Find out why, and mend it. `ids` are the bytes of one word;
`ranks` maps a pair `(left, right)` to the id of the token that it becomes, and the merge that was
learned earlier has the lower id. `bpe.merge_pair(ids, pair, new_id)` merges a pair everywhere in a word.
""",
    starter=LEFT_TO_RIGHT,
    reference=bpe_encode,
    observe=watch_list,
    cases=(
        encode_case("abc, where bc was learned before ab", b"abc", BY_HAND),
        encode_case("a word of the training text", b"then", learned(PLAY)),
        encode_case("another word", b"others", learned(PLAY)),
        encode_case("a word with a pair twice", b"hehen", learned(PLAY)),
        encode_case("abcd", b"abcd", BY_HAND),
        encode_case("abcababd", b"abcababd", BY_HAND),
        encode_case("abcbc", b"abcbc", BY_HAND),
        encode_case("aaa", b"aaa", {(97, 97): 256}),
        encode_case("aaaaaaa", b"aaaaaaa", {(97, 97): 256, (256, 256): 257}),
        encode_case("ranks in another order", b"abcababd", dict(reversed(BY_HAND.items()))),
        encode_case("the pair on the right was learned first", b"cab", {(97, 98): 256, (99, 97): 257}),
        encode_case(
            "three pairs, the last learned first", b"abcd", {(99, 100): 256, (98, 99): 257, (97, 98): 258}
        ),
        encode_case("no merge fits", b"xyz", BY_HAND),
        encode_case("one byte", b"a", BY_HAND),
        encode_case("nothing", b"", BY_HAND),
        Case(
            "a long random word", lambda g: {"ids": [97 + i for i in draw(g, 30, 4)], "ranks": dict(BY_HAND)}
        ),
    ),
    misconceptions=(
        Misconception(
            "The merges are applied in the order of the places where they fit, from the left. They must be "
            "applied in the order in which they were learned: of all pairs in the word, first the one with "
            "the lowest id in `ranks`, wherever it stands. Only so does a word get the tokens that it had in training.",
            (
                written(LEFT_TO_RIGHT, bpe_encode),
                encode_in_one_pass,
                *slips(plain_bpe_encode, {"min(pairs, key=lambda pair: ranks[pair])": "pairs[0]"}),
            ),
        ),
        Misconception(
            "The merge that was learned last goes first. It is the other way round: a low id was learned early.",
            slips(plain_bpe_encode, {"min(pairs": "max(pairs"}),
        ),
        Misconception(
            "That is the longest token that fits, as in WordPiece. Byte-pair encoding does not look for long "
            "tokens: it replays its merges, lowest id first, and takes what comes out.",
            (encode_longest,),
        ),
        Misconception(
            "It stops too early: a merge makes new pairs, and these may be in `ranks`, too. Go on until none is.",
            slips(
                plain_bpe_encode,
                {"ids = merge_pair(ids, best, ranks[best])": "return merge_pair(ids, best, ranks[best])"},
            ),
        ),
        Misconception(
            "The pair that is most frequent in the word goes first. Frequency was counted once, in training, over "
            "the whole text; now only the order of the merges counts.",
            slips(
                plain_bpe_encode,
                {"lambda pair: ranks[pair]": "lambda pair: (-pairs.count(pair), ranks[pair])"},
                {"min(pairs, key=lambda pair: ranks[pair])": "max(pairs, key=pairs.count)"},
            ),
        ),
    ),
    hints=(
        "Encode `abc` by hand, when (b, c) was learned before (a, b). What does the function do?",
        "In training all pairs (b, c) of the text became one token before (a, b) was even looked at.",
        "Of all pairs of the word that are in `ranks`, take `min(pairs, key=ranks.get)`, merge it everywhere, begin anew.",
    ),
)
