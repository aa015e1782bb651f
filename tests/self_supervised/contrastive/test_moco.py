import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fmlib.self_supervised.contrastive.moco import MoCo, MoCoConfig, enqueue, info_nce
from fmlib.training.ema import momentum_update


def tiny():
    return MoCo(nn.Sequential(nn.Flatten(), nn.Linear(12, 7)), feature_dim=7, config=MoCoConfig.tiny())


def views(batch=5):
    return torch.rand(batch, 3, 2, 2), torch.rand(batch, 3, 2, 2)


def test_info_nce_equals_algorithm_1():
    query, keys = torch.randn(2, 4, 6, dtype=torch.float64)
    queue = torch.randn(9, 6, dtype=torch.float64)
    q, k, n = (F.normalize(t, dim=1) for t in (query, keys, queue))
    positive = torch.einsum("nc,nc->n", q, k)[:, None]
    logits = torch.cat([positive, torch.einsum("nc,kc->nk", q, n)], dim=1) / 0.07
    expected = F.cross_entropy(logits, torch.zeros(4, dtype=torch.long))
    assert abs(info_nce(query, keys, queue, 0.07) - expected) < 1e-10


def test_info_nce_equals_lightlys_memory_bank():
    from lightly.loss import NTXentLoss

    reference = NTXentLoss(temperature=0.2, memory_bank_size=(16, 6)).double()
    query, keys = torch.randn(2, 4, 6, dtype=torch.float64)
    reference(
        torch.randn(4, 6, dtype=torch.float64, requires_grad=True), torch.randn(4, 6, dtype=torch.float64)
    )
    queue = F.normalize(torch.randn(16, 6, dtype=torch.float64), dim=1)
    reference.memory_bank.bank = queue.clone()  # by itself it would start in float32
    query.requires_grad_()
    ours, theirs = info_nce(query, keys, queue, 0.2), reference(query, keys)
    assert abs(ours - theirs) < 1e-10
    mine, other = torch.autograd.grad(ours, query)[0], torch.autograd.grad(theirs, query)[0]
    assert torch.allclose(mine, other, rtol=0, atol=1e-10)


def test_an_untrained_query_pays_the_log_of_all_candidates():
    same = torch.ones(3, 4)
    assert math.isclose(info_nce(same, same, torch.ones(7, 4)).item(), math.log(8), rel_tol=1e-6)


def test_only_the_query_gets_a_gradient():
    query, keys, queue = (torch.randn(n, 4, requires_grad=True) for n in (3, 3, 5))
    info_nce(query, keys, queue).backward()
    assert query.grad.abs().sum() > 0
    assert keys.grad is None
    assert queue.grad is None


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 12), batches=st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_the_queue_holds_the_newest_keys(size, batches):
    queue, start, pushed = torch.zeros(size, 1), 0, []
    for batch in batches:
        batch = min(batch, size)
        keys = torch.arange(len(pushed) + 1.0, len(pushed) + 1 + batch)[:, None]
        pushed += keys.flatten().tolist()
        queue, start = enqueue(queue, keys, start)
    newest = pushed[-size:]
    assert sorted(queue.flatten().tolist()) == sorted(newest + [0.0] * (size - len(newest)))
    assert start == len(pushed) % size


def test_enqueue_leaves_the_old_queue_alone():
    queue = torch.zeros(4, 2)
    enqueue(queue, torch.ones(3, 2), 2)
    assert queue.abs().sum() == 0


@pytest.mark.parametrize(
    ("queue", "keys", "start", "says"),
    [
        (torch.zeros(4, 2), torch.ones(5, 2), 0, "keys has 5 rows"),
        (torch.zeros(4, 2), torch.ones(1, 2), 4, "start is 4"),
        (torch.zeros(4, 2), torch.ones(1, 3), 0, r"\(1, 3\)"),
        (torch.zeros(0, 2), torch.ones(1, 2), 0, "not empty"),
    ],
)
def test_enqueue_refuses_what_does_not_fit(queue, keys, start, says, refuses):
    with refuses(ValueError, says):
        enqueue(queue, keys, start)


def test_the_momentum_update_is_equation_2():
    slow, fast = nn.Linear(3, 2), nn.Linear(3, 2)
    expected = 0.9 * slow.weight.detach() + 0.1 * fast.weight.detach()
    momentum_update(slow, fast, 0.9)
    assert torch.allclose(slow.weight, expected)
    assert slow.weight.grad_fn is None


def test_momentum_1_freezes_and_0_copies():
    slow, fast = nn.Linear(3, 2), nn.Linear(3, 2)
    before = slow.weight.detach().clone()
    momentum_update(slow, fast, 1.0)
    assert torch.equal(slow.weight, before)
    momentum_update(slow, fast, 0.0)
    assert torch.equal(slow.weight, fast.weight)


def test_running_statistics_are_copied():
    slow, fast = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    fast(torch.randn(8, 3) + 5)
    momentum_update(slow, fast, 0.99)
    assert torch.equal(slow.running_mean, fast.running_mean)


def test_the_momentum_update_refuses_other_shapes_and_numbers(refuses):
    with refuses(ValueError, "differ at"):
        momentum_update(nn.Linear(3, 2), nn.Linear(3, 3))
    with refuses(ValueError, "momentum is 1.5"):
        momentum_update(nn.Linear(3, 2), nn.Linear(3, 2), 1.5)


def test_the_key_encoder_and_its_head_start_as_the_querys():
    model = tiny()
    for key, query in ((model.key_encoder, model.encoder), (model.key_head, model.head)):
        assert all(torch.equal(a, b) for a, b in zip(key.parameters(), query.parameters(), strict=True))


def test_the_key_encoder_gets_no_gradient():
    model = tiny()
    query, keys = model(*views())
    model.loss(query, keys).backward()
    assert not keys.requires_grad
    assert all(p.grad is None for p in [*model.key_encoder.parameters(), *model.key_head.parameters()])
    assert all(p.grad is not None for p in [*model.encoder.parameters(), *model.head.parameters()])


def test_an_update_moves_the_key_network_and_fills_the_queue():
    model = tiny()
    with torch.no_grad():
        for p in [*model.encoder.parameters(), *model.head.parameters()]:
            p.add_(1.0)
    _, keys = model(*views())
    before = {n: p.clone() for n, p in model.named_parameters() if n.startswith("key_")}
    model.update(keys)
    assert all(
        torch.allclose(p, before[n] + 0.01, atol=1e-6) for n, p in model.named_parameters() if n in before
    )
    assert torch.equal(model.queue[:5], keys)
    assert model.oldest == 5


def test_the_queue_wraps_round_in_training():
    model = tiny()  # a queue of 32
    for _ in range(7):
        model.update(F.normalize(torch.randn(5, 8), dim=1))
    assert model.oldest == 35 % 32


def test_the_first_queue_has_unit_rows_from_the_generator():
    models = [
        MoCo(nn.Flatten(), 12, MoCoConfig.tiny(), generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    ]
    assert torch.equal(models[0].queue, models[1].queue)
    assert torch.allclose(models[0].queue.norm(dim=1), torch.ones(32))


@pytest.mark.parametrize("bad", [{"momentum": 1.1}, {"queue_size": 0}, {"temperature": -1}])
def test_the_configuration_refuses_bad_numbers(bad, refuses):
    with refuses(ValueError, "expected"):
        MoCoConfig(**bad)
