"""How big a run is, and on what: the same notebook at three sizes.

``FMLIB_SCALE`` is ``smoke`` (seconds: proves that it runs), ``cpu`` (minutes on a laptop: real results) or ``gpu`` (larger
data and models). Unset, it is ``gpu`` where there is CUDA and ``cpu`` elsewhere. Budgets are steps, never seconds, so that a
slow machine gets the same result, later.
"""

import os
from typing import Literal, TypeVar

import torch

Name = Literal["smoke", "cpu", "gpu"]
NAMES: tuple[Name, ...] = ("smoke", "cpu", "gpu")
VARIABLE = "FMLIB_SCALE"

T = TypeVar("T")


def name() -> Name:
    """The scale in force.

    Returns:
        "smoke", "cpu" or "gpu": the environment variable `FMLIB_SCALE`, else what the machine allows.

    Raises:
        ValueError: the variable holds anything else.
        RuntimeError: it asks for "gpu" and torch sees no CUDA device.
    """
    chosen = os.environ.get(VARIABLE, "").strip().lower()
    if not chosen:
        return "gpu" if torch.cuda.is_available() else "cpu"
    if chosen not in NAMES:
        raise ValueError(
            f"{VARIABLE} is {chosen!r}: expected one of {', '.join(NAMES)}, or unset it for the default"
        )
    if chosen == "gpu" and not torch.cuda.is_available():
        raise RuntimeError(
            f"{VARIABLE} is 'gpu', but torch {torch.__version__} sees no CUDA device: "
            f"set {VARIABLE}=cpu, or install a CUDA build of torch"
        )
    return chosen


def pick(*, smoke: T, cpu: T, gpu: T) -> T:
    """The value for the scale in force, e.g. ``steps = scale.pick(smoke=10, cpu=600, gpu=20_000)``."""
    return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[name()]


def device() -> torch.device:
    """Where to compute: CUDA at scale `gpu`, Apple's MPS at `cpu` where there is one, else the CPU."""
    current = name()
    if current == "gpu":
        return torch.device("cuda")
    if current == "cpu" and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def device_name() -> str:
    """What the device is called, for "Ran on ..." lines, e.g. ``"CPU (x86_64, 2 threads)"``."""
    where = device()
    if where.type == "cuda":
        return torch.cuda.get_device_name(where)
    if where.type == "mps":
        return "Apple GPU (MPS)"
    import platform

    threads = torch.get_num_threads()
    return f"CPU ({platform.machine()}, {threads} thread{'s' if threads != 1 else ''})"


def describe() -> str:
    """One line that says what this run is, e.g. ``"scale cpu on CPU (x86_64, 2 threads)"``."""
    return f"scale {name()} on {device_name()}"
