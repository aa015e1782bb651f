"""A checkpoint is what was written and of this very run, or it is refused by name; ctrl-C leaves one."""

import itertools
import json
import os
import signal
import threading

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from fmlib.training.batches import ShuffledBatches
from fmlib.training.checkpoint import read_checkpoint
from fmlib.training.fit import fit
from fmlib.training.optimizers import Muon, adamw, muon

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
Y = torch.arange(64)


def net():
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(4, 8, bias=False), nn.ReLU(), nn.Linear(8, 4, bias=False))


def loss(model, batch, generator):
    return (model(batch[0]) - batch[0]).square().mean()


def train(file, model=None, rows=Y, batch_size=16, steps=4, **more):
    model = net() if model is None else model
    source = ShuffledBatches(X, rows, batch_size=batch_size)
    options = {"steps": steps, "rate": 0.01, "progress": False, "device": "cpu", "checkpoint": file}
    return fit(model, source, loss, **(options | more))


def weights(model):
    return torch.cat([v.flatten() for v in model.state_dict().values()])


def rewritten(file, change_tensors=lambda tensors: None, change_header=lambda header: None):
    with safe_open(file, framework="pt") as opened:
        header = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    change_tensors(tensors)
    change_header(header)
    save_file(tensors, file, metadata=header)


@pytest.fixture
def file(tmp_path):
    train(tmp_path / "run.safetensors", steps=4)
    return tmp_path / "run.safetensors"


def refused(file, message, refuses, **more):
    model = net()
    before = weights(model)
    with refuses(ValueError, message):
        train(file, model, resume=True, **more)
    assert torch.equal(weights(model), before)


def flip(tensors, name):
    tensors[name].view(-1).view(torch.uint8)[1] ^= 4


@pytest.mark.parametrize(
    "name", ["model.0.weight", "optimizer.0.exp_avg", "optimizer.1.exp_avg_sq", "optimizer.0.step"]
)
def test_a_flipped_bit_of_any_tensor_is_told_by_name(file, name, refuses):
    rewritten(file, lambda tensors: flip(tensors, name))
    refused(file, rf"run\.safetensors is damaged: {name} not as written", refuses)


@pytest.mark.parametrize("name", ["model.0.weight", "optimizer.0.exp_avg", "optimizer.1.step"])
def test_a_missing_tensor_is_told_by_name(file, name, refuses):
    rewritten(file, lambda tensors: tensors.pop(name))
    refused(file, rf"not whole: {name} missing", refuses)


def test_a_checkpoint_without_the_optimizers_state_is_refused(file, refuses):
    def remove(tensors):
        for name in [name for name in tensors if name.startswith("optimizer.")]:
            del tensors[name]

    rewritten(file, remove)
    refused(file, r"not whole: optimizer\.0\.exp_avg, .* missing", refuses)


@pytest.mark.parametrize("part", ["state", "checksums", "checksum"])
def test_a_changed_header_is_refused(file, part, refuses):
    rewritten(file, change_header=lambda header: header.update({part: header[part].replace("1", "2")}))
    refused(file, "is damaged", refuses)


def test_every_byte_of_the_header_counts(file, refuses):
    whole = file.read_bytes()
    size = 8 + int.from_bytes(whole[:8], "little")
    for place in range(0, size, size // 40):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(file, r"run\.safetensors (is|has|does)", refuses)


def test_a_checkpoint_of_an_earlier_format_is_refused_in_a_sentence(file, refuses):
    rewritten(file, change_header=lambda header: header.update(format="fmlib-training-1"))
    refused(file, "has format 'fmlib-training-1': expected 'fmlib-training-2'.*start again", refuses)
    rewritten(file, change_header=lambda header: header.clear())
    refused(file, "has format None", refuses)


def test_a_folder_is_no_checkpoint(tmp_path, refuses):
    refused(tmp_path, "is a folder: expected a checkpoint", refuses)


OPTIMIZERS = {
    "adamw": lambda model: adamw(model, 0.01),
    "adamw, decay": lambda model: adamw(model, 0.01, weight_decay=0.1),
    "adamw, betas": lambda model: adamw(model, 0.01, betas=(0.9, 0.95)),
    "adamw, rate": lambda model: adamw(model, 0.02),
    "muon": lambda model: muon(model, 0.01),
    "muon, momentum": lambda model: lambda p: Muon(p, lr=0.01, momentum=0.9),
    "sgd": lambda model: lambda p: torch.optim.SGD(p, lr=0.01),
    "sgd, momentum": lambda model: lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "adam": lambda model: lambda p: torch.optim.Adam(p, lr=0.01),
    "rmsprop": lambda model: lambda p: torch.optim.RMSprop(p, lr=0.01),
}


def test_no_run_goes_on_with_another_optimizer(tmp_path, refuses):
    for name, make in OPTIMIZERS.items():
        train(tmp_path / f"{name}.safetensors", model := net(), optimizer=make(model), steps=2)
    for was, now in itertools.permutations(OPTIMIZERS, 2):
        make = lambda parameters, now=now: OPTIMIZERS[now](net())(parameters)  # noqa: E731
        refused(tmp_path / f"{was}.safetensors", "is of another run: ", refuses, optimizer=make, steps=2)
    for name, make in OPTIMIZERS.items():
        train(tmp_path / f"{name}.safetensors", model := net(), optimizer=make(model), steps=2, resume=True)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"optimizer": lambda p: torch.optim.SGD(p, lr=0.01)}, "optimizer was 'AdamW', now 'SGD'"),
        ({"weight_decay": 0.1}, r"weight_decay was 0\.0, now 0\.1"),
        (
            {"batch_size": 8},
            r"batch was 'float32 \[16, 4\]; int64 \[16\]', now 'float32 \[8, 4\]; int64 \[8\]'",
        ),
        ({"schedule": "linear"}, "schedule was 'cosine', now 'linear'"),
        ({"accumulate": 2}, "accumulate was 1, now 2"),
        ({"rows": Y + 1}, "checksum_of_first_rows was"),
        ({"clip": None}, r"clip was 1\.0, now None"),
        ({"ema": 0.9}, "missing"),
        ({"seed": 1}, "seed was 0, now 1"),
        ({"warmup": 2}, "warmup was 1, now 2"),
        ({"steps": 6}, "steps was 4, now 6"),
    ],
)
def test_what_decides_a_run_is_compared_by_name(file, more, message, refuses):
    refused(file, message, refuses, **more)


def test_the_header_alone_tells_step_and_run(file):
    told = read_checkpoint(file)
    assert (told.step, told.run["optimizer"], told.run["batch"]) == (
        4,
        "AdamW",
        "float32 [16, 4]; int64 [16]",
    )
    assert json.loads(json.dumps(told.run)) == told.run
    assert len(told.history["loss"]) == 4


# ---- ctrl-C


def interrupt_at(step):
    calls = []

    def after_step(model, extra):
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGINT)

    return after_step


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_after_ctrl_c_the_run_goes_on_as_if_nothing_had_been(tmp_path):
    file, handler = tmp_path / "run.safetensors", signal.getsignal(signal.SIGINT)
    expected = train(tmp_path / "whole.safetensors", whole := net(), steps=20)
    with pytest.raises(
        KeyboardInterrupt, match=r"after step 7 of 20; .*run\.safetensors holds them.*resume=True"
    ):
        train(file, steps=20, checkpoint_every=1000, after_step=interrupt_at(7))
    assert signal.getsignal(signal.SIGINT) is handler
    assert read_checkpoint(file).step == 7
    history = train(file, resumed := net(), steps=20, resume=True)
    assert torch.equal(weights(resumed), weights(whole))
    assert history.loss == expected.loss


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_second_ctrl_c_stops_at_once(tmp_path):
    def twice(model, extra):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run.safetensors", after_step=twice)
    assert not (tmp_path / "run.safetensors").exists()


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_without_a_checkpoint_ctrl_c_is_what_it_always_is():
    calls = []

    def after_step(model, extra):
        calls.append(1)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(None, after_step=after_step)
    assert len(calls) == 1


def test_it_trains_in_a_thread_that_gets_no_signals(tmp_path):
    thread = threading.Thread(target=train, args=(tmp_path / "run.safetensors",))
    thread.start()
    thread.join()
    assert read_checkpoint(tmp_path / "run.safetensors").step == 4


def test_a_full_disk_is_told_with_the_files_name_and_the_last_checkpoint_stays(tmp_path, monkeypatch):
    file = tmp_path / "run.safetensors"

    def full(handle):
        raise OSError(28, "No space left on device")

    def fill(model, extra, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 3:
            monkeypatch.setattr("os.fsync", full)

    with pytest.raises(OSError, match=r"No space left on device: .*run\.safetensors"):
        train(file, checkpoint_every=2, after_step=fill)
    assert read_checkpoint(file).step == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run.safetensors"]


def test_a_folder_that_cannot_be_made_is_told_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        train(
            tmp_path / "file" / "run.safetensors", after_step=lambda model, extra: pytest.fail("it trained")
        )
