"""What a training run needs around it: device and precision, ctrl-C, a bar, and what tells its batches from others."""

import contextlib
import os
import signal
import sys
import threading
import warnings
import zlib
from typing import Any

import torch
from torch import Tensor

from fmlib.training.batches import Batch
from fmlib.training.distributed import launched, process_count, unfinished_launch, without_cluster


def make_accelerator(device: torch.device | str | None) -> Any:
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


def autocast(device: torch.device) -> torch.autocast:
    """Products in bfloat16 where a GPU is made for that; a Tesla T4, e.g., would only imitate it.

    Accelerate's own way would replace the model's `forward` for good: it would go on in bfloat16 when it is measured, and
    after training.
    """
    made_for_it = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=made_for_it)


def to_device(batch: Batch, device: torch.device) -> Batch:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_device(item, device) for item in batch)
    if isinstance(batch, dict):
        return {key: to_device(item, device) for key, item in batch.items()}
    return batch


def describe_batch(batch: Batch, device: torch.device) -> dict[str, Any]:
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


class StopRequest:
    """Ctrl-C while a run has a checkpoint: `asked` becomes true and the loop sees to it; a second one stops at once.

    Only in one process: of several, each would stop at a step of its own. What called `fit` from another thread or handles
    the signal in another way goes on doing so.
    """

    def __init__(self, wanted: bool) -> None:
        alone = process_count() == 1 and threading.current_thread() is threading.main_thread()
        self.wanted, self.asked, self._before = wanted and alone, False, None

    def __enter__(self) -> "StopRequest":
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


def progress_bar(steps: int, first: int, shown: bool) -> Any:
    """A bar in the notebook, or on the terminal beside what a command says; none in a pipe or a log."""
    from tqdm import tqdm

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
        shown, where = shown and sys.stderr.isatty(), sys.stderr
    else:
        where = sys.stdout
    return tqdm(total=steps, initial=first, disable=not shown, leave=False, file=where, mininterval=1.0)
