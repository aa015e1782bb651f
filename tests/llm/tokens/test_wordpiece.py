"""WordPiece cuts as BERT's tokenizer does."""

import unicodedata

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, normalizers, pre_tokenizers

from fmlib.llm.tokens.wordpiece import SPECIAL, WordPieceTokenizer, basic_words, wordpiece

SAMPLE = (
    "The players were playing an unplayable play; nobody replayed it. She's unaffable, isn't she?\n"
    "Ça va, naïve café! 東京 is 首都. It costs $5 (or 5^2 ~ 25_000). 🙂 ...\tend"
)
TOKENIZER = WordPieceTokenizer.train(SAMPLE * 2, 110)
CASED = WordPieceTokenizer.train(SAMPLE * 2, 115, lowercase=False)


def is_old(character):
    """Whether all Unicode tables since 2002 agree on what a character is; the libraries' are of different years."""
    old = unicodedata.ucd_3_2_0.category(character)
    return old not in ("Cn", "Cs") and old == unicodedata.category(character)


texts = st.lists(
    st.one_of(
        st.text(max_size=10).map(lambda text: "".join(filter(is_old, text))),
        st.sampled_from(
            ["playing ", "unaffable", "Ça", "東京", "it's", "\t", "\u00a0", "e\u0301", "İ", "ẞ", "\u200d"]
        ),
        st.sampled_from(
            ["the", "THE", "$5", "...", "x" * 101, "\x00", "\ufffd", "\x0b", "🙂", "[MASK]x"[1:], "ǅ"]
        ),
    ),
    max_size=8,
).map("".join)
plain_texts = texts.filter(
    lambda text: not any(special in text for special in SPECIAL)
)  # theirs makes them from text


def theirs(tokenizer):
    vocabulary = {piece: i for i, piece in enumerate(tokenizer.pieces)}
    return transformers.BertTokenizer(vocab=vocabulary, do_lower_case=tokenizer.lowercase)


THEIRS = {True: theirs(TOKENIZER), False: theirs(CASED)}


@pytest.mark.parametrize("tokenizer", [TOKENIZER, CASED], ids=["uncased", "cased"])
@given(plain_texts)
@settings(max_examples=200)
def test_the_ids_are_those_of_transformers(tokenizer, text):
    expected = THEIRS[tokenizer.lowercase](text, add_special_tokens=False)["input_ids"]
    assert tokenizer.encode(text) == expected


@pytest.mark.parametrize("lowercase", [True, False])
@given(texts)
def test_the_words_are_those_of_tokenizers(lowercase, text):
    normal = normalizers.BertNormalizer(lowercase=lowercase).normalize_str(text)
    pieces = [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(normal)]
    assert basic_words(text, lowercase) == pieces


@given(
    st.text("abc", max_size=12),
    st.sets(
        st.text("abc", min_size=1, max_size=4).flatmap(lambda piece: st.sampled_from([piece, "##" + piece])),
        max_size=12,
    ),
)
def test_the_pieces_are_those_of_tokenizers(word, vocabulary):
    ids = {piece: i for i, piece in enumerate(["[UNK]", *sorted(vocabulary)])}
    expected = (
        [token.value for token in models.WordPiece(ids, unk_token="[UNK]").tokenize(word)] if word else []
    )
    assert wordpiece(word, vocabulary) == expected


def test_the_longest_piece_wins_even_where_it_leads_nowhere():
    assert wordpiece("playing", {"play", "playi", "##ing"}) == ["[UNK]"]
    assert wordpiece("playing", {"play", "##ing", "##in", "p"}) == ["play", "##ing"]
    assert wordpiece("", {"a"}) == []


def test_every_word_of_the_training_text_can_be_written():
    assert TOKENIZER.special_tokens["[UNK]"] not in TOKENIZER.encode(SAMPLE)
    assert TOKENIZER.decode(TOKENIZER.encode("the players")) == "the players"
    assert TOKENIZER.vocab_size == 110
    assert tuple(TOKENIZER.pieces[:5]) == SPECIAL


def test_case_and_spaces_are_lost():
    assert TOKENIZER.decode(TOKENIZER.encode("The  café")) == "the cafe"


def test_plain_text_never_makes_a_special_token_but_for_unknown():
    marks = {TOKENIZER.special_tokens[name] for name in ("[PAD]", "[CLS]", "[SEP]", "[MASK]")}
    assert not marks & {*TOKENIZER.encode("[SEP] play [MASK][CLS] [PAD]")}


def test_training_gives_the_same_twice():
    assert WordPieceTokenizer.train(SAMPLE * 2, 110).pieces == TOKENIZER.pieces


def test_a_word_with_an_unknown_character_becomes_one_unknown_token():
    assert TOKENIZER.encode("ωμ") == [TOKENIZER.special_tokens["[UNK]"]]


def test_a_vocab_file_comes_back(tmp_path):
    TOKENIZER.save(tmp_path / "vocab.txt")
    loaded = WordPieceTokenizer.load(tmp_path / "vocab.txt")
    assert loaded.pieces == TOKENIZER.pieces
    assert loaded.encode(SAMPLE) == TOKENIZER.encode(SAMPLE)


def test_a_bad_file_is_refused_by_name(tmp_path, refuses):
    path = tmp_path / "vocab.txt"
    path.write_bytes(b"[UNK]\nthe\n\xff\n")
    with refuses(ValueError, r"vocab\.txt is no vocabulary"):
        WordPieceTokenizer.load(path)
    path.write_text("the\na\n")
    with refuses(ValueError, r"vocab\.txt .*none of the 2 pieces is '\[UNK\]'"):
        WordPieceTokenizer.load(path)


def test_a_piece_twice_is_refused(refuses):
    with refuses(ValueError, "'the' occurs twice"):
        WordPieceTokenizer(["[UNK]", "the", "the"])


def test_a_vocabulary_of_the_wrong_size_is_refused(refuses):
    with refuses(
        ValueError, "vocab_size is 6: expected 9 or more, for 5 special tokens and 4 pieces of one character"
    ):
        WordPieceTokenizer.train("ab ca", 6)
    with refuses(ValueError, "has only 2 pairs to merge"):
        WordPieceTokenizer.train("ab ca", 100)


def test_half_a_surrogate_pair_is_refused(refuses):
    with refuses(ValueError, "lone surrogate"):
        TOKENIZER.encode("a\udc00")


def test_an_id_outside_the_vocabulary_is_refused(refuses):
    with refuses(ValueError, "token 110 is not in the vocabulary"):
        TOKENIZER.decode([110])
    with refuses(ValueError, "token -1 is not in the vocabulary"):
        TOKENIZER.token_bytes(-1)
