import pytest
import torch
import torch.nn.functional as F

from fmlib.llm.gpt.cross_entropy import IGNORED, mean_cross_entropy


def batch(rows=700, vocab=37, dtype=torch.float64, spread=3.0):
    torch.manual_seed(0)
    logits = (spread * torch.randn(rows, vocab, dtype=dtype)).requires_grad_()
    targets = torch.randint(vocab, (rows,))
    targets[::5] = IGNORED
    return logits, targets


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 700, 5000])
def test_loss_and_gradient_are_torchs(rows):
    logits, targets = batch(rows)
    targets[0] = 3
    expected = F.cross_entropy(logits, targets, ignore_index=IGNORED)
    wanted = torch.autograd.grad(2.5 * expected, logits)[0]
    found = mean_cross_entropy(logits, targets)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(2.5 * found, logits)[0], wanted, rtol=0, atol=1e-14)


def test_the_gradient_may_take_the_logits_place():
    logits, targets = batch()
    weight = torch.randn(37, 37, dtype=torch.float64, requires_grad=True)
    wanted = torch.autograd.grad(mean_cross_entropy(logits @ weight, targets), (logits, weight))
    found = torch.autograd.grad(
        mean_cross_entropy(logits @ weight, targets, overwrite=True), (logits, weight)
    )
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_nothing_is_overwritten_unless_asked_for():
    logits, targets = batch()
    made = logits * 1
    before = made.detach().clone()
    mean_cross_entropy(made, targets).backward()
    assert torch.equal(made, before)


def test_who_still_needs_overwritten_logits_is_told():
    logits, targets = batch()
    made = logits * 1
    both = mean_cross_entropy(made, targets) + mean_cross_entropy(made, targets, overwrite=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        both.backward()


def test_sixteen_bit_logits_get_the_gradient_of_exact_sums():
    logits, targets = batch(dtype=torch.float32, spread=8.0)
    half = logits.detach().bfloat16().requires_grad_()
    found = mean_cross_entropy(half, targets)
    expected = F.cross_entropy(half.float(), targets, ignore_index=IGNORED)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    wanted = torch.autograd.grad(expected, half)[0]
    torch.testing.assert_close(torch.autograd.grad(found, half)[0], wanted, rtol=1e-2, atol=1e-8)


def test_a_row_that_does_not_count_may_hold_infinities():
    logits, targets = batch(rows=20)
    with torch.no_grad():
        logits[0, 1:] = -torch.inf
    found = mean_cross_entropy(logits, targets)
    found.backward()
    assert found.isfinite()
    assert logits.grad.isfinite().all()
    assert logits.grad[0].eq(0).all()


def test_it_holds_one_tensor_of_the_logits_size_where_torchs_way_holds_three():
    from torch.profiler import ProfilerActivity, profile

    def highest(loss):
        logits = torch.randn(1024, 256, requires_grad=True)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
            loss(logits * 1, torch.zeros(1024, dtype=torch.long)).backward()
        events = recorded.profiler.kineto_results.events()
        now = most = 0
        for _, change in sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"):
            now += change
            most = max(most, now)
        return most / 2**20  # the logits are 1 MB, and so is their gradient before and behind the product

    assert highest(lambda x, y: mean_cross_entropy(x, y, overwrite=True)) <= highest(F.cross_entropy) - 0.9
