"""Right answers to the exercises of the lesson on tokens, each written another way."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import torch


def pairs_by_counter(words, counts):
    total = Counter()
    for word, count in zip(words, counts, strict=True):
        for pair in pairwise(word):
            total[pair] += count
    return total


def pairs_by_repeating(words, counts):
    every = [pair for w, n in zip(words, counts, strict=True) for pair in list(pairwise(w)) * n]
    return {pair: every.count(pair) for pair in set(every)}


def merge_by_text(ids, pair, new_id):
    text = "".join(map(chr, ids)).replace(chr(pair[0]) + chr(pair[1]), "\uffff")
    return [new_id if character == "\uffff" else ord(character) for character in text]


def merge_by_iterator(ids, pair, new_id):
    out, skip = [], False
    for token, following in zip(ids, [*ids, None][1:], strict=True):
        if skip:
            skip = False
        elif (token, following) == tuple(pair):
            out.append(new_id)
            skip = True
        else:
            out.append(token)
    return tuple(out)


def merge_as_tensor(ids, pair, new_id):
    return torch.tensor(merge_by_iterator(ids, pair, new_id), dtype=torch.long)


def encode_by_going_through_all_merges(ids, ranks):
    for pair, new_id in sorted(ranks.items(), key=lambda item: item[1]):
        ids = merge_by_iterator(list(ids), pair, new_id)
    return list(ids)


def encode_one_at_a_time(ids, ranks):
    ids = list(ids)
    while True:
        found = [(ranks[ids[i], ids[i + 1]], i) for i in range(len(ids) - 1) if (ids[i], ids[i + 1]) in ranks]
        if not found:
            return ids
        new_id, place = min(found)
        ids = [*ids[:place], new_id, *ids[place + 2 :]]


def bits_by_base(nats, characters):
    return nats * math.log2(math.e) / characters


def bits_in_numpy(nats, characters):
    return np.float64(nats) / np.log(2) / characters


def bits_in_torch(nats, characters):
    return torch.tensor(nats, dtype=torch.float64) / math.log(2) / characters


def pieces_by_recursion(word, vocabulary, unknown="[UNK]"):
    def rest(word, prefix):
        if not word:
            return []
        for end in range(len(word), 0, -1):
            if prefix + word[:end] in vocabulary:
                following = rest(word[end:], "##")
                return None if following is None else [prefix + word[:end], *following]
        return None

    found = rest(word, "")
    return [unknown] if found is None else found


def pieces_by_sorted_vocabulary(word, vocabulary, unknown="[UNK]"):
    by_length = sorted(vocabulary, key=lambda piece: -len(piece.removeprefix("##")))
    pieces, rest = [], word
    while rest:
        inside = rest != word
        fitting = [
            p for p in by_length if p.startswith("##") == inside and rest.startswith(p.removeprefix("##"))
        ]
        if not fitting:
            return [unknown]
        pieces.append(fitting[0])
        rest = rest[len(fitting[0].removeprefix("##")) :]
    return pieces


RIGHT = {
    "count_pairs": (pairs_by_counter, pairs_by_repeating),
    "merge_pair": (merge_by_text, merge_by_iterator, merge_as_tensor),
    "bpe_encode": (encode_by_going_through_all_merges, encode_one_at_a_time),
    "bits_per_character": (bits_by_base, bits_in_numpy, bits_in_torch),
    "wordpiece": (pieces_by_recursion, pieces_by_sorted_vocabulary),
}
