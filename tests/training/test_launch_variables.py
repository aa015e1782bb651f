"""What a cluster's shell says must neither stop a run nor change it in silence."""

import pytest
import torch
from torch import nn

from fmlib.training.batches import ShuffledBatches
from fmlib.training.distributed import launched, unfinished_launch
from fmlib.training.fit import fit

X = torch.randn(32, 3, generator=torch.Generator().manual_seed(1))


def train():
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    fit(
        model,
        ShuffledBatches(X, batch_size=8),
        lambda model, batch, generator: (model(batch) - 1).square().mean(),
        steps=3,
        clip=None,
        optimizer=lambda p: torch.optim.SGD(p, lr=0.1),
        progress=False,
        device="cpu",
    )
    return model.weight.detach().clone()


@pytest.mark.parametrize("name", ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"])
def test_a_size_without_a_launch_is_one_process_and_says_so(monkeypatch, name):
    expected = train()
    monkeypatch.setenv(name, "4")
    with pytest.warns(
        UserWarning, match=f"{name} is 4, but .*MASTER_ADDR.* not set: training in one process"
    ):
        found = train()
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ["LOCAL_RANK", "RANK", "MASTER_PORT", "PMI_RANK"])
@pytest.mark.parametrize("value", ["0", "nonsense"])
@pytest.mark.filterwarnings("error::UserWarning")
def test_a_rank_alone_changes_nothing(monkeypatch, name, value):
    expected = train()
    monkeypatch.setenv(name, value)
    assert torch.equal(train(), expected)


def test_accumulation_from_outside_does_not_divide_the_gradient(monkeypatch):
    expected = train()
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    with pytest.warns(UserWarning, match="ACCUMULATION_STEPS is 4 and is not used: pass accumulate="):
        found = train()
    assert torch.equal(found, expected)


def launch(monkeypatch, **more):
    whole = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29500",
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "2",
    }
    for name, value in (whole | more).items():
        monkeypatch.setenv(name, value)


def test_a_whole_launch_is_one(monkeypatch):
    launch(monkeypatch)
    assert launched() == 2
    assert unfinished_launch() is None


@pytest.mark.parametrize("wrong", [{"WORLD_SIZE": "two"}, {"RANK": "2"}, {"RANK": "-1"}])
def test_a_launch_of_nonsense_is_refused(monkeypatch, wrong, refuses):
    launch(monkeypatch, **wrong)
    with refuses(ValueError, "expected a number below another"):
        launched()
