"""The two parts of which byte-pair encoding is trained: count_pairs and merge_pair."""

from itertools import pairwise

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.llm.tokens.notes import watch_counts, watch_list
from fmlib.llm.tokens.bpe import count_pairs, merge_pair


def plain_count_pairs(words, counts):
    pairs = {}
    for word, count in zip(words, counts, strict=True):
        for i in range(len(word) - 1):
            pair = (word[i], word[i + 1])
            pairs[pair] = pairs.get(pair, 0) + count
    return pairs


def pairs_without_overlap(words, counts):
    pairs = {}
    for word, count in zip(words, counts, strict=True):
        last = {}
        for i in range(len(word) - 1):
            pair = (word[i], word[i + 1])
            if last.get(pair) != i - 1:
                pairs[pair] = pairs.get(pair, 0) + count
                last[pair] = i
    return pairs


def pairs_side_by_side(words, counts):
    pairs = {}
    for word, count in zip(words, counts, strict=True):
        for i in range(0, len(word) - 1, 2):
            pair = (word[i], word[i + 1])
            pairs[pair] = pairs.get(pair, 0) + count
    return pairs


def pairs_across_words(words, counts):
    text = [token for word, count in zip(words, counts, strict=True) for token in word * count]
    return plain_count_pairs([text], [1])


def pairs_across_words_once(words, counts):
    return plain_count_pairs([[token for word in words for token in word]], [1])


def pairs_once_a_word(words, counts):
    pairs = {}
    for word, count in zip(words, counts, strict=True):
        for pair in set(pairwise(word)):
            pairs[pair] = pairs.get(pair, 0) + count
    return pairs


def pairs_unordered(words, counts):
    pairs = {}
    for (left, right), count in plain_count_pairs(words, counts).items():
        pair = (min(left, right), max(left, right))
        pairs[pair] = pairs.get(pair, 0) + count
    return pairs


def draw(generator, length, kinds):
    return torch.randint(kinds, (length,), generator=generator).tolist()


COUNT_PAIRS = Exercise(
    name="count_pairs",
    chapter="llm",
    title="Count the neighbors",
    kind="write",
    difficulty=1,
    minutes=10,
    goal="""
Byte-pair encoding asks again and again which two tokens stand side by side most often. `words` is a
list of words, each a list of token ids, and `counts` says how often each word occurs in the text. Return
a dictionary from `(left, right)` to the number of times that the two stand next to each other, in this
order, in the whole text. Pairs do not reach from one word into the next.
""",
    starter='''
def count_pairs(words, counts):
    """(left id, right id) -> how often they are neighbors."""
    raise NotImplementedError("write count_pairs")
''',
    reference=count_pairs,
    observe=watch_counts,
    cases=(
        Case("two words", lambda g: {"words": [[97, 98, 99], [98, 99]], "counts": [1, 1]}),
        Case("words that occur often", lambda g: {"words": [[97, 98], [98, 99, 97]], "counts": [3, 10]}),
        Case("aaa: one token three times", lambda g: {"words": [[97, 97, 97]], "counts": [1]}),
        Case("a pair twice in a word", lambda g: {"words": [[98, 97, 110, 97, 110, 97]], "counts": [2]}),
        Case("a word of one token", lambda g: {"words": [[97], [98, 97]], "counts": [5, 2]}),
        Case("no words", lambda g: {"words": [], "counts": []}),
        Case(
            "random words",
            lambda g: {"words": [draw(g, n, 3) for n in (4, 9, 1, 6)], "counts": [1, 4, 2, 3]},
        ),
    ),
    misconceptions=(
        Misconception(
            "Every word is counted once, however often it occurs: add its entry of `counts`, not 1.",
            (
                *slips(plain_count_pairs, {"+ count": "+ 1"}),
                lambda words, counts: pairs_once_a_word(words, [1] * len(words)),
            ),
        ),
        Misconception(
            "Pairs that overlap are missing. In `aaa` the pair (a, a) stands twice: at places 0 and 1, "
            "and at 1 and 2. Every token but the last begins a pair.",
            (pairs_without_overlap, pairs_side_by_side),
        ),
        Misconception(
            "A pair's number is overwritten when the pair comes again: add to what has been counted so far.",
            slips(plain_count_pairs, {"pairs.get(pair, 0) + count": "count"}),
        ),
        Misconception(
            "These two are not neighbors: one token stands between them. The right neighbor of place i is at i + 1.",
            slips(plain_count_pairs, {"len(word) - 1": "len(word) - 2", "word[i + 1]": "word[i + 2]"}),
        ),
        Misconception(
            "The end of one word and the beginning of the next were counted as neighbors. Merges must "
            "stay inside of words: go through each word by itself.",
            (pairs_across_words, pairs_across_words_once),
        ),
        Misconception(
            "A pair that stands in a word more than once must be counted each time, not once a word.",
            (pairs_once_a_word,),
        ),
        Misconception(
            "`(a, b)` and `(b, a)` are two different pairs: keep the order.",
            (
                pairs_unordered,
                *slips(plain_count_pairs, {"(word[i], word[i + 1])": "(word[i + 1], word[i])"}),
            ),
        ),
        Misconception(
            "The last pair of a word is missing: a word of n tokens has n - 1 pairs.",
            slips(plain_count_pairs, {"len(word) - 1": "len(word) - 2"}),
        ),
    ),
    hints=(
        "How many pairs has a word of n tokens?",
        "`zip(word, word[1:])` gives each token with its right neighbor.",
        "For each word and its count, for each pair: `pairs[pair] = pairs.get(pair, 0) + count`.",
    ),
)


def plain_merge_pair(ids, pair, new_id):
    merged = []
    i = 0
    while i < len(ids):
        if i < len(ids) - 1 and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def merge_from_the_right(ids, pair, new_id):
    return plain_merge_pair(ids[::-1], pair[::-1], new_id)[::-1]


def merge_until_none_is_left(ids, pair, new_id):
    before = None
    while before != ids:
        before, ids = ids, plain_merge_pair(ids, pair, new_id)
    return ids


def merge_in_place(ids, pair, new_id):
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            ids[i : i + 2] = [new_id]
        i += 1
    return ids


def merge_in_place_for_nothing(ids, pair, new_id):
    merge_in_place(ids, pair, new_id)


def list_case(label, ids, pair=(97, 97), new_id=256):
    return Case(label, lambda g: {"ids": list(ids), "pair": pair, "new_id": new_id})


MERGE_PAIR = Exercise(
    name="merge_pair",
    chapter="llm",
    title="Merge a pair",
    kind="write",
    difficulty=1,
    minutes=10,
    goal="""
Replace every occurrence of `pair` (a tuple of two ids) in the list `ids` by `new_id`, from left to
right. A token can be merged only once: of `aaa`, the pair (a, a) takes the first two, and the third
stays. Return a new list and leave `ids` alone.
""",
    starter='''
def merge_pair(ids, pair, new_id):
    """A new list in which new_id stands for every pair."""
    raise NotImplementedError("write merge_pair")
''',
    reference=merge_pair,
    observe=watch_list,
    cases=(
        list_case("a pair in the middle", b"xaby", (97, 98)),
        list_case("a pair twice", b"abcab", (97, 98)),
        list_case("aaa", b"aaa"),
        list_case("aaaaa", b"aaaaa"),
        list_case("the pair reversed", b"baab", (97, 98)),
        list_case("no pair", b"abc", (99, 97)),
        list_case("ids that look alike when they are written out", [197, 98, 97, 981, 97, 98], (97, 98)),
        list_case("one token", b"a"),
        list_case("nothing", b""),
        Case("a random list", lambda g: {"ids": draw(g, 40, 3), "pair": (1, 1), "new_id": 3}),
        list_case("a pair that makes itself again", [5, 7, 7, 5], (5, 7), 5),
    ),
    misconceptions=(
        Misconception(
            "A token was merged twice, or shown beside the token that it went into: after a merge, go on "
            "behind both tokens, that is, two places further.",
            slips(plain_merge_pair, {"i += 2": "i += 1"}),
        ),
        Misconception(
            "Only the first occurrence was merged: go on until the end of the list.",
            slips(plain_merge_pair, {"            i += 2": "            return merged + ids[i + 2 :]"}),
        ),
        Misconception(
            "In a run such as `aaa` the merge begins on the left: the last token is left over, not the first.",
            (merge_from_the_right,),
        ),
        Misconception(
            "The last token of the list got lost. Where no pair begins, the token itself goes into the new list, "
            "the last one too.",
            slips(plain_merge_pair, {"while i < len(ids)": "while i < len(ids) - 1"}),
        ),
        Misconception(
            "At the last token there is no right neighbor: look whether there is one before you compare.",
            slips(
                plain_merge_pair,
                {"i < len(ids) - 1 and ": ""},
                {
                    "i < len(ids) - 1 and ids[i] == pair[0] and ids[i + 1] == pair[1]": "[ids[i], ids[i + 1]] == [*pair]"
                },
            ),
        ),
        Misconception(
            "`ids` was changed. The caller still needs it, for its counts: build a new list.",
            (merge_in_place, merge_in_place_for_nothing),
        ),
        Misconception(
            "What a merge made was merged again. One call goes over the list once, from left to right.",
            (merge_until_none_is_left,),
        ),
        Misconception(
            "A pair has an order: `(a, b)` is not `(b, a)`.",
            slips(
                plain_merge_pair,
                {"ids[i] == pair[0] and ids[i + 1] == pair[1]": "{ids[i], ids[i + 1]} == {*pair}"},
                {
                    "ids[i] == pair[0] and ids[i + 1] == pair[1]": "ids[i] == pair[1] and ids[i + 1] == pair[0]"
                },
            ),
        ),
    ),
    hints=(
        "A `for` loop takes every place. How do you skip one?",
        "Keep a place `i` in a `while` loop, and go on by 2 after a merge, by 1 otherwise.",
        "At place i: if there is a place i + 1 and the two are the pair, append `new_id`; else append `ids[i]`.",
    ),
)
