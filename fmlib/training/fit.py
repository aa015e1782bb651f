"""The one training loop: `fit`.

A model returns tensors, a loss is a function of them, and everything in between is here: optimizer, schedule, mixed
precision, clipping, checkpoints, many processes. The randomness of step t depends on the seed and on t alone, so a run
that was killed and resumed is the run that was not.
"""

import contextlib
import math
import operator
import os
import signal
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.training.batches import Batch, step_seed
from fmlib.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fmlib.training.distributed import (
    launched,
    process_count,
    process_index,
    unfinished_launch,
    without_cluster,
)
from fmlib.training.ema import frozen_copy, momentum_update
from fmlib.training.history import History
from fmlib.training.optimizers import adamw, describe_optimizer
from fmlib.training.schedules import SCHEDULES, Schedule, check_schedule


class TrainingError(RuntimeError):
    """Training cannot go on: the message says at which step and why."""


@dataclass(frozen=True)
class Counted:
    """A mean together with how many it was taken over, for a loss over a number that varies from batch to batch.

    Of two batches with 10 and 30 answered tokens, the mean of all 40 is not the mean of both means. So `fit` weights each
    by its count: in several micro-batches and processes a step is then the step of the whole batch.

    Args:
        mean: a loss, finite also where the count is 0.
        count: how many tokens, or whatever else varies, it is the mean of; 0 or more, in the whole batch at least 1.
    """

    mean: Tensor
    count: Tensor | int


Term = Tensor | Counted
Value = Term | list[Term]  # the terms of a list are added
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

    accelerator = _accelerator(device)
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
            run |= _describe_batch(batches(0, generator), accelerator.device)
    if path is not None and path.exists():
        loaded = load_checkpoint(path, model, built.optimizer, slow, run)
        history, first = History(**loaded.history), loaded.step

    flush_every = 1 if accelerator.device.type == "cpu" else 20  # reading a loss back makes a GPU wait
    pending: list[tuple[Tensor, Tensor]] = []
    bar = _bar(steps, first, progress and accelerator.is_main_process)
    start = time.perf_counter() - history.seconds
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []

    def forward(number: int) -> tuple[list[Counted], Any]:
        """The loss of a micro-batch, which are counted through all steps."""
        here = step_seed(seed, number, process_index())
        generator.manual_seed(here)
        torch.manual_seed(here)  # dropout and whatever else has no generator of its own
        batch = _to(batches(number, generator), accelerator.device)
        with _autocast(accelerator.device):
            return _terms(loss(wrapped, batch, generator))

    with torch.random.fork_rng(devices=devices), bar, _Stop(path is not None) as stop:
        wrapped.train()
        for step in range(first, steps):
            factor = SCHEDULES[schedule](step, steps, warmup)
            for group, full in zip(built.param_groups, full_rates, strict=True):
                group["lr"] = full * factor
            built.zero_grad()
            if accumulate == 1:
                terms, extra = forward(step)
                value = _of_the_whole_batch(terms)
                accelerator.backward(value)
            else:
                numbers = range(step * accumulate, (step + 1) * accumulate)
                value, extra = _accumulate(forward, numbers, parameters, accelerator, wrapped)
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


def _describe_batch(batch: Batch, device: torch.device) -> dict[str, Any]:
    """What tells the batches of a run from those of another: types and shapes, and the first rows of whole numbers.

    It is the same in whatever number of processes, since the first of them has the first rows.
    """
    found: list[Tensor] = []

    def gather(part: Batch) -> None:
        if isinstance(part, Tensor):
            found.append(part)
        elif isinstance(part, (tuple, list, dict)):
            for item in part.values() if isinstance(part, dict) else part:
                gather(item)

    gather(batch)
    shapes = [[len(t) * process_count(), *t.shape[1:]] if t.ndim else [] for t in found]
    kinds = [str(t.dtype).removeprefix("torch.") for t in found]
    checksum = 0
    for tensor in found:
        if tensor.ndim and len(tensor) and not tensor.dtype.is_floating_point and not tensor.dtype.is_complex:
            checksum = zlib.crc32(tensor[0].long().cpu().contiguous().numpy(), checksum)
    if process_count() > 1:
        shared = torch.tensor(checksum, device=device)
        torch.distributed.broadcast(shared, 0)
        checksum = int(shared)
    return {
        "batch": "; ".join(f"{kind} {shape}" for kind, shape in zip(kinds, shapes, strict=True)),
        "checksum_of_first_rows": checksum,
    }


def _terms(result: Value | tuple[Value, Any]) -> tuple[list[Counted], Any]:
    """What a loss returned, as terms to add up, and its extra."""
    value, extra = result if isinstance(result, tuple) else (result, None)
    terms = [
        term if isinstance(term, Counted) else Counted(term, 1)
        for term in (value if isinstance(value, list) else [value])
    ]
    for term in terms:
        if not isinstance(term.mean, Tensor) or term.mean.ndim:
            came = tuple(term.mean.shape) if isinstance(term.mean, Tensor) else type(term.mean).__name__
            raise ValueError(f"the loss is {came}: expected one number, a tensor of shape ()")
    if not terms:
        raise ValueError("the loss is an empty list: expected at least one term")
    return terms, extra


def _counts(terms: list[Counted]) -> Tensor:
    """How many each term is a mean of, as float64 where the device has that."""
    device = terms[0].mean.device
    exact = torch.float32 if device.type == "mps" else torch.float64
    return torch.stack([torch.as_tensor(term.count, dtype=exact, device=device) for term in terms])


def _over_processes(counts: Tensor) -> Tensor:
    if process_count() > 1:
        counts = counts.clone()
        torch.distributed.all_reduce(counts)
    return counts


def _of_the_whole_batch(terms: list[Counted]) -> Tensor:
    """A loss whose mean over the processes is that of the whole batch."""
    means = [term.mean for term in terms]
    if process_count() > 1 and any(not isinstance(term.count, int) or term.count != 1 for term in terms):
        counts = _counts(terms)
        shares = counts * process_count() / _over_processes(counts)
        means = [mean * share.to(mean.dtype) for mean, share in zip(means, shares, strict=True)]
    return sum(means[1:], means[0])


def _accumulate(
    forward: Callable[[int], tuple[list[Counted], Any]],
    numbers: Iterable[int],
    parameters: list[nn.Parameter],
    accelerator: Any,
    wrapped: nn.Module,
) -> tuple[Tensor, list[Any]]:
    """Leave the gradient of all micro-batches together in the parameters; returns their loss and extras.

    How many a term counts is known only when the last micro-batch has been seen. So each term has a sum of gradients of its
    own, which is divided by its count at the end.
    """
    extras, sums, counts, gradients = [], None, None, []
    for number in numbers:
        with accelerator.no_sync(wrapped):
            terms, extra = forward(number)
            extras.append(extra)
            here = _counts(terms)
            whole = [t.mean * n.to(t.mean.dtype) for t, n in zip(terms, here, strict=True)]  # sums, not means
            gradients = gradients or [[None] * len(parameters) for _ in terms]
            if len(terms) != len(gradients):
                raise ValueError(
                    f"the loss has {len(terms)} terms, before it had {len(gradients)}: expected as many"
                )
            for i, summed in enumerate(gradients):
                for parameter, gradient in zip(parameters, summed, strict=True):
                    parameter.grad = gradient
                accelerator.backward(whole[i], retain_graph=i + 1 < len(terms))
                gradients[i] = [parameter.grad for parameter in parameters]
        values = torch.stack([value.detach().to(here.dtype) for value in whole])
        sums = values if sums is None else sums + values
        counts = here if counts is None else counts + here
    counts = _over_processes(counts)
    for i, parameter in enumerate(parameters):
        parts = [g[i] / n.to(g[i].dtype) for g, n in zip(gradients, counts, strict=True) if g[i] is not None]
        parameter.grad = sum(parts[1:], parts[0]) if parts else None
        if process_count() > 1:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            torch.distributed.all_reduce(parameter.grad)
    return (process_count() * sums / counts).sum(), extras


class _Stop:
    """Ctrl-C while a run has a checkpoint: `asked` becomes true and the loop sees to it; a second one stops at once.

    Only in one process: of several, each would stop at a step of its own. What called `fit` from another thread or handles
    the signal in another way goes on doing so.
    """

    def __init__(self, wanted: bool) -> None:
        alone = process_count() == 1 and threading.current_thread() is threading.main_thread()
        self.wanted, self.asked, self._before = wanted and alone, False, None

    def __enter__(self) -> "_Stop":
        if self.wanted and callable(signal.getsignal(signal.SIGINT)):
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: Any) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


def _accelerator(device: torch.device | str | None) -> Any:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import GradientAccumulationPlugin

    from fmlib import scale

    device = torch.device(device) if device is not None else scale.device()
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device is {device}, but torch sees no CUDA device: pass device='cpu'")
    if os.environ.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1") not in ("", "1"):
        warnings.warn(
            f"ACCELERATE_GRADIENT_ACCUMULATION_STEPS is {os.environ['ACCELERATE_GRADIENT_ACCUMULATION_STEPS']} and is "
            "not used: pass accumulate= to fit",
            stacklevel=3,
        )
    if unfinished := unfinished_launch():
        warnings.warn(
            f"{unfinished}: training in one process; start several with accelerate launch or torchrun",
            stacklevel=3,
        )
    if process_count() == 1:
        # Accelerate keeps the first device for the whole process; here each run has its own.
        AcceleratorState._reset_state(reset_partial_state=True)
    alone = process_count() == 1 and launched() == 1
    with without_cluster() if alone else contextlib.nullcontext():
        return Accelerator(
            cpu=device.type == "cpu",
            mixed_precision="no",
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )


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
    """A bar in the notebook, or on the terminal beside what a command says; none in a pipe or a log."""
    from tqdm import tqdm

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
        shown, where = shown and sys.stderr.isatty(), sys.stderr
    else:
        where = sys.stdout
    return tqdm(total=steps, initial=first, disable=not shown, leave=False, file=where, mininterval=1.0)
