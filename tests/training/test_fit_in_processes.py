"""`fit` in two processes must learn what it learns in one."""

import pytest
import torch
from torch import nn
from two_processes import in_two_processes

from fmlib.training.batches import ShuffledBatches
from fmlib.training.fit import fit


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


def work(rank):
    weights, losses = train()
    return {"weights": weights, "losses": torch.tensor(losses)}


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path):
    found_in_each = in_two_processes(work, tmp_path)
    weights, losses = train()
    for found in found_in_each:
        assert torch.allclose(found["weights"], weights, atol=1e-5)
        assert torch.allclose(found["losses"], torch.tensor(losses), atol=1e-5)
