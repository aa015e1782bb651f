"""Statistics of features are those of the whole batch, however many processes share it."""

import pytest
import torch
import torch.distributed as dist
from two_processes import in_two_processes

from fmlib.self_supervised.without_negatives.redundancy import barlow_loss, vicreg_loss

BATCH, DIM = 8, 4
LOSSES = {"barlow": barlow_loss, "vicreg": vicreg_loss}


def inputs():
    return torch.randn(2, BATCH, DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def weights():
    w = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (0.3 * w).requires_grad_()


def work(rank):
    dist.init_process_group("gloo", rank=rank, world_size=2)
    x1, x2 = inputs()
    rows = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    found = {}
    for name, loss in LOSSES.items():
        w = weights()
        value = loss(x1[rows] @ w, x2[rows] @ w)
        value.backward()
        for tensor in (w.grad, mean := value.detach().clone()):  # as DDP: the mean over processes
            dist.all_reduce(tensor)
            tensor /= 2
        found |= {f"{name} gradient": w.grad, f"{name} loss": mean}
    return found


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_the_whole_batch(tmp_path):
    found_in_each = in_two_processes(work, tmp_path)
    x1, x2 = inputs()
    for name, loss in LOSSES.items():
        w = weights()
        value = loss(x1 @ w, x2 @ w)
        value.backward()
        for found in found_in_each:
            assert torch.allclose(found[f"{name} loss"], value.detach(), rtol=0, atol=1e-12)
            assert torch.allclose(found[f"{name} gradient"], w.grad, rtol=0, atol=1e-12)
