"""The one training loop: `fit`.

A model returns tensors, a loss is a function of them, and everything in between is here: optimizer, schedule, mixed
precision, clipping, checkpoints, many processes. The randomness of step t depends on the seed and on t alone, so a run
that was killed and resumed is the run that was not.
"""

import math
import operator
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.training.batches import Batch, step_seed
from fmlib.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fmlib.training.counted import Counted, Value, accumulated, mean_of_whole_batch, terms_of
from fmlib.training.distributed import process_count, process_index
from fmlib.training.ema import frozen_copy, momentum_update
from fmlib.training.history import History
from fmlib.training.optimizers import adamw, describe_optimizer
from fmlib.training.schedules import SCHEDULES, Schedule, check_schedule
from fmlib.training.surroundings import (
    StopRequest,
    autocast,
    describe_batch,
    make_accelerator,
    progress_bar,
    to_device,
)


class TrainingError(RuntimeError):
    """Training cannot go on: the message says at which step and why."""


Loss = Callable[[nn.Module, Batch, torch.Generator], Value | tuple[Value, Any]]


def fit(
    model: nn.Module,
    batches: Callable[[int, torch.Generator], Batch],
    loss: Loss,
    *,
    steps: int,
    rate: float = 1e-3,
    warmup: int | None = None,
    schedule: Schedule = "cosine",
    weight_decay: float = 0.0,
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
    clip: float | None = 1.0,
    accumulate: int = 1,
    seed: int = 0,
    device: torch.device | str | None = None,
    after_step: Callable[[nn.Module, Any], None] | None = None,
    ema: float | None = None,
    measure: Callable[[nn.Module], dict[str, float]] | None = None,
    measure_every: int = 100,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    resume: bool = False,
    progress: bool = True,
) -> History:
    """Train a model for a number of steps.

    The same call runs on a CPU, on a GPU (in bfloat16 where it is made for that), and in every process of
    `accelerate launch`.

    Args:
        model: trained in place, and moved to the device.
        batches: step, generator -> that step's batch, or with `accumulate` that micro-batch, counted through all steps; see
            `fmlib.training.batches.ShuffledBatches`.
        loss: model, batch, generator -> scalar loss, or (loss, extra) where `extra` goes to `after_step`. A mean over a
            number that varies between batches is a `Counted`; a list of losses is added up.
        steps: optimizer steps of the whole run.
        rate: the highest learning rate; it rises over `warmup` steps and falls to zero.
        warmup: steps; 5 % of the run by default.
        schedule: how it falls, "cosine" or "linear".
        weight_decay: for the default optimizer; matrices and kernels only, not biases and norms.
        optimizer: parameters -> optimizer; AdamW by default. Its own rates are kept in proportion to each other.
        clip: largest norm of the gradient; None leaves it alone.
        accumulate: micro-batches of a step: its gradient is that of a batch that many times as large, in the memory of one.
            A loss that compares the rows of a batch with each other sees those of a micro-batch, and so does batch norm.
        seed: of everything random in the run.
        device: where; by default what `scale.device()` says.
        after_step: called after each optimizer step with the model and the loss's extra, e.g. MoCo's queue; with
            `accumulate`, with the list of the micro-batches' extras.
        ema: momentum of a slow copy of the model, kept in `model_ema` of the checkpoint and in `history.ema`.
        measure: model -> named numbers, every `measure_every` steps and at the end; into `history.measured`.
        checkpoint: a .safetensors file, written every `checkpoint_every` steps and at the end, always whole; after ctrl-C,
            too, when the step that is going on is done (a second ctrl-C stops at once).
        resume: go on from the checkpoint if it is there. Without it, an existing one is an error.
        progress: show a bar with loss and rate, in a notebook or on a terminal.

    Returns:
        The `History`; of a resumed run, all of it.

    Raises:
        ValueError: numbers out of range, no parameter to train, or a checkpoint that is damaged or of another run.
        FileExistsError: the checkpoint is there and `resume` is False.
        OSError: the checkpoint cannot be written; the one before is untouched.
        KeyboardInterrupt: after ctrl-C; says where the checkpoint lies.
        TrainingError: the loss or the gradient is not finite any more; names the step.
    """
    _check_numbers(
        rate=rate, clip=clip, ema=ema, weight_decay=weight_decay,
        steps=steps, accumulate=accumulate, measure_every=measure_every, checkpoint_every=checkpoint_every,
        warmup=warmup, seed=seed,
    )  # fmt: skip
    check_schedule(schedule)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError(f"{type(model).__name__} has no parameter that takes a gradient: nothing to train")
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists() and not resume:
        raise FileExistsError(f"{path} is there already: pass resume=True to go on from it, or remove it")
    if path is not None:
        _check_folder(path)
    warmup = max(1, round(0.05 * steps)) if warmup is None else warmup

    accelerator = make_accelerator(device)
    model.to(accelerator.device)
    built = (optimizer or adamw(model, rate, weight_decay))(parameters)
    full_rates = [group["lr"] for group in built.param_groups]
    told = describe_optimizer(built, rate)
    slow = frozen_copy(model) if ema is not None else None
    wrapped, built = accelerator.prepare(model, built, device_placement=[True, True])
    history, first, generator = History(), 0, torch.Generator()
    run = {
        "steps": steps,
        "rate": rate,
        "warmup": warmup,
        "schedule": schedule,
        "seed": seed,
        "clip": clip,
        "ema": ema,
        "accumulate": accumulate,
        **told,
    }
    if path is not None:
        generator.manual_seed(step_seed(seed, 0, process_index()))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            run |= describe_batch(batches(0, generator), accelerator.device)
    if path is not None and path.exists():
        loaded = load_checkpoint(path, model, built.optimizer, slow, run)
        history, first = History(**loaded.history), loaded.step

    flush_every = 1 if accelerator.device.type == "cpu" else 20  # reading a loss back makes a GPU wait
    pending: list[tuple[Tensor, Tensor]] = []
    bar = progress_bar(steps, first, progress and accelerator.is_main_process)
    start = time.perf_counter() - history.seconds
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []

    def forward(number: int) -> tuple[list[Counted], Any]:
        """The loss of a micro-batch, which are counted through all steps."""
        here = step_seed(seed, number, process_index())
        generator.manual_seed(here)
        torch.manual_seed(here)  # dropout and whatever else has no generator of its own
        batch = to_device(batches(number, generator), accelerator.device)
        with autocast(accelerator.device):
            return terms_of(loss(wrapped, batch, generator))

    with torch.random.fork_rng(devices=devices), bar, StopRequest(path is not None) as stop:
        wrapped.train()
        for step in range(first, steps):
            factor = SCHEDULES[schedule](step, steps, warmup)
            for group, full in zip(built.param_groups, full_rates, strict=True):
                group["lr"] = full * factor
            built.zero_grad()
            if accumulate == 1:
                terms, extra = forward(step)
                value = mean_of_whole_batch(terms)
                accelerator.backward(value)
            else:
                numbers = range(step * accumulate, (step + 1) * accumulate)
                value, extra = accumulated(forward, numbers, parameters, accelerator, wrapped)
            norm = torch.nn.utils.clip_grad_norm_(parameters, clip if clip is not None else math.inf)
            pending.append((value.detach(), norm.detach()))
            history.rate.append(rate * factor)
            last = step + 1 == steps
            saving = path is not None and ((step + 1) % checkpoint_every == 0 or last or stop.asked)
            measuring = measure is not None and ((step + 1) % measure_every == 0 or last)
            if len(pending) >= flush_every or saving or measuring or last:
                _flush(pending, history, step)  # before the step: bad numbers never reach a checkpoint
                bar.set_postfix(loss=f"{history.loss[-1]:.3f}", rate=f"{history.rate[-1]:.1e}", refresh=False)
            built.step()
            if after_step is not None:
                after_step(model, extra)
            if slow is not None:
                momentum_update(slow, model, ema)
            history.seconds = time.perf_counter() - start
            bar.update()
            if measuring:
                for name, number in measure(model).items():
                    history.measured.setdefault(name, {})[step + 1] = float(number)
                wrapped.train()
            stopping = stop.asked and not last
            if stopping and pending:
                _flush(pending, history, step)
            if (saving or stopping) and accelerator.is_main_process:
                save_checkpoint(
                    path, Checkpoint(step + 1, run, history.numbers()), model, built.optimizer, slow
                )
            if stopping:
                raise KeyboardInterrupt(
                    f"after step {step + 1} of {steps}; {path} holds them: go on with resume=True"
                )
    history.ema = slow
    return history


def _check_numbers(
    rate: float, clip: float | None, ema: float | None, weight_decay: float, **whole: int | None
) -> None:
    for name, number in whole.items():
        if number is None:
            continue
        try:
            operator.index(number)
        except TypeError:
            raise ValueError(f"{name} is {number!r}: expected a whole number") from None
        if name not in ("seed", "warmup") and number < 1:
            raise ValueError(f"{name} is {number}: expected 1 or more")
    warmup, steps = whole["warmup"], whole["steps"]
    if warmup is not None and not 0 <= warmup <= steps:
        raise ValueError(f"warmup is {warmup}: expected 0 to {steps}, the steps of the run")
    if not 0 <= whole["seed"] < 2**63:
        raise ValueError(f"seed is {whole['seed']}: expected a whole number from 0 to 2^63 - 1")
    if not 0 < rate < math.inf:
        raise ValueError(f"rate is {rate}: expected a number above 0")
    if not 0 <= weight_decay < math.inf:
        raise ValueError(f"weight_decay is {weight_decay}: expected 0 or more")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip}: expected more than 0, or None")
    if ema is not None and not 0 <= ema < 1:
        raise ValueError(f"ema is {ema}: expected a momentum in [0, 1), or None")


def _check_folder(path: Path) -> None:
    """Make the checkpoint's folder now, not after the first hours.

    Raises:
        OSError: it cannot be made or written to; names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(13, "Permission denied", str(path.parent))


def _flush(pending: list[tuple[Tensor, Tensor]], history: History, step: int) -> None:
    """Move losses and norms from the device into the history, and stop at the first that is no number."""
    numbers: Float[Tensor, "steps 2"] = torch.stack([torch.stack((v.float(), n.float())) for v, n in pending])
    if process_count() > 1:
        torch.distributed.all_reduce(numbers)
        numbers = numbers / process_count()
    for i, (value, norm) in enumerate(numbers.tolist()):
        for what, number in (("loss", value), ("gradient's norm", norm)):
            if not math.isfinite(number):
                raise TrainingError(
                    f"the {what} is {number} at step {step - len(pending) + 2 + i} (last loss before: "
                    f"{history.loss[-1] if history.loss else 'none'}): lower the rate, lengthen the warm-up, "
                    "or look at that batch"
                )
        history.loss.append(value)
        history.gradient_norm.append(norm)
    pending.clear()
