"""Two processes must learn what one learns from the whole batch."""

import os
import socket

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from fmlib.self_supervised.moco import enqueue
from fmlib.self_supervised.simclr import nt_xent

BATCH, DIM = 8, 6


def inputs():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, BATCH, DIM, generator=generator, dtype=torch.float64)


def weights():
    return torch.randn(
        DIM, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    ).requires_grad_()


def _worker(rank, port, folder):
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    x1, x2 = inputs()
    rows = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    w = weights()
    loss = nt_xent(x1[rows] @ w, x2[rows] @ w, 0.3)
    loss.backward()
    for tensor in (w.grad, mean := loss.detach().clone()):  # as DDP: the mean over processes
        dist.all_reduce(tensor)
        tensor /= 2
    torch.save({"gradient": w.grad, "loss": mean}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_nt_xent_gathers_across_processes(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(_worker, args=(port, str(tmp_path)), nprocs=2)
    x1, x2 = inputs()
    w = weights()
    loss = nt_xent(x1 @ w, x2 @ w, 0.3)
    loss.backward()
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert torch.allclose(found["loss"], loss.detach(), rtol=0, atol=1e-12)
        assert torch.allclose(found["gradient"], w.grad, rtol=0, atol=1e-12)


def test_enqueue_takes_the_keys_of_all_processes_in_one_go():
    queue, start = enqueue(torch.zeros(6, 1), torch.ones(4, 1), 4)
    assert (queue.sum(), start) == (4, 2)
