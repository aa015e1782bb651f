"""How the learning rate rises and falls over a run, as a share of its highest value."""

import math
from typing import Literal

Schedule = Literal["cosine", "linear"]


def cosine_schedule(step: int, steps: int, warmup: int) -> float:
    """The share of the full learning rate at a step: a straight rise, then half a cosine down to zero.

    Args:
        step: from 0.
        steps: of the whole run.
        warmup: steps of the rise; step `warmup - 1` has the full rate.

    Source: Loshchilov & Hutter 2017, "SGDR", eq. 5, with one cycle; warm-up as in Goyal et al. 2017, section 2.2.
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup + 1) / max(1, steps - warmup + 1)))


def linear_schedule(step: int, steps: int, warmup: int) -> float:
    """The share of the full learning rate at a step: a straight rise, then a straight fall to zero.

    Args:
        step, steps, warmup: as in `cosine_schedule`.

    Source: Bergsma et al. 2025, "Straight to Zero: Why Linearly Decaying the Learning Rate to Zero Works Best for LLMs".
    """
    if step < warmup:
        return (step + 1) / warmup
    return 1 - (step - warmup + 1) / max(1, steps - warmup + 1)


SCHEDULES = {"cosine": cosine_schedule, "linear": linear_schedule}


def check_schedule(name: str) -> None:
    """Refuse a schedule that `fit` does not have."""
    if name not in SCHEDULES:
        raise ValueError(f"schedule is {name!r}: expected one of {', '.join(SCHEDULES)}")
