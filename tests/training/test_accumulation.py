"""A step of several micro-batches, in one process or two, must be the step of the whole batch."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from two_processes import in_two_processes

from fmlib.llm.family.masking import mask_tokens
from fmlib.llm.family.span_corruption import span_corruption
from fmlib.training.batches import ShuffledBatches
from fmlib.training.counted import Counted
from fmlib.training.fit import fit

WORDS, ROWS = 11, 32
TOKENS = torch.randint(WORDS, (ROWS, 6), generator=torch.Generator().manual_seed(1))
# From 1 to 6 counted tokens a row, so that micro-batches differ much in their number.
COUNTED = torch.arange(6) <= torch.randint(6, (ROWS, 1), generator=torch.Generator().manual_seed(2))


def net():
    torch.manual_seed(3)
    return nn.Sequential(nn.Embedding(WORDS, 8), nn.Linear(8, WORDS))


def surprise(model, tokens, counted):
    return F.cross_entropy(model(tokens)[counted], (3 * tokens[counted] + 1) % WORDS)


def of_tokens(model, batch, generator):
    tokens, counted = batch
    return Counted(surprise(model, tokens, counted), counted.sum())


def of_rows(model, batch, generator):
    return model(batch[0]).square().mean()


def of_both(model, batch, generator):
    return [of_tokens(model, batch, generator), of_rows(model, batch, generator)]


def mean_of_means(model, batch, generator):
    return surprise(model, *batch)


LOSSES = {"counted": of_tokens, "rows": of_rows, "both": of_both}


def train(loss, accumulate=1, batch_size=16, processes=1, **more):
    model = net()
    source = ShuffledBatches(TOKENS, COUNTED, batch_size=batch_size // accumulate)
    history = fit(
        model, source, loss, steps=4, rate=0.05, accumulate=accumulate, progress=False, device="cpu", **more
    )
    return torch.cat([p.detach().flatten() for p in model.parameters()]), torch.tensor(history.loss)


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("accumulate", [2, 4, 16])
def test_micro_batches_make_the_step_of_the_whole_batch(name, accumulate):
    weights, losses = train(LOSSES[name])
    found, told = train(LOSSES[name], accumulate)
    torch.testing.assert_close(found, weights, rtol=0, atol=2e-6)
    torch.testing.assert_close(told, losses, rtol=1e-6, atol=0)


def test_a_mean_of_means_is_not_that_step():
    weights, _ = train(mean_of_means)
    assert (train(mean_of_means, 4)[0] - weights).abs().max() > 1e-3


def test_one_batch_is_what_it_was_to_the_last_bit():
    assert torch.equal(train(of_tokens)[0], train(mean_of_means)[0])


def test_a_micro_batch_that_counts_nothing_changes_nothing():
    rows = torch.tensor([[True] * 6, [False] * 6, [True] * 6, [False] * 6])
    tokens = TOKENS[:4]

    def loss(model, batch, generator):
        read, counted = batch
        if not counted.any():
            return Counted(model(read).sum() * 0, 0)
        return Counted(surprise(model, read, counted), counted.sum())

    found = []
    for accumulate, size in ((1, 4), (4, 1)):
        model = net()
        source = ShuffledBatches(tokens, rows, batch_size=size)
        fit(model, source, loss, steps=3, accumulate=accumulate, progress=False, device="cpu")
        found.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(*found, rtol=0, atol=2e-6)


def work(rank):
    found = {}
    for name, loss in LOSSES.items():
        for accumulate in (1, 2):
            weights, losses = train(loss, accumulate)
            found |= {f"{name} {accumulate} weights": weights, f"{name} {accumulate} losses": losses}
    return found


@pytest.mark.slow
def test_two_processes_with_micro_batches_make_the_step_of_the_whole_batch(tmp_path):
    for found in in_two_processes(work, tmp_path):
        for name, loss in LOSSES.items():
            weights, losses = train(loss)
            for accumulate in (1, 2):
                told = found[f"{name} {accumulate} losses"]
                torch.testing.assert_close(found[f"{name} {accumulate} weights"], weights, rtol=0, atol=2e-6)
                torch.testing.assert_close(told, losses, rtol=1e-6, atol=0)


def test_every_micro_batch_has_randomness_of_its_own_and_the_queue_gets_all_of_them():
    drawn, queued = [], []

    def loss(model, batch, generator):
        drawn.append(torch.rand((), generator=generator).item())
        return model(batch[0]).square().mean(), drawn[-1]

    train(loss, 4, after_step=lambda model, extra: queued.append(extra))
    assert len(set(drawn)) == 16
    assert queued == [drawn[i : i + 4] for i in range(0, 16, 4)]


def test_the_number_of_terms_may_not_change(refuses):
    def loss(model, batch, generator, calls=[]):  # noqa: B006
        calls.append(1)
        return [of_rows(model, batch, generator)] * len(calls)

    with refuses(ValueError, "2 terms, before it had 1"):
        train(loss, 2)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            lambda model, batch, generator: model(batch[0]).mean(dim=(0, 1)),
            r"the loss is \(11,\): expected one",
        ),
        (lambda model, batch, generator: 1.0, "the loss is float: expected one number"),
        (lambda model, batch, generator: [], "the loss is an empty list"),
    ],
)
def test_a_loss_that_is_no_number_is_told(wrong, says, refuses):
    with refuses(ValueError, says):
        train(wrong)


def test_blanks_and_spans_ask_for_as_many_tokens_in_every_row():
    """So the plain mean of BERT's and T5's losses is exact, and needs no count."""
    text = torch.randint(50, (64, 32))
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        _, targets = mask_tokens(text, 50, 51, generator=generator)
        assert len(set((targets != -100).sum(dim=1).tolist())) == 1
        _, told = span_corruption(text, 60, generator=generator)
        assert (told != -100).all()
