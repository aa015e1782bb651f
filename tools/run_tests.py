"""Run every test: what `make test` runs; the same on Windows.

    python tools/run_tests.py                  the tests, and the notebooks at `smoke`; with CUDA the notebooks at `gpu`, too
    python tools/run_tests.py --scale smoke    only the first part, on every machine; `--scale gpu` only the second
    python tools/run_tests.py -- -k fit        what follows -- goes to pytest

The book must have been built (`make book`). Exit status 0 when all parts passed.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NBVAL = ("--nbval-lax", "--nbval-current-env")
# Two test processes on shared cores: waiting threads must sleep, not spin.
QUIET = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Part:
    """One run of pytest.

    Args:
        scale: `FMLIB_SCALE` of the run.
        arguments: what pytest gets.
        variables: what the run's environment has besides.
    """

    scale: str
    arguments: tuple[str, ...]
    variables: dict[str, str]


PARTS = {
    "smoke": Part(
        "smoke",
        ("-n", "2", "--dist", "loadscope", *NBVAL, "--nbval-cell-timeout=120", "tests", "notebooks"),
        QUIET,
    ),
    # One after the other, since all of them use the one GPU; a lesson may take ten minutes there.
    "gpu": Part("gpu", ("-n", "0", *NBVAL, "--nbval-cell-timeout=900", "notebooks"), {}),
}


def sees_cuda() -> bool:
    """Whether torch can compute on a CUDA device."""
    import torch

    return torch.cuda.is_available()


def parts(scale: str | None, cuda: bool) -> list[Part]:
    """What to run: the part that was asked for, else `smoke` and, with CUDA, `gpu`.

    Raises:
        ValueError: `gpu` was asked for where there is no CUDA.
    """
    if scale == "gpu" and not cuda:
        raise ValueError("--scale gpu needs a CUDA device, and torch sees none here")
    if scale is not None:
        return [PARTS[scale]]
    return [PARTS["smoke"], PARTS["gpu"]] if cuda else [PARTS["smoke"]]


def run(part: Part, more: list[str]) -> int:
    """Run pytest -> its exit status."""
    command = [sys.executable, "-m", "pytest", *part.arguments, *more]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | part.variables | {"FMLIB_SCALE": part.scale}
    ).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scale", choices=sorted(PARTS), help="run only this part")
    parser.add_argument("more", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args(arguments)
    cuda = sees_cuda()
    try:
        planned = parts(options.scale, cuda)
    except ValueError as error:
        parser.error(str(error))
    names = " and ".join(part.scale for part in planned)
    print(
        f"torch sees {'a CUDA device' if cuda else 'no CUDA device'}: the notebooks run at {names}",
        flush=True,
    )
    statuses = [run(part, options.more) for part in planned]  # all of them, also when the first fails
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
