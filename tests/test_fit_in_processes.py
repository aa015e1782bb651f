"""`fit` in two processes must learn what it learns in one."""

import os
import socket

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn

from fmlib.train import ShuffledBatches, fit


def train():
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    history = fit(
        model,
        ShuffledBatches(x, x.sum(1, keepdim=True), batch_size=16),
        lambda model, batch, generator: (model(batch[0]) - batch[1]).square().mean(),
        steps=12,
        rate=0.01,
        device="cpu",
        progress=False,
    )
    return torch.cat([p.detach().flatten() for p in model.parameters()]), history.loss


def _worker(rank, port, folder):
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    torch.set_num_threads(1)
    weights, losses = train()
    torch.save({"weights": weights, "losses": torch.tensor(losses)}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    mp.spawn(_worker, args=(port, str(tmp_path)), nprocs=2)
    weights, losses = train()
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert torch.allclose(found["weights"], weights, atol=1e-5)
        assert torch.allclose(found["losses"], torch.tensor(losses), atol=1e-5)
