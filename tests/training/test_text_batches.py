import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.measure import nats_per_token
from fmlib.llm.gpt.model import GPT
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.training import batches
from fmlib.training.batches import TextBatches, consecutive_pieces

texts = st.integers(2, 200)


def epoch(batches, number):
    """All batches of an epoch."""
    count = batches.pieces // batches.batch_size
    return torch.cat([batches(number * count + step) for step in range(count)])


@settings(max_examples=60, deadline=None)
@given(size=texts, length=st.integers(2, 20), seed=st.integers(0, 5))
def test_in_an_epoch_no_token_is_a_target_twice_and_few_are_left_out(size, length, seed):
    if size < length:
        return
    batches = TextBatches(torch.arange(size), length, batch_size=1, seed=seed)
    targets = epoch(batches, 3)[:, 1:].flatten()
    assert len(targets.unique()) == len(targets)
    assert len(targets) > size - 2 * length


def test_a_piece_is_a_stretch_of_the_text():
    text = torch.randint(0, 1000, (97,))
    whole = text.tolist()
    for piece in epoch(TextBatches(text, 7, batch_size=4), 0).tolist():
        assert any(whole[i : i + 7] == piece for i in range(91))


def test_a_step_can_be_asked_for_again_and_another_seed_gives_another_order():
    text = torch.arange(500)
    batches, others = TextBatches(text, 9, batch_size=4), TextBatches(text, 9, batch_size=4, seed=1)
    before = [batches(step) for step in range(40)]
    assert all(torch.equal(batches(step), before[step]) for step in reversed(range(40)))
    assert any(not torch.equal(others(step), before[step]) for step in range(40))


def test_every_epoch_cuts_at_other_places():
    batches = TextBatches(torch.arange(1000), 11, batch_size=1)
    assert len({int(epoch(batches, number).min()) for number in range(20)}) > 3


def test_the_processes_share_a_batch(monkeypatch):
    text = torch.arange(300)
    whole = TextBatches(text, 5, batch_size=6)(3)
    parts = []
    for index in range(3):
        monkeypatch.setattr(batches, "process_count", lambda: 3)
        monkeypatch.setattr(batches, "process_index", lambda index=index: index)
        parts.append(TextBatches(text, 5, batch_size=6)(3))
    assert torch.equal(torch.cat(parts), whole)


def test_a_batch_that_processes_cannot_share_is_refused(monkeypatch, refuses):
    monkeypatch.setattr(batches, "process_count", lambda: 4)
    with refuses(ValueError, "multiple of 4 processes"):
        TextBatches(torch.arange(300), 5, batch_size=6)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_small_integers_save_memory_and_come_out_as_int64(dtype):
    batch = TextBatches(torch.arange(100).to(dtype), 5, batch_size=2)(0)
    assert batch.dtype == torch.int64
    assert batch.max() < 100


def test_the_shortest_text_is_one_piece():
    assert TextBatches(torch.arange(5), 5, batch_size=1)(17).tolist() == [[0, 1, 2, 3, 4]]


def test_consecutive_pieces_join_at_one_token():
    assert consecutive_pieces(torch.arange(9), 4).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6]]


@pytest.mark.parametrize(
    ("tokens", "length", "batch", "error", "says"),
    [
        ([1, 2, 3], 2, 1, TypeError, "list: expected a tensor"),
        (torch.rand(9), 2, 1, TypeError, "float32"),
        (torch.zeros(3, 3).long(), 2, 1, ValueError, r"\(3, 3\)"),
        (torch.arange(9), 1, 1, ValueError, "length is 1"),
        (torch.arange(9), 10, 1, ValueError, "9 tokens: expected at least 10"),
        (torch.arange(9), 4, 0, ValueError, "batch_size is 0"),
        (torch.arange(9), 4, 3, ValueError, "expected 1 to 2"),
    ],
)
def test_what_cannot_be_cut_is_refused(tokens, length, batch, error, says, refuses):
    with refuses(error, says):
        TextBatches(tokens, length, batch)


class Constant(nn.Module):
    """Says the same of every token."""

    def __init__(self, logits):
        super().__init__()
        self.answer = nn.Parameter(logits)

    def forward(self, tokens):
        return self.answer.expand(*tokens.shape, -1)


def test_a_model_that_knows_nothing_needs_the_log_of_the_vocabulary():
    model = Constant(torch.zeros(11))
    assert math.isclose(nats_per_token(model, torch.arange(11).repeat(9), 8), math.log(11), rel_tol=1e-6)


def test_nats_per_token_is_the_loss_of_the_whole_text_at_once_however_it_is_batched():
    model = GPT(GPTConfig.tiny()).train()
    text = torch.randint(0, 64, (16 * 7 + 1,))
    pieces = consecutive_pieces(text, 17)
    expected = next_token_loss(model(pieces[:, :-1]), pieces).item()
    for size in (1, 3, 64):
        assert math.isclose(nats_per_token(model, text, batch_size=size), expected, rel_tol=1e-5)
    assert model.training
