"""A device that is not there: it computes on the CPU, but refuses what a GPU refuses.

Tensors on it and tensors on the CPU do not mix, the CPU's generators do not draw on it, and it has no float64 (as Apple's
MPS). So code that forgets to move something fails here as it would on a GPU, on a machine that has none.

As a program, `python tests/pretend_device.py NOTEBOOK` runs a notebook's cells with all training on this device.
"""

import contextlib
import importlib
import io
import json
import os
import sys
from pathlib import Path

import torch
from torch.utils._python_dispatch import return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "pretend"
MOVES = ("aten._to_copy", "aten.copy_", "aten._local_scalar_dense")
INDEXING = ("aten.index", "aten.index_put", "aten.index_put_")  # a GPU's tensor takes indices from the CPU

operations = 0  # that ran on the device


class There(torch.Tensor):
    """A tensor on the device."""

    @staticmethod
    def __new__(cls, here: torch.Tensor, requires_grad: bool = False):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=torch.device(NAME, 0),
            requires_grad=requires_grad,
        )
        made.here = here
        return made

    def __init__(self, here: torch.Tensor, requires_grad: bool = False) -> None:
        pass

    def __repr__(self, **options) -> str:
        return f"There({self.here!r})"

    def tolist(self) -> list:
        return self.here.tolist()

    def numpy(self, *args, **options):
        raise TypeError(f"a {NAME} tensor cannot become an array: use .cpu()")

    def untyped_storage(self):
        """The bytes that stand for those on the device, so that they can be counted."""
        return self.here.untyped_storage()

    __array__ = numpy
    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operator, types, args=(), options=None):
        return run(operator, *args, **(options or {}))


def run(operator, *args, **options):
    """One operation of torch on the device."""
    global operations
    whole = operator.decompose(*args, **options)  # of several operations, or NotImplemented
    if whole is not NotImplemented:
        return whole
    name = operator._schema.name.replace("::", ".")
    leaves = tree_leaves((args, options))
    there = [x for x in leaves if isinstance(x, There)]
    here = [x for x in leaves if isinstance(x, torch.Tensor) and not isinstance(x, There) and x.ndim]
    device = options.get("device")
    to_there = bool(there) if device is None else torch.device(device).type == NAME
    mixed = there and here and name not in MOVES
    if mixed and not (name in INDEXING and isinstance(args[0], There)):
        shapes = [[tuple(x.shape) for x in some] for some in (there, here)]
        raise RuntimeError(f"{name} has tensors {shapes[0]} on the device and {shapes[1]} on the CPU")
    if to_there and any(isinstance(x, torch.Generator) and x.device.type == "cpu" for x in leaves):
        raise RuntimeError(f"{name} draws on the device, with a generator of the CPU")
    if to_there and options.get("dtype") == torch.float64:
        raise TypeError(f"{name} makes float64: the device has none")
    args_here, options_here = tree_map(_bring_here, (args, options))
    result = ONLY_THERE.get(name, operator)(*args_here, **options_here)
    if not to_there or name == "aten._local_scalar_dense":
        return result
    operations += 1
    result = tree_map(lambda x: There(x) if isinstance(x, torch.Tensor) else x, result)
    return return_and_correct_aliasing(operator, args, options, result)


def _gru_cell(input_gates, hidden_gates, hx, input_bias=None, hidden_bias=None):
    """One step of a GRU, which torch computes as one operation on every device but the CPU."""
    given = input_gates if input_bias is None else input_gates + input_bias
    kept = hidden_gates if hidden_bias is None else hidden_gates + hidden_bias
    (i_r, i_z, i_n), (h_r, h_z, h_n) = given.chunk(3, dim=1), kept.chunk(3, dim=1)
    r, z = (i_r + h_r).sigmoid(), (i_z + h_z).sigmoid()
    n = (i_n + r * h_n).tanh()
    return n + z * (hx - n), torch.cat([r, z, n, hx, h_n], dim=1)


def _gru_cell_backward(grad, workspace, has_bias):
    r, z, n, hx, h_n = workspace.chunk(5, dim=1)
    by_z, by_n = grad * (hx - n) * z * (1 - z), grad * (1 - z) * (1 - n * n)
    by_r = by_n * h_n * r * (1 - r)
    gates = torch.cat([by_r, by_z, by_n], dim=1), torch.cat([by_r, by_z, by_n * r], dim=1)
    return *gates, grad * z, *(gate.sum(dim=0) if has_bias else None for gate in gates)


ONLY_THERE = {
    "aten._thnn_fused_gru_cell": _gru_cell,
    "aten._thnn_fused_gru_cell_backward": _gru_cell_backward,
}


def _bring_here(x):
    if isinstance(x, There):
        return x.here
    return torch.device("cpu") if isinstance(x, torch.device) and x.type == NAME else x


class _Backend(_DummyBackendModule):
    def get_rng_state(self, *args):
        return torch.get_rng_state()


class _Accelerator:
    """What `fit` asks of Accelerate, for this device."""

    is_main_process = True

    def __init__(self):
        self.device = torch.device(NAME, 0)

    def prepare(self, model, optimizer, device_placement):
        optimizer.optimizer = optimizer
        return model, optimizer

    def backward(self, loss):
        loss.backward()


def _made_here_first(factory):
    # From Python's numbers torch makes a tensor below where a device in Python can be asked.
    def make(data, *, device=None, **options):
        made = factory(data, **options)
        return made if device is None else made.to(device)

    return make


def install() -> torch.device:
    """Make the device, and train on it whatever is not told to train elsewhere. For the rest of this process."""
    from fmlib import scale

    train = importlib.import_module("fmlib.training.fit")  # the module, which the function of this name hides

    _setup_privateuseone_for_python_backend(rename=NAME, backend_module=_Backend())
    install.library = torch.library.Library("_", "IMPL")
    install.library.fallback(run, "PrivateUse1")
    torch.__future__.set_swap_module_params_on_conversion(True)  # a moved parameter stays the same object
    torch.tensor = _made_here_first(torch.tensor)
    torch.Tensor.new_tensor = lambda like, data, **options: torch.tensor(
        data, **{"dtype": like.dtype, "device": like.device} | options
    )
    torch.inference_mode = torch.no_grad  # its tensors count no versions, which a view of a wrapper needs
    real = train.make_accelerator

    def accelerator(device):
        elsewhere = device is not None and torch.device(device).type != NAME
        return real(device) if elsewhere else _Accelerator()

    train.make_accelerator = accelerator
    train.autocast = lambda device: contextlib.nullcontext()
    scale.device = lambda: torch.device(NAME, 0)
    return torch.device(NAME, 0)


def run_notebook(path: Path) -> None:
    """Run a notebook's code cells; stop at the first that fails."""
    from IPython.core.interactiveshell import InteractiveShell

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shell, said = InteractiveShell.instance(), io.StringIO()
    os.chdir(path.parent)
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                done = shell.run_cell("".join(cell["source"]))
            if not done.success:
                sys.exit(f"cell {number} failed:\n{said.getvalue()[-4000:]}")


if __name__ == "__main__":
    os.environ |= {"MPLBACKEND": "agg", "FMLIB_SCALE": "smoke"}
    install()
    run_notebook(Path(sys.argv[1]).resolve())
    print(operations, "operations")
