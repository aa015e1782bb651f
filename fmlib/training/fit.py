"""The one training loop: `fit`.

A model returns tensors, a loss is a function of them, and everything in between is here: optimizer, schedule, mixed
precision, clipping, checkpoints, many processes. The randomness of step t depends on the seed and on t alone, so a run
that was killed and resumed is the run that was not.
"""

import math
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.training.batches import Batch, step_seed
from fmlib.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fmlib.training.distributed import process_count, process_index
from fmlib.training.ema import frozen_copy, momentum_update
from fmlib.training.history import History
from fmlib.training.optimizers import adamw
from fmlib.training.schedules import SCHEDULES, Schedule, check_schedule

Loss = Callable[[nn.Module, Batch, torch.Generator], Tensor | tuple[Tensor, Any]]


class TrainingError(RuntimeError):
    """Training cannot go on: the message says at which step and why."""


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
        batches: step, generator -> that step's batch; see `fmlib.training.batches.ShuffledBatches`.
        loss: model, batch, generator -> scalar loss, or (loss, extra) where `extra` goes to `after_step`.
        steps: optimizer steps of the whole run.
        rate: the highest learning rate; it rises over `warmup` steps and falls to zero.
        warmup: steps; 5 % of the run by default.
        schedule: how it falls, "cosine" or "linear".
        weight_decay: for the default optimizer; matrices and kernels only, not biases and norms.
        optimizer: parameters -> optimizer; AdamW by default. Its own rates are kept in proportion to each other.
        clip: largest norm of the gradient; None leaves it alone.
        seed: of everything random in the run.
        device: where; by default what `scale.device()` says.
        after_step: called after each optimizer step with the model and the loss's extra, e.g. MoCo's queue.
        ema: momentum of a slow copy of the model, kept in `model_ema` of the checkpoint and in `history.ema`.
        measure: model -> named numbers, every `measure_every` steps and at the end; into `history.measured`.
        checkpoint: a .safetensors file, written every `checkpoint_every` steps and at the end, always whole.
        resume: go on from the checkpoint if it is there. Without it, an existing one is an error.
        progress: show a bar with loss and rate.

    Returns:
        The `History`; of a resumed run, all of it.

    Raises:
        ValueError: numbers out of range, no parameter to train, or a checkpoint of another run.
        FileExistsError: the checkpoint is there and `resume` is False.
        TrainingError: the loss or the gradient is not finite any more; names the step.
    """
    _check_numbers(steps, rate, warmup, clip, ema, measure_every, checkpoint_every)
    check_schedule(schedule)
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError(f"{type(model).__name__} has no parameter that takes a gradient: nothing to train")
    path = Path(checkpoint) if checkpoint is not None else None
    if path is not None and path.exists() and not resume:
        raise FileExistsError(f"{path} is there already: pass resume=True to go on from it, or remove it")
    warmup = max(1, round(0.05 * steps)) if warmup is None else warmup

    accelerator = _accelerator(device)
    model.to(accelerator.device)
    built = (optimizer or adamw(model, rate, weight_decay))(parameters)
    full_rates = [group["lr"] for group in built.param_groups]
    slow = frozen_copy(model) if ema is not None else None
    wrapped, built = accelerator.prepare(model, built, device_placement=[True, True])
    history, first = History(), 0
    run = {
        "steps": steps,
        "rate": rate,
        "warmup": warmup,
        "schedule": schedule,
        "seed": seed,
        "clip": clip,
        "ema": ema,
    }
    if path is not None and path.exists():
        loaded = load_checkpoint(path, model, built.optimizer, slow, run)
        history, first = History(**loaded.history), loaded.step

    generator = torch.Generator()
    flush_every = 1 if accelerator.device.type == "cpu" else 20  # reading a loss back makes a GPU wait
    pending: list[tuple[Tensor, Tensor]] = []
    bar = _bar(steps, first, progress and accelerator.is_main_process)
    start = time.perf_counter() - history.seconds
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), bar:
        wrapped.train()
        for step in range(first, steps):
            here = step_seed(seed, step, process_index())
            generator.manual_seed(here)
            torch.manual_seed(here)  # dropout and whatever else has no generator of its own
            factor = SCHEDULES[schedule](step, steps, warmup)
            for group, full in zip(built.param_groups, full_rates, strict=True):
                group["lr"] = full * factor
            batch = _to(batches(step, generator), accelerator.device)
            with _autocast(accelerator.device):
                result = loss(wrapped, batch, generator)
            value, extra = result if isinstance(result, tuple) else (result, None)
            built.zero_grad()
            accelerator.backward(value)
            norm = torch.nn.utils.clip_grad_norm_(parameters, clip if clip is not None else math.inf)
            pending.append((value.detach(), norm.detach()))
            history.rate.append(rate * factor)
            last = step + 1 == steps
            saving = path is not None and ((step + 1) % checkpoint_every == 0 or last)
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
            if saving and accelerator.is_main_process:
                save_checkpoint(
                    path, Checkpoint(step + 1, run, history.numbers()), model, built.optimizer, slow
                )
    history.ema = slow
    return history


def _check_numbers(
    steps: int,
    rate: float,
    warmup: int | None,
    clip: float | None,
    ema: float | None,
    measure_every: int,
    checkpoint_every: int,
) -> None:
    if steps < 1 or measure_every < 1 or checkpoint_every < 1:
        raise ValueError(
            f"steps, measure_every, checkpoint_every are {(steps, measure_every, checkpoint_every)}: expected >= 1"
        )
    if not rate > 0:
        raise ValueError(f"rate is {rate}: expected more than 0")
    if warmup is not None and not 0 <= warmup <= steps:
        raise ValueError(f"warmup is {warmup}: expected 0 to {steps}, the steps of the run")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip}: expected more than 0, or None")
    if ema is not None and not 0 <= ema < 1:
        raise ValueError(f"ema is {ema}: expected a momentum in [0, 1), or None")


def _accelerator(device: torch.device | str | None) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    from fmlib import scale

    device = torch.device(device) if device is not None else scale.device()
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device is {device}, but torch sees no CUDA device: pass device='cpu'")
    if process_count() == 1:
        # Accelerate keeps the first device for the whole process; here each run has its own.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(cpu=device.type == "cpu", mixed_precision="no")


def _autocast(device: torch.device) -> torch.autocast:
    """Products in bfloat16 where a GPU is made for that; a Tesla T4, e.g., would only imitate it.

    Accelerate's own way would replace the model's `forward` for good: it would go on in bfloat16 when it is measured, and
    after training.
    """
    made_for_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=made_for_it)


def _to(batch: Batch, device: torch.device) -> Batch:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, (tuple, list)):
        return type(batch)(_to(item, device) for item in batch)
    if isinstance(batch, dict):
        return {key: _to(item, device) for key, item in batch.items()}
    return batch


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


def _bar(steps: int, first: int, shown: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=steps, initial=first, disable=not shown, leave=False, file=sys.stdout, mininterval=1.0)
