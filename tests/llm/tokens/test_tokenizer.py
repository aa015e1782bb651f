"""Tokenizers: any text comes back, byte-pair encoding equals the libraries', and files are read whole or not at all."""

import json
import random
from collections import Counter

import pytest
import tiktoken
import tokenizers
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from fmlib import _files
from fmlib.llm.tokens import bpe, vocabularies
from fmlib.llm.tokens.characters import ByteTokenizer, CharTokenizer
from fmlib.llm.tokens.saving import load_tokenizer, save_tokenizer
from fmlib.llm.tokens.tokenizer import BPETokenizer

SAMPLE = (
    "The quick brown fox doesn't jump over the lazy dog; the dogs don't mind it at all. They'll sleep!\n\n"
    "In 1999, 2,000 foxes jumped.  Déjà vu: naïve café, 東京 東京, Привет привет, 🙂🙂 👩‍👩‍👧.\n\tthe the then them"
) * 3
SPECIAL = ("<|endoftext|>", "<|user|>")
TOKENIZER = BPETokenizer.train(SAMPLE, 256 + 120 + len(SPECIAL), SPECIAL)
LETTERS = vocabularies.byte_letters()

# Any characters but halves of surrogate pairs, mixed with pieces that stress the split.
any_text = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
        st.sampled_from(
            ["the ", " the", "'ll", "'LL", "  ", "\r\n", "\u00a0", "\u2028", "1234", "<|endoftext|>"]
        ),
        st.sampled_from(
            [SAMPLE[:60], "🙂🙂", "doesn't", "e\u0301", "\u200d", "<|endof", "aaaa", "\x00\x1c\x85"]
        ),
    ),
    max_size=8,
).map("".join)
# The libraries have Unicode tables of different years, so letters that are newer than the oldest are left out.
known_text = any_text.filter(lambda text: all(is_known(character) for character in text))


def is_known(character):
    import unicodedata

    return unicodedata.category(character) != "Cn"


def letters(spelling):
    return "".join(LETTERS[byte] for byte in spelling)


def as_files(tokenizer):
    """What GPT-2's vocab.json and merges.txt would hold, with the ids in another order than ours."""
    spelled = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size - len(tokenizer.special_tokens))]
    first = sorted(spelled[:256], key=letters)
    vocabulary = {letters(token): i for i, token in enumerate([*first, *spelled[256:]])}
    merges = [(letters(spelled[left]), letters(spelled[right])) for left, right in tokenizer.merges]
    return vocabulary, merges


def in_tokenizers(tokenizer):
    vocabulary, merges = as_files(tokenizer)
    theirs = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    theirs.add_special_tokens(list(SPECIAL))
    return theirs


def in_tiktoken(tokenizer):
    plain = tokenizer.vocab_size - len(tokenizer.special_tokens)
    ranks = {tokenizer.token_bytes(i): i for i in range(plain)}
    return tiktoken.Encoding(
        "ours", pat_str=bpe.GPT2_SPLIT, mergeable_ranks=ranks, special_tokens=tokenizer.special_tokens
    )


THEIRS, TIKTOKEN = in_tokenizers(TOKENIZER), in_tiktoken(TOKENIZER)
LOADED = BPETokenizer.from_letters({**as_files(TOKENIZER)[0], "<|endoftext|>": 376}, as_files(TOKENIZER)[1])


class TestRoundTrip:
    @given(any_text)
    def test_byte_pairs_give_any_text_back(self, text):
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text
        assert TOKENIZER.decode(TOKENIZER.encode(text, allowed_special=True)) == text

    @given(any_text)
    def test_bytes_give_any_text_back(self, text):
        assert ByteTokenizer().decode(ByteTokenizer().encode(text)) == text

    @given(any_text)
    def test_characters_give_back_the_text_that_they_come_from(self, text):
        tokenizer = CharTokenizer.train(text)
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert tokenizer.vocab_size == len(set(text))

    @given(any_text)
    def test_the_bytes_of_the_tokens_are_those_of_the_text(self, text):
        for tokenizer in (TOKENIZER, ByteTokenizer(), CharTokenizer.train(text)):
            assert b"".join(map(tokenizer.token_bytes, tokenizer.encode(text))) == text.encode()

    @given(any_text)
    def test_the_words_of_a_text_are_the_text(self, text):
        assert "".join(bpe.split_words(text)) == text
        assert "".join(bpe.split_words(text, vocabularies.DIGIT_SPLIT)) == text

    @pytest.mark.parametrize("tokenizer", [TOKENIZER, ByteTokenizer()], ids=["pairs", "bytes"])
    def test_half_a_surrogate_pair_is_refused_with_its_place(self, tokenizer, refuses):
        with refuses(ValueError, r"lone surrogate '\\ud83d' at position 3.*mend it"):
            tokenizer.encode("abc\ud83d")

    @pytest.mark.parametrize("tokenizer", [TOKENIZER, ByteTokenizer()], ids=["pairs", "bytes"])
    def test_half_a_character_decodes_to_the_replacement_character(self, tokenizer):
        assert tokenizer.decode([*b"ab", 0xC3]) == "ab\ufffd"

    @pytest.mark.parametrize("bad", [-1, 10_000])
    @pytest.mark.parametrize(
        "tokenizer", [TOKENIZER, ByteTokenizer(), CharTokenizer("abc")], ids=["pairs", "bytes", "characters"]
    )
    def test_an_id_outside_the_vocabulary_is_refused(self, tokenizer, bad, refuses):
        with refuses(
            ValueError, f"token {bad} is not in the vocabulary: expected 0 to {tokenizer.vocab_size - 1}"
        ):
            tokenizer.decode([0, bad])
        with refuses(ValueError, f"token {bad}"):
            tokenizer.token_bytes(bad)

    def test_an_unknown_character_is_refused_by_name(self, refuses):
        with refuses(ValueError, "'é' is not among the 3"):
            CharTokenizer("abc").encode("abé")
        with refuses(ValueError, "each of them once"):
            CharTokenizer("aba")


class TestEqualToTheLibraries:
    @given(known_text)
    @settings(max_examples=300)
    def test_tiktoken_with_the_same_ranks_gives_the_same_tokens(self, text):
        assert TOKENIZER.encode(text) == TIKTOKEN.encode(text, disallowed_special=())
        assert TOKENIZER.encode(text, allowed_special=True) == TIKTOKEN.encode(text, allowed_special="all")

    @given(known_text)
    @settings(max_examples=300)
    def test_tokenizers_with_the_same_merges_gives_the_same_ids(self, text):
        theirs = THEIRS.encode(text).ids  # theirs always makes special tokens
        assert LOADED.encode(text, allowed_special=True) == theirs
        assert LOADED.decode(theirs) == text

    @given(st.text("abc!", min_size=8, max_size=200), st.integers(1, 12))
    def test_training_learns_what_tokenizers_learns(self, text, merges):
        # Without spaces the ids of both are in the same order, so that ties fall alike.
        theirs = tokenizers.Tokenizer(models.BPE())
        theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        theirs.train_from_iterator(
            [text],
            trainers.BpeTrainer(vocab_size=256 + merges, initial_alphabet=alphabet, show_progress=False),
        )
        learned = [tuple(pair) for pair in json.loads(theirs.to_str())["model"]["merges"]]
        ours = BPETokenizer.train(text, 256 + len(learned))
        assert as_files(ours)[1] == learned

    def test_ranks_give_the_merges_back(self):
        ranks = {TOKENIZER.token_bytes(i): i for i in range(376)}
        assert BPETokenizer.from_ranks(ranks, TOKENIZER.special_tokens) == TOKENIZER

    @given(known_text)
    def test_single_digits_are_cut_as_smollm_cuts_them(self, text):
        theirs = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        pieces = [letters(word.encode()) for word in bpe.split_words(text, vocabularies.DIGIT_SPLIT)]
        assert pieces == [piece for piece, _ in theirs.pre_tokenize_str(text)]


def naive_merges(words, count):
    """Byte-pair encoding as it is defined: count everything anew after each merge."""
    spelled, learned = {word: list(word) for word in words}, []
    for i in range(count):
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(spelled[word], spelled[word][1:], strict=False):
                pairs[pair] += times
        best = sorted(pairs, key=lambda pair: (-pairs[pair], pair[0], pair[1]))[0]
        learned.append(best)
        spelled = {word: bpe.merge_pair(ids, best, 256 + i) for word, ids in spelled.items()}
    return learned


class TestTraining:
    @given(
        st.dictionaries(
            st.binary(min_size=1, max_size=12).map(lambda b: bytes(x % 4 for x in b)), st.integers(1, 5)
        )
    )
    def test_counting_as_it_goes_learns_what_counting_anew_learns(self, words):
        count = 0
        while True:
            try:
                learned = bpe.learn_merges(words, count + 1)
            except ValueError:
                break
            count += 1
            assert learned == naive_merges(words, count)
            if count == 20:
                break

    def test_on_a_real_text_too(self):
        words = {w.encode(): n for w, n in Counter(bpe.split_words(SAMPLE)).items()}
        assert bpe.learn_merges(words, 120) == naive_merges(words, 120) == TOKENIZER.merges

    @pytest.mark.parametrize("letters", ["ACGT", "a", "ab"])
    def test_one_long_word_too(self, letters, generator):
        drawn = torch.randint(len(letters), (300,), generator=generator)
        words = {bytes(ord(letters[i]) for i in drawn): 3, letters.encode() * 20: 2}
        assert bpe.learn_merges(words, 8) == naive_merges(words, 8)

    def test_a_merge_touches_the_places_of_its_pair_and_no_others(self):
        """The work is counted: of one long word, it must not grow with the number of merges."""
        counted = []

        class Counting(int):
            def __eq__(self, other):
                counted.append(1)
                return int(self) == other

            __hash__ = int.__hash__
            __ne__ = int.__ne__

        work = {}
        for merges in (50, 400):
            counted.clear()
            drawn = torch.randint(4, (4000,), generator=torch.Generator().manual_seed(0)).tolist()
            bpe.learn_merges({tuple(Counting(i) for i in drawn): 1}, merges)
            work[merges] = len(counted)
        assert work[400] < 3 * work[50]

    def test_it_tells_how_far_it_is(self):
        told = []
        BPETokenizer.train("banana bandana", 256 + 7, watch=told.append)
        assert told == [1, 2, 3, 4, 5, 6, 7]

    def test_the_example_of_the_textbook(self):
        # aaabdaaabac: aa is the most frequent pair, then the new token with a or ab (a tie: the smaller id), ...
        tokenizer = BPETokenizer.train("aaabdaaabac", 259)
        assert [tokenizer.token_bytes(i) for i in (256, 257, 258)] == [b"aa", b"ab", b"aaab"]
        assert tokenizer.encode("aaabdaaabac") == [258, 100, 258, 97, 99]

    def test_equally_frequent_pairs_are_merged_in_the_order_of_their_ids(self):
        assert bpe.learn_merges({b"xy": 2, b"ab": 2, b"ac": 2}, 3) == [(97, 98), (97, 99), (120, 121)]
        assert bpe.most_frequent_pair({(5, 1): 3, (4, 9): 3, (0, 0): 2}) == (4, 9)

    def test_no_merge_crosses_words(self):
        tokenizer = BPETokenizer.train("to be or not to be, " * 20, 265)
        assert all(b" " not in tokenizer.token_bytes(i)[1:] for i in range(256, 265))

    def test_special_tokens_in_the_text_are_not_learned_from(self):
        text = "<|endoftext|>ab" * 50 + "cd"
        tokenizer = BPETokenizer.train(text, 259, ("<|endoftext|>",))
        assert [tokenizer.token_bytes(i) for i in range(256, 259)] == [b"ab", b"cd", b"<|endoftext|>"]

    def test_a_text_too_short_is_refused_with_what_it_has(self, refuses):
        with refuses(ValueError, "has only 2 pairs to merge, 4 were asked for"):
            BPETokenizer.train("ab ab", 260)

    def test_a_vocabulary_smaller_than_the_bytes_is_refused(self, refuses):
        with refuses(ValueError, "vocab_size is 256: expected 257 or more"):
            BPETokenizer.train("abc", 256, ("<|endoftext|>",))

    def test_the_largest_number_of_merges_makes_every_word_one_token(self):
        tokenizer = BPETokenizer.train("banana bandana", 256 + 7)
        assert len(tokenizer.encode("banana bandana")) == 2


class TestEncoding:
    def test_the_merge_learned_first_goes_first_wherever_it_stands(self):
        ranks = {(98, 99): 256, (97, 98): 257}
        assert bpe.bpe_encode(b"abc", ranks) == [97, 256]

    def test_overlapping_pairs_merge_from_the_left(self):
        assert bpe.merge_pair([1, 1, 1], (1, 1), 9) == [9, 1]
        assert bpe.merge_pair([1, 1, 1, 1], (1, 1), 9) == [9, 9]
        assert bpe.merge_pair([], (1, 1), 9) == []

    def test_counts_overlap(self):
        assert bpe.count_pairs([[1, 1, 1], [2], []]) == {(1, 1): 2}
        assert bpe.count_pairs([[1, 2], [1, 2, 3]], [10, 1]) == {(1, 2): 11, (2, 3): 1}

    def test_no_pair_is_refused(self, refuses):
        with refuses(ValueError, "at least one pair"):
            bpe.most_frequent_pair({})

    @given(st.binary(max_size=60).map(lambda b: [x % 3 for x in b]), st.integers(0, 2**16))
    def test_the_way_for_long_words_gives_the_same(self, ids, seed):
        draw = random.Random(seed)
        ranks = {}
        for new_id in range(3, 15):  # merges of any tokens made before
            ranks.setdefault((draw.randrange(new_id), draw.randrange(new_id)), new_id)
        assert bpe.bpe_encode_long(ids, ranks) == bpe.bpe_encode(ids, ranks)

    def test_a_word_of_a_hundred_thousand_letters_is_no_trouble(self):
        text = "".join(random.Random(0).choices("thedoglazy", k=100_000))
        assert TOKENIZER.decode(TOKENIZER.encode(text)) == text

    def test_encoding_again_gives_the_same_and_leaves_the_cache_alone(self):
        first = TOKENIZER.encode("the dog")
        first.append(0)
        assert TOKENIZER.encode("the dog") == first[:-1]


class TestSpecialTokens:
    @given(any_text)
    def test_plain_text_never_makes_one(self, text):
        assert not {*TOKENIZER.special_tokens.values()} & {*TOKENIZER.encode(text + "<|endoftext|>" + text)}

    def test_they_are_made_when_allowed(self):
        ids = TOKENIZER.encode("a<|endoftext|><|user|>b", allowed_special=True)
        assert ids == [97, 376, 377, 98]
        assert TOKENIZER.decode(ids) == "a<|endoftext|><|user|>b"

    def test_the_longest_goes_first(self):
        tokenizer = BPETokenizer([], ("<a>", "<a><b>"))
        assert tokenizer.encode("<a><b><a>", allowed_special=True) == [257, 256]

    def test_an_empty_one_is_refused(self, refuses):
        with refuses(ValueError, "special token is empty"):
            BPETokenizer([], ("",))


class TestParts:
    def test_a_merge_of_what_is_not_there_yet_is_refused(self, refuses):
        with refuses(ValueError, r"merge 1 is of \(257, 97\): expected two of 0 to 256"):
            BPETokenizer([(97, 98), (257, 97)])

    def test_two_merges_that_make_the_same_are_refused(self, refuses):
        with refuses(ValueError, "two merges make b'abc'"):
            BPETokenizer([(97, 98), (98, 99), (256, 99), (97, 257)])

    def test_ids_with_a_gap_are_refused(self, refuses):
        with refuses(ValueError, "not 0 to 256, each of them once"):
            BPETokenizer([], {"<|endoftext|>": 300})
        with refuses(ValueError, "order has 2 ids: expected 256"):
            BPETokenizer([], order=[0, 1])

    @pytest.mark.parametrize("pattern", [r"\w+", r"(\s)|(\S)", "("])
    def test_a_pattern_that_loses_text_is_refused(self, pattern, refuses):
        with refuses(ValueError, "pattern .* (leaves out|cannot be used)"):
            BPETokenizer([], pattern=pattern)

    def test_a_byte_that_a_vocabulary_lacks_is_refused_when_it_is_needed(self, refuses):
        order = [None if byte == ord("z") else byte - (byte > ord("z")) for byte in range(256)]
        tokenizer = BPETokenizer([], order=order)
        assert tokenizer.decode(tokenizer.encode("abc é")) == "abc é"
        with refuses(ValueError, "'buzz' has a byte that is not in the vocabulary"):
            tokenizer.encode("buzz")

    def test_ranks_of_a_token_that_nothing_makes_are_refused(self, refuses):
        with refuses(ValueError, "b'abc' is made of 3 earlier ones"):
            BPETokenizer.from_ranks({bytes([b]): b for b in range(256)} | {b"abc": 256}, {})


class TestFiles:
    def test_what_is_saved_is_loaded(self, tmp_path):
        for tokenizer in (TOKENIZER, LOADED):
            save_tokenizer(tokenizer, tmp_path / "tokenizer.json")
            loaded = load_tokenizer(tmp_path / "tokenizer.json")
            assert loaded == tokenizer
            assert loaded.encode(SAMPLE, True) == tokenizer.encode(SAMPLE, True)
        assert LOADED != TOKENIZER

    def test_a_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / "tokenizer.json"
        save_tokenizer(TOKENIZER, path)
        before = path.read_bytes()

        def full(*_):
            raise OSError("no space left on device")

        monkeypatch.setattr(_files.os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            save_tokenizer(LOADED, path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_a_file_cut_off_anywhere_is_refused_by_name(self, tmp_path, refuses):
        path = tmp_path / "tokenizer.json"
        save_tokenizer(BPETokenizer.train("ab ab cd", 258), path)
        whole = path.read_bytes().rstrip()
        for length in range(0, len(whole), 37):
            path.write_bytes(whole[:length])
            with refuses(ValueError, "tokenizer.json is not JSON"):
                load_tokenizer(path)

    @pytest.mark.parametrize(
        "change",
        [
            {"merges": [[97, 999]]},
            {"merges": [[97]]},
            {"merges": None},
            {"merges": [["a", "b"]]},
            {"merges": []},
            {"special_tokens": ["<|endoftext|>"]},
            {"special_tokens": {"<|endoftext|>": 3}},
            {"special_tokens": {"<|endoftext|>": 256.0}},
            {"pattern": 3},
            {"pattern": "["},
            {"order": [1, 2, 3]},
            {"order": None},
        ],
        ids=str,
    )
    def test_a_part_that_does_not_fit_is_refused_by_file(self, change, tmp_path, refuses):
        path = tmp_path / "tokenizer.json"
        save_tokenizer(BPETokenizer.train("ab ab cd", 258), path)
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        with refuses(ValueError, "tokenizer.json is no whole tokenizer"):
            load_tokenizer(path)

    @pytest.mark.parametrize("text", ["[]", '{"format": "other"}', "\xff"])
    def test_another_file_is_refused_by_name(self, text, tmp_path, refuses):
        path = tmp_path / "other.json"
        path.write_bytes(text.encode("latin-1"))
        with refuses(ValueError, r"other\.json"):
            load_tokenizer(path)


class TestGPT2Files:
    def write(self, folder, vocabulary, merges):
        (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
        lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
        (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
        return folder / "vocab.json", folder / "merges.txt"

    def test_they_load_as_transformers_loads_them(self, tmp_path):
        vocabulary, merges = as_files(TOKENIZER)
        vocabulary["<|endoftext|>"] = len(vocabulary)
        paths = self.write(tmp_path, vocabulary, merges)
        ours = BPETokenizer.from_gpt2(*paths)
        theirs = transformers.GPT2TokenizerFast(*map(str, paths))
        assert ours.encode(SAMPLE) == theirs(SAMPLE)["input_ids"]
        assert ours.encode("a<|endoftext|>b", True) == theirs("a<|endoftext|>b")["input_ids"]
        assert ours.vocab_size == len(theirs)

    def test_bytes_are_written_as_gpt2_writes_them(self):
        # transformers' Python tokenizers had this table under this name; the alphabet of tokenizers has the same letters.
        assert sorted(LETTERS.values()) == sorted(pre_tokenizers.ByteLevel.alphabet())
        assert [LETTERS[ord(c)] for c in " \nA!"] == ["Ġ", "Ċ", "A", "!"]

    def test_a_merge_of_signs_is_no_comment(self, tmp_path):
        vocabulary, merges = as_files(BPETokenizer.train("## ##", 258))
        assert merges == [("#", "#"), ("Ġ", "##")]
        paths = self.write(tmp_path, {**vocabulary, "<|endoftext|>": len(vocabulary)}, merges)
        assert len(BPETokenizer.from_gpt2(*paths).merges) == 2

    def test_files_that_do_not_fit_are_refused_by_name(self, tmp_path, refuses):
        vocabulary, merges = as_files(TOKENIZER)
        with refuses(ValueError, "special tokens .*endoftext.* are not in the vocabulary"):
            BPETokenizer.from_gpt2(*self.write(tmp_path, vocabulary, merges))
        vocabulary["<|endoftext|>"] = len(vocabulary)
        with refuses(ValueError, r"vocab\.json and .*merges\.txt do not fit.*merge 0 is of 'q' and 'zq'"):
            BPETokenizer.from_gpt2(*self.write(tmp_path, vocabulary, [("q", "zq"), *merges]))
        with refuses(ValueError, r"merges\.txt, line 2 is 'one'"):
            BPETokenizer.from_gpt2(*self.write(tmp_path, vocabulary, [("one",)]))
        with refuses(ValueError, "do not fit"):
            BPETokenizer.from_gpt2(*self.write(tmp_path, vocabulary, merges[:-1]))
