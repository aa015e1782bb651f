import math

import torch
from torch import nn

from fmlib.llm.family.norm_times import norm_times
from fmlib.llm.family.parts import RMSNorm


class Counted(RMSNorm):
    calls = 0

    def forward(self, x):
        Counted.calls += 1
        assert x.shape == (6, 8)
        return super().forward(x)


def test_every_norm_is_run_as_often_and_left_as_it_was():
    norms = {"layer": nn.LayerNorm(8), "ours": Counted(8)}
    found = norm_times(norms, positions=6, dim=8, repeats=3)
    assert list(found) == list(norms)
    assert all(0 < took < math.inf for took in found.values())
    assert Counted.calls == 4  # one to warm up
    assert all(p.grad is None for norm in norms.values() for p in norm.parameters())


def test_the_random_state_of_the_caller_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    norm_times({"ours": RMSNorm(4)}, positions=2, dim=4, repeats=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_no_repeats_are_refused(refuses):
    with refuses(ValueError, "repeats is 0: expected 1 or more"):
        norm_times({}, positions=2, dim=4, repeats=0)
