import bench
import pytest
import torch


@pytest.mark.parametrize("name", bench.BENCHES)
def test_what_is_timed_against_each_other_computes_the_same(name):
    bench.BENCHES[name].make()[2]()


def test_memory_is_that_of_the_tensors_at_the_highest_point():
    def work():
        first = torch.zeros(2**18)  # 1 MB
        second = first + 1
        del first, second
        return torch.zeros(2**17).sum()

    assert bench.added_memory(work) == pytest.approx(2, abs=0.01)
