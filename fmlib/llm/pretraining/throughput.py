"""How fast a training run is, and which share of the device's arithmetic it uses."""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fmlib.llm.gpt.config import GPTConfig, flops_per_token
from fmlib.training.distributed import process_count

# Dense bf16 operations per second with sums in float32, from the makers' data sheets (without sparsity). The first name that
# occurs in torch.cuda.get_device_name() counts.
PEAK_FLOPS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10G": 70e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}


def peak_flops(device_name: str) -> float | None:
    """Most bf16 operations per second that a device can do; None where the table does not have it.

    Args:
        device_name: as torch.cuda.get_device_name() gives it, e.g. "NVIDIA H100 80GB HBM3".
    """
    words = device_name.replace("-", " ")
    return next((peak for name, peak in PEAK_FLOPS.items() if f" {name} " in f" {words} "), None)


def model_flops_utilization(
    config: GPTConfig, tokens_per_second: float, device_name: str, devices: int = 1
) -> float | None:
    """The share of the devices' arithmetic that goes into the model: MFU.

    Args:
        config: of the model; its sequences are max_length long.
        tokens_per_second: of all devices together.
        device_name: see `peak_flops`.
        devices: how many.

    Returns:
        A share, or None for a device that the table does not have.

    Source: Chowdhery et al. 2022, "PaLM", section 4.1 and appendix B.
    """
    peak = peak_flops(device_name)
    return None if peak is None else flops_per_token(config) * tokens_per_second / (peak * devices)


class Meter:
    """Says loss and speed every few steps; give it to `train_gpt` as `after_step`.

    The first step is not timed (a compiler works then), nor is what happens between `pause` and `resume`.

    Args:
        config: of the model.
        batch_tokens: tokens of a batch, over all processes.
        steps: of the run.
        first: steps done before, of a resumed run.
        every: steps between two lines.
        say: prints a line.
        device_name: of the GPU; None on a CPU, where utilization is not told.
        devices: how many.
    """

    def __init__(
        self,
        config: GPTConfig,
        batch_tokens: int,
        steps: int,
        first: int,
        every: int,
        say: Callable[[str], object],
        device_name: str | None = None,
        devices: int = 1,
    ) -> None:
        self.config, self.batch_tokens, self.steps, self.every = config, batch_tokens, steps, every
        self.say, self.device_name, self.devices = say, device_name, devices
        self.step = self._marked_step = first
        self._first, self._mark, self._paused = first, 0.0, 0.0

    def __call__(self, model: nn.Module, loss: Tensor | list[Tensor]) -> None:
        """One step is done; with accumulation there are the losses of its micro-batches."""
        loss = torch.stack(loss).mean() if isinstance(loss, list) else loss
        self.step += 1
        if self.step == self._first + 1:
            _mean(loss)  # wait until it really is
            self._marked_step, self._mark = self.step, time.perf_counter()
        elif self.step % self.every == 0 or self.step == self.steps:
            value = _mean(loss)
            now = time.perf_counter()
            speed = (self.step - self._marked_step) * self.batch_tokens / (now - self._mark)
            self.say(
                f"step {self.step}/{self.steps}  loss {value:.3f}  {speed:,.0f} tokens/s{self._use(speed)}"
            )
            self._marked_step, self._mark = self.step, now

    def pause(self) -> None:
        """What comes now is not training."""
        self._paused = time.perf_counter()

    def resume(self) -> None:
        """Training goes on."""
        self._mark += time.perf_counter() - self._paused

    def _use(self, speed: float) -> str:
        if self.device_name is None:
            return ""
        share = model_flops_utilization(self.config, speed, self.device_name, self.devices)
        told = f"{100 * share:.1f} %" if share is not None else f"unknown ({self.device_name})"
        return f"  model FLOPs utilization {told}"


def _mean(loss: Tensor) -> float:
    """The loss over the whole batch: each process has only that of its share."""
    if process_count() > 1:
        loss = loss.clone()
        torch.distributed.all_reduce(loss)
        loss = loss / process_count()
    return loss.item()
