"""Byte-pair encoding in plain functions: count neighbors, merge the most frequent pair, again and again.

A word is a list of token ids, at first one for each of its bytes. Everything here works on such lists; what makes a
tokenizer of it (text in and out, special tokens, files) is `fmlib.llm.tokens.tokenizer`.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import regex

Pair = tuple[int, int]

# GPT-2's: a contraction's end, or letters, or digits, or other signs, each with the one space before it; then the rest
# of the white space. A merge never crosses such a border, so that "dog", "dog." and "dog!" share a token.
GPT2_SPLIT = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@lru_cache(maxsize=16)
def _compiled(pattern: str) -> regex.Pattern:
    return regex.compile(pattern)


def split_words(text: str, pattern: str = GPT2_SPLIT) -> list[str]:
    """Cut a text into pieces that are tokenized one by one, each usually a word with the space before it.

    Args:
        text: anything; joined together, the pieces are the text again.
        pattern: a regular expression of the `regex` module that leaves out no character.

    Returns:
        The pieces in order.

    Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2, and its released code.
    """
    return _compiled(pattern).findall(text)


def count_pairs(words: Iterable[Sequence[int]], counts: Iterable[int] | None = None) -> Counter[Pair]:
    """How often each two tokens stand side by side.

    Args:
        words: token ids of each word.
        counts: how often each word occurs; once by default.

    Returns:
        (left id, right id) -> occurrences. In "aaa" the pair (a, a) occurs twice.
    """
    pairs: Counter[Pair] = Counter()
    if counts is None:
        for word in words:
            pairs.update(pairwise(word))
        return pairs
    for word, count in zip(words, counts, strict=True):
        for pair in pairwise(word):
            pairs[pair] += count
    return pairs


def most_frequent_pair(pairs: Mapping[Pair, int]) -> Pair:
    """The pair to merge next.

    Args:
        pairs: (left id, right id) -> occurrences; at least one.

    Returns:
        The pair that occurs most often; among equals the one with the smaller left id, then the smaller right id.

    Raises:
        ValueError: there is no pair.
    """
    if not pairs:
        raise ValueError("pairs is empty: expected at least one pair of neighbors")
    return min(pairs, key=lambda pair: (-pairs[pair], pair))


def merge_pair(ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Put one token in the place of every occurrence of a pair, from left to right.

    Args:
        ids: token ids.
        pair: (left id, right id).
        new_id: the token that stands for both.

    Returns:
        A new list; "aaa" with (a, a) -> X becomes "Xa", since a token can be merged only once.
    """
    merged, i = [], 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def bpe_encode(ids: Sequence[int], ranks: Mapping[Pair, int]) -> list[int]:
    """Replay the merges on one word in the order in which they were learned.

    Args:
        ids: the word's bytes as token ids.
        ranks: (left id, right id) -> id of the merged token; merges learned earlier have the lower id.

    Returns:
        The token ids: always the merge of lowest id that fits anywhere in the word, until none fits.

    Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", section 3.2.
    """
    ids = list(ids)
    while len(ids) > 1:
        pair = min(pairwise(ids), key=lambda p: ranks.get(p, float("inf")))
        if pair not in ranks:
            break
        ids = merge_pair(ids, pair, ranks[pair])
    return ids


def bpe_encode_long(ids: Sequence[int], ranks: Mapping[Pair, int]) -> list[int]:
    """`bpe_encode` for words of thousands of bytes, such as a file without spaces: n log n steps in place of n².

    Args:
        ids, ranks: as in `bpe_encode`.

    Returns:
        The same token ids.
    """
    tokens: list[int | None] = list(ids)
    end = len(tokens)
    before, after = list(range(-1, end - 1)), list(range(1, end + 1))  # neighbors, past what was merged away
    heap = [(ranks[pair], i) for i, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapq.heapify(heap)  # lowest merge first, then leftmost
    while heap:
        new_id, i = heapq.heappop(heap)
        j = after[i]
        if j == end or ranks.get((tokens[i], tokens[j])) != new_id:
            continue  # one of the two has been merged since
        tokens[i], tokens[j], after[i] = new_id, None, after[j]
        if after[i] < end:
            before[after[i]] = i
        for left in (before[i], i):
            if left >= 0 and after[left] < end:
                pair = (tokens[left], tokens[after[left]])
                if pair in ranks:
                    heapq.heappush(heap, (ranks[pair], left))
    return [token for token in tokens if token is not None]


def learn_merges(
    words: Mapping[Sequence[int], int],
    merges: int,
    first_id: int = 256,
    watch: Callable[[int], object] = lambda learned: None,
) -> list[Pair]:
    """Learn byte-pair encoding: merge the most frequent pair of neighbors, `merges` times.

    The definition counts all pairs again after every merge. Here the counts are kept, with a list of the places where each
    pair stands, so that a merge touches only its own places and their neighbors; the result is the same. All merges
    together take n log n steps for n letters, however long a word is.

    Args:
        words: each different word as its ids, e.g. its bytes in UTF-8 -> how often it occurs.
        merges: how many merges to learn.
        first_id: the id that the first merge makes; those in the words are lower.
        watch: told after each merge how many have been learned.

    Returns:
        The pairs in the order in which they were merged; merge i makes the token first_id + i. Of pairs that are equally
        frequent the one with the smaller ids is merged first.

    Raises:
        ValueError: the words run out of pairs before that.

    Source: Sennrich et al. 2016, algorithm 1, on bytes as in Radford et al. 2019, section 2.2.
    """
    # All words in one row. A place knows its neighbors in its word; None is what was merged into the token before it.
    tokens: list[int | None] = []
    before: list[int] = []
    after: list[int] = []
    times: list[int] = []
    for word, count in words.items():
        start, end = len(tokens), len(tokens) + len(word)
        tokens += word
        before += [-1, *range(start, end - 1)][: len(word)]
        after += [*range(start + 1, end), -1][: len(word)]
        times += [count] * len(word)
    pairs: Counter[Pair] = Counter()
    places: defaultdict[Pair, list[int]] = defaultdict(list)
    for place, following in enumerate(after):
        if following >= 0:
            pair = (tokens[place], tokens[following])
            pairs[pair] += times[place]
            places[pair].append(place)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    learned: list[Pair] = []
    while len(learned) < merges:
        while heap and -heap[0][0] != pairs.get(heap[0][1], 0):
            heapq.heappop(heap)  # an old count; the new one is in the heap, too
        if not heap:
            raise ValueError(
                f"the text has only {len(learned)} pairs to merge, {merges} were asked for: "
                "give more text, or a smaller vocabulary"
            )
        best = left, right = heap[0][1]
        new_id = first_id + len(learned)
        learned.append(best)
        changed: Counter[Pair] = Counter()
        for place in sorted(places.pop(best)):  # from left to right, as in "aaa"
            other = after[place]
            if tokens[place] != left or other < 0 or tokens[other] != right:
                continue  # one of the two has been merged since
            previous, following, count = before[place], after[other], times[place]
            changed[best] -= count
            if previous >= 0:
                changed[tokens[previous], left] -= count
                changed[tokens[previous], new_id] += count
                places[tokens[previous], new_id].append(previous)
            if following >= 0:
                changed[right, tokens[following]] -= count
                changed[new_id, tokens[following]] += count
                places[new_id, tokens[following]].append(place)
                before[following] = place
            tokens[place], tokens[other], after[place] = new_id, None, following
        for pair, difference in changed.items():
            if difference:
                pairs[pair] += difference
                if pairs[pair]:
                    heapq.heappush(heap, (-pairs[pair], pair))
                else:
                    del pairs[pair]
        watch(len(learned))
    return learned
