"""Two processes must learn what one learns from the whole batch."""

import pytest
import torch
import torch.distributed as dist
from two_processes import in_two_processes

from fmlib.self_supervised.contrastive.moco import enqueue
from fmlib.self_supervised.contrastive.simclr import nt_xent

BATCH, DIM = 8, 6


def inputs():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, BATCH, DIM, generator=generator, dtype=torch.float64)


def weights():
    return torch.randn(
        DIM, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    ).requires_grad_()


def work(rank):
    dist.init_process_group("gloo", rank=rank, world_size=2)
    x1, x2 = inputs()
    rows = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    w = weights()
    loss = nt_xent(x1[rows] @ w, x2[rows] @ w, 0.3)
    loss.backward()
    for tensor in (w.grad, mean := loss.detach().clone()):  # as DDP: the mean over processes
        dist.all_reduce(tensor)
        tensor /= 2
    return {"gradient": w.grad, "loss": mean}


@pytest.mark.slow
def test_nt_xent_gathers_across_processes(tmp_path):
    found_in_each = in_two_processes(work, tmp_path)
    x1, x2 = inputs()
    w = weights()
    loss = nt_xent(x1 @ w, x2 @ w, 0.3)
    loss.backward()
    for found in found_in_each:
        assert torch.allclose(found["loss"], loss.detach(), rtol=0, atol=1e-12)
        assert torch.allclose(found["gradient"], w.grad, rtol=0, atol=1e-12)


def test_enqueue_takes_the_keys_of_all_processes_in_one_go():
    queue, start = enqueue(torch.zeros(6, 1), torch.ones(4, 1), 4)
    assert (queue.sum(), start) == (4, 2)
