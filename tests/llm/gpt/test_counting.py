"""What counting says comes next, and how far a model is from it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.counting import next_letter_tables, shares_elsewhere, table_nats
from fmlib.llm.tokens import bigram_nats

texts = st.lists(st.integers(0, 3), min_size=4, max_size=40).map(torch.tensor)


class Says(nn.Module):
    """Predicts at every position what a table says of the tokens up to there."""

    def __init__(self, table, length):
        super().__init__()
        self.table = nn.Parameter(table)
        self.config = GPTConfig(vocab_size=len(table), max_length=length, layers=1, heads=1, dim=2)

    def forward(self, tokens):
        order = self.table.ndim - 1
        padded = torch.cat([torch.zeros(len(tokens), max(order - 1, 0), dtype=torch.long), tokens], dim=1)
        if order == 0:
            return self.table.log().expand(*tokens.shape, -1)
        return self.table[padded.unfold(1, order, 1).unbind(dim=2)].log()


@given(texts)
def test_every_row_is_a_distribution_also_where_nothing_was_counted(text):
    for order, table in enumerate(next_letter_tables(text, 4)):
        assert table.shape == (4,) * (order + 1)
        assert table.min() > 0
        assert torch.allclose(table.sum(dim=-1), torch.ones(()), atol=1e-5)


@given(texts, texts)
def test_pairs_cost_what_the_lesson_on_tokens_says(train, held_out):
    tables = next_letter_tables(train, 4)
    pairs = table_nats(tables[1], held_out) * (len(held_out) - 1) - tables[0][held_out[0]].log().item()
    assert pairs == pytest.approx(bigram_nats(train.numpy(), held_out.numpy(), 4), rel=1e-4)


def test_triples_know_what_pairs_cannot():
    text = torch.tensor([0, 1, 2, 3, 1, 0] * 40)  # what follows 1 is told by what stood before it
    one, two, three = (table_nats(table, text) for table in next_letter_tables(text, 4))
    assert three < 0.1 < two < one < math.log(4)
    assert next_letter_tables(text, 4)[2][0, 1].argmax() == 2  # the older token is the first axis


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_model_that_says_what_a_table_says_lies_nowhere_else(order):
    text = torch.from_numpy(np.random.default_rng(0).choice(4, 400, p=[0.5, 0.3, 0.1, 0.1]))
    text[2::3] = (text[:-2:3] + 2 * text[1:-1:3])[: len(text[2::3])] % 4
    tables = next_letter_tables(text, 4)
    found = shares_elsewhere(Says(tables[order], 8), tables, text, batch_size=7)
    assert found[order] == pytest.approx(0, abs=1e-6)
    assert all(0.01 < share < 1 for other, share in enumerate(found) if other != order)


def test_a_model_that_never_agrees_lies_wholly_elsewhere():
    sure = torch.tensor([1 - 1e-9, 5e-10, 5e-10])
    other = sure.roll(1)
    found = shares_elsewhere(Says(other.clone(), 4), [sure], torch.zeros(40, dtype=torch.long))
    assert found == [pytest.approx(1, abs=1e-6)]


def test_impossible_tables_are_refused(refuses):
    with refuses(ValueError, "discount is 0"):
        next_letter_tables(torch.tensor([0, 1, 2]), 3, discount=0)
    with refuses(ValueError, "longest is 2 and the text has 2 tokens"):
        next_letter_tables(torch.tensor([0, 1]), 3)
