import bench
import pytest


@pytest.mark.parametrize("name", bench.BENCHES)
def test_what_is_timed_against_each_other_computes_the_same(name):
    bench.BENCHES[name].make()[2]()
