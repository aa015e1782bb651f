import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmlib.data import load_shakespeare
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.pretraining.streaming import HEADER, open_tokens, pieces_of_file, write_tokens
from fmlib.llm.pretraining.training import Recipe, train_gpt
from fmlib.llm.tokens.characters import ByteTokenizer, CharTokenizer
from fmlib.llm.tokens.tokenizer import BPETokenizer
from fmlib.training.batches import TextBatches

PLAY = load_shakespeare("validation").works[0].text
END = "<|endoftext|>"
# Merges of line ends and spaces, so that a wrong cut between them would show.
BPE = BPETokenizer.train("a\n\n\nb \n \n c\r\n\r\nd 's \n\n\n" * 50 + PLAY[:20_000], 420, (END,))


def written(folder, text):
    path = folder / "text.txt"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("tokenizer", [BPE, ByteTokenizer(), CharTokenizer.train(PLAY)])
@pytest.mark.parametrize("chunk", [37, 1000, 1 << 20])
def test_the_tokens_are_those_of_the_whole_text(tmp_path, tokenizer, chunk):
    text = PLAY[:30_000]
    made = write_tokens(written(tmp_path, text), tokenizer, tmp_path / "tokens", chunk=chunk)
    assert made.tokens().tolist() == tokenizer.encode(text)
    assert (len(made), made.characters, made.vocab_size) == (
        len(tokenizer.encode(text)),
        len(text),
        tokenizer.vocab_size,
    )


@given(
    st.text(st.sampled_from("ab'1.é \t\n\r\u2028\u00a0"), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=20),
    st.booleans(),
)
def test_no_white_space_is_cut_where_a_token_crosses(tmp_path_factory, text, chunk, special):
    text = text.replace("b", END)
    tokens = tmp_path_factory.mktemp("s") / "tokens"
    made = write_tokens(written(tokens.parent, text), BPE, tokens, special_tokens=special, chunk=chunk)
    assert made.tokens().tolist() == BPE.encode(text, allowed_special=special)


def test_pieces_are_small_and_make_up_the_text(tmp_path):
    pieces = list(pieces_of_file(written(tmp_path, PLAY), chunk=500))
    assert "".join(pieces) == PLAY
    assert max(len(piece) for piece in pieces) < 2000


def test_a_batch_is_that_of_the_tokens_in_memory(tmp_path):
    made = write_tokens(written(tmp_path, PLAY), BPE, tmp_path / "tokens")
    mapped = TextBatches(made.tokens(), length=17, batch_size=8)
    memory = TextBatches(torch.tensor(BPE.encode(PLAY)), length=17, batch_size=8)
    assert all(torch.equal(mapped(step), memory(step)) for step in (0, 1, 500))
    assert mapped(0).dtype == torch.long


def test_training_on_the_file_is_training_on_the_text(tmp_path):
    made = write_tokens(written(tmp_path, PLAY), ByteTokenizer(), tmp_path / "tokens")
    recipe = Recipe(GPTConfig.tiny(256), steps=3, batch_size=4)
    options = {"progress": False, "device": "cpu"}
    _, mapped = train_gpt(made.tokens(), recipe, **options)
    _, memory = train_gpt(torch.tensor(ByteTokenizer().encode(PLAY)), recipe, **options)
    assert mapped.loss == memory.loss


@pytest.mark.parametrize(("vocab_size", "dtype"), [(1 << 16, "uint16"), ((1 << 16) + 1, "uint32")])
def test_two_bytes_hold_a_token_where_they_can(tmp_path, vocab_size, dtype):
    class Highest(ByteTokenizer):
        def encode(self, text):
            return [self.vocab_size - 1] * len(text)

    tokenizer = Highest()
    tokenizer.vocab_size = vocab_size
    made = write_tokens(written(tmp_path, "ab"), tokenizer, tmp_path / "tokens")
    assert made.dtype == dtype
    assert made.tokens().tolist() == [vocab_size - 1] * 2
    assert (tmp_path / "tokens").stat().st_size == HEADER + 2 * np.dtype(dtype).itemsize


def test_a_file_opened_again_is_the_one_written(tmp_path):
    made = write_tokens(written(tmp_path, PLAY), BPE, tmp_path / "tokens")
    again = open_tokens(tmp_path / "tokens")
    assert again == made
    again.check()


def test_a_changed_token_is_noticed(tmp_path):
    made = write_tokens(written(tmp_path, PLAY), BPE, tmp_path / "tokens")
    with open(made.path, "r+b") as file:
        file.seek(HEADER + 10)
        file.write(b"\xff")
    with pytest.raises(ValueError, match="checksum differs"):
        made.check()


def test_writing_to_the_tensor_leaves_the_file_alone(tmp_path):
    made = write_tokens(written(tmp_path, PLAY), ByteTokenizer(), tmp_path / "tokens")
    made.tokens()[:5] = 0
    made.check()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    made = write_tokens(written(tmp_path, PLAY), ByteTokenizer(), tmp_path / "tokens")

    class Failing(ByteTokenizer):
        def encode(self, text):
            raise RuntimeError("the power went out")

    with pytest.raises(RuntimeError, match="power"):
        write_tokens(tmp_path / "text.txt", Failing(), tmp_path / "tokens")
    open_tokens(made.path).check()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt", "tokens"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no token file"), (b"x" * 9000, "no token file"), (b'{"format": "other"}', "no token file")],
)
def test_what_is_no_token_file_is_refused(tmp_path, content, message):
    (tmp_path / "tokens").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_tokens(tmp_path / "tokens")


def test_half_a_token_file_is_refused(tmp_path):
    made = write_tokens(written(tmp_path, PLAY), BPE, tmp_path / "tokens")
    made.path.write_bytes(made.path.read_bytes()[:-2])
    with pytest.raises(ValueError, match="bytes: expected"):
        open_tokens(made.path)


@pytest.mark.parametrize(("content", "message"), [(b"", "is empty"), (b"abc \xff\xfe", "is not UTF-8")])
def test_what_is_no_text_is_refused(tmp_path, content, message):
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        write_tokens(tmp_path / "text.txt", ByteTokenizer(), tmp_path / "tokens")
    assert not (tmp_path / "tokens").exists()


def test_a_text_without_white_space_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("fmlib.llm.pretraining.streaming.LONGEST", 100)
    with pytest.raises(ValueError, match="no white space to cut at in"):
        write_tokens(written(tmp_path, "word" * 500), ByteTokenizer(), tmp_path / "tokens", chunk=50)


@pytest.mark.parametrize(
    "text",
    [
        "\n    return x + 1",
        "\n\tif x:",
        "words in one line that never ends ",
        "\n \n  end",
        "\u00a0\u2003indented\r\n ",
    ],
    ids=["spaces", "tabs", "one line", "blank lines", "other spaces"],
)
def test_lines_that_begin_with_white_space_are_cut_too(tmp_path, text):
    text *= 400
    pieces = list(pieces_of_file(written(tmp_path, text), chunk=200))
    assert "".join(pieces) == text
    assert max(len(piece) for piece in pieces) <= 500
    assert [i for piece in pieces for i in BPE.encode(piece)] == BPE.encode(text)


def test_what_has_been_searched_for_a_cut_is_not_searched_again(tmp_path, monkeypatch):
    from fmlib.llm.pretraining import streaming

    searched, own = [], streaming._last_cut
    monkeypatch.setattr(
        streaming,
        "_last_cut",
        lambda text, first, marks: searched.append(len(text) - first) or own(text, first, marks),
    )
    list(pieces_of_file(written(tmp_path, "x" * 20_000), chunk=100))
    assert sum(searched) < 2 * 20_000


@given(st.text(st.sampled_from("ab \n\t"), min_size=1, max_size=60), st.integers(min_value=1, max_value=20))
def test_a_special_token_with_white_space_in_it_stays_whole(tmp_path_factory, text, chunk):
    mark = "<| end\nof text |>"
    tokenizer = BPETokenizer.train("a \n\n b \n a b\t\t" * 50, 262, (mark,))
    text = text.replace("b", mark)
    tokens = tmp_path_factory.mktemp("s") / "tokens"
    made = write_tokens(written(tokens.parent, text), tokenizer, tokens, special_tokens=True, chunk=chunk)
    assert made.tokens().tolist() == tokenizer.encode(text, allowed_special=True)


@pytest.mark.parametrize("before", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 5])
def test_where_a_text_is_not_utf8_is_told_as_the_files_byte_and_line(tmp_path, before):
    start = ("é\n" * before).encode()[:before]  # so that a block may end within a character
    start = start.decode(errors="ignore").encode()
    (tmp_path / "text.txt").write_bytes(start + b"\xff" + b" and more")
    with pytest.raises(
        ValueError, match=rf"not UTF-8 at byte {len(start) + 1:,} \(line {start.count(10) + 1:,}\): convert"
    ):
        list(pieces_of_file(tmp_path / "text.txt"))


def test_a_text_that_ends_within_a_character_is_refused(tmp_path):
    (tmp_path / "text.txt").write_bytes("to bé".encode()[:-1])
    with pytest.raises(ValueError, match="not UTF-8 at its end"):
        list(pieces_of_file(tmp_path / "text.txt"))


@pytest.mark.skipif(os.name != "posix", reason="rights as posix has them")
def test_a_token_file_can_be_read_by_whom_a_new_file_can(tmp_path):
    made = write_tokens(written(tmp_path, PLAY), ByteTokenizer(), tmp_path / "tokens")
    assert made.path.stat().st_mode == (tmp_path / "text.txt").stat().st_mode
