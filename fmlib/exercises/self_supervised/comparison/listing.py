"""Whether somebody's function counts the ways to pick some of the runs, or goes through them one by one."""

import time
from collections.abc import Callable

# (runs, count) with few enough ways to go through, even where a run may come again: 2.6 million, then 0.7 million.
PROBES = (40, 4), (22, 11)
MUCH = 20_000  # comparisons, sums and products; a count of the ways needs some hundreds, a list several a way


def seconds(function: Callable, runs: int, count: int) -> float:
    """What a call takes of a processor; what else the machine does meanwhile does not count."""
    given, start = [70 + i / runs for i in range(runs)], time.thread_time()
    function(given, count)
    return time.thread_time() - start


def work(function: Callable, runs: int, count: int) -> int:
    """How often a call compares, adds or multiplies the scores."""

    class Weighed(float):
        done = 0

    def weighed(name: str) -> Callable:
        plain = getattr(float, name)

        def operation(self, other):
            Weighed.done += 1
            return plain(self, other)

        return operation

    for name in ("lt", "le", "gt", "ge", "add", "radd", "sub", "rsub", "mul", "rmul"):
        setattr(Weighed, f"__{name}__", weighed(f"__{name}__"))
    function([Weighed(70 + i / runs) for i in range(runs)], count)
    return Weighed.done


def quick(function: Callable, runs: int, count: int) -> bool:
    """Whether a function's time grows little from one run that is picked to several; each gets three tries.

    It is compared with itself, so that a slow machine does not count. This sees lists that are gone through in C, too: they
    take some thousand times as long, a count as many times as there are runs to pick.
    """
    clock = max(2e-5, time.get_clock_info("thread_time").resolution / 100)  # shorter times are not told apart
    once = max(clock, min(seconds(function, runs, 1) for _ in range(3)))
    return any(seconds(function, runs, count) <= 100 * once for _ in range(3))


def counts(function: Callable) -> bool:
    """Whether a function counts the ways to pick, and does not go through them."""
    return all(work(function, *probe) < MUCH and quick(function, *probe) for probe in PROBES)
