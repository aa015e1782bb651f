import importlib
import itertools
import math
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from fmlib.training.batches import ShuffledBatches, step_seed
from fmlib.training.checkpoint import load_checkpoint
from fmlib.training.fit import TrainingError, fit
from fmlib.training.history import History
from fmlib.training.schedules import SCHEDULES, cosine_schedule, linear_schedule

X = torch.randn(64, 3, generator=torch.Generator().manual_seed(1))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]])


class Net(nn.Module):
    """Dropout, a buffer and several shapes: whatever resuming could forget."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1)
        )

    def forward(self, x):
        return self.net(x)


def net():
    torch.manual_seed(5)
    return Net()


def mse(model, batch, generator):
    x, y = batch
    noise = 0.01 * torch.randn(x.shape, generator=generator)
    return (model(x + noise) - y).square().mean()


def batches():
    return ShuffledBatches(X, Y, batch_size=16)


def train(model, steps=40, **more):
    return fit(
        model, batches(), mse, **({"steps": steps, "rate": 0.02, "progress": False, "device": "cpu"} | more)
    )


def weights(model):
    return torch.cat([v.double().flatten() for v in model.state_dict().values()])


def test_it_learns():
    history = train(nn.Linear(3, 1), steps=200, rate=0.1)
    assert history.loss[-1] < 0.01 * history.loss[0]
    assert len(history) == 200


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    runs = []
    for seed in (0, 0, 1):
        model = net()
        train(model, seed=seed)
        runs.append(weights(model))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_readers_random_state_is_left_alone():
    model = nn.Linear(3, 1)
    before = torch.get_rng_state()
    train(model, steps=3)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_resumed_run_is_the_run_that_was_not_interrupted(tmp_path):
    whole = net()
    expected = train(whole, ema=0.9)
    calls = []

    def stop_at_25(model, extra):
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt

    file = tmp_path / "run.safetensors"
    broken = net()
    with pytest.raises(KeyboardInterrupt):
        train(broken, ema=0.9, checkpoint=file, checkpoint_every=10, after_step=stop_at_25)
    resumed = net()
    history = train(resumed, ema=0.9, checkpoint=file, checkpoint_every=10, resume=True)
    assert torch.equal(weights(resumed), weights(whole))
    assert torch.equal(weights(history.ema), weights(expected.ema))
    assert history.loss == expected.loss
    assert history.gradient_norm == expected.gradient_norm


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a process with SIGKILL")
def test_a_killed_run_resumes_exactly(tmp_path):
    program = textwrap.dedent(f"""
        import sys, os, signal
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        import test_fit as t
        file, kill = sys.argv[1], int(sys.argv[2])
        model = t.net()
        def maybe_die(model, extra, count=[0]):
            count[0] += 1
            if count[0] == kill: os.kill(os.getpid(), signal.SIGKILL)
        t.train(model, checkpoint=file, checkpoint_every=7, resume=True, after_step=maybe_die)
    """)
    file = tmp_path / "run.safetensors"
    died = subprocess.run([sys.executable, "-c", program, str(file), "18"], capture_output=True)
    assert died.returncode == -signal.SIGKILL
    subprocess.run([sys.executable, "-c", program, str(file), "-1"], check=True)
    whole, revived = net(), net()
    train(whole)
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in revived.parameters() if (p.ndim > 1) is two]} for two in (True, False)]
    )
    load_checkpoint(file, revived, optimizer, None, {})
    assert torch.equal(weights(revived), weights(whole))


def test_an_existing_checkpoint_is_not_overwritten(tmp_path):
    file = tmp_path / "run.safetensors"
    train(net(), steps=4, checkpoint=file)
    with pytest.raises(FileExistsError, match="resume=True"):
        train(net(), steps=4, checkpoint=file)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    file = tmp_path / "run.safetensors"
    train(net(), steps=4, checkpoint=file)
    with pytest.raises(ValueError, match=r"rate was 0\.02, now 0\.5"):
        train(net(), steps=4, rate=0.5, checkpoint=file, resume=True)


def test_a_checkpoint_of_another_model_is_refused_by_key(tmp_path):
    file = tmp_path / "run.safetensors"
    train(net(), steps=4, checkpoint=file)
    other = nn.Linear(3, 1)
    before = weights(other)
    with pytest.raises(ValueError, match="missing weight"):
        train(other, steps=4, checkpoint=file, resume=True)
    assert torch.equal(weights(other), before)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"not a checkpoint"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, damage):
    file = tmp_path / "run.safetensors"
    train(net(), steps=4, checkpoint=file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"run\.safetensors is not a whole"):
        train(net(), steps=4, checkpoint=file, resume=True)


def test_training_stops_at_the_step_whose_loss_is_not_a_number(tmp_path):
    def breaks(model, batch, generator, count=[0]):  # noqa: B006
        count[0] += 1
        return mse(model, batch, generator) * (math.nan if count[0] == 7 else 1)

    model = net()
    with pytest.raises(TrainingError, match="the loss is nan at step 7 "):
        fit(
            model,
            batches(),
            breaks,
            steps=20,
            progress=False,
            device="cpu",
            checkpoint=tmp_path / "c.safetensors",
        )
    assert torch.isfinite(weights(model)).all()


def test_training_stops_at_a_gradient_that_is_not_finite():
    def explodes(model, batch, generator):
        value = mse(model, batch, generator)
        return value + (model(batch[0]).sum() * 0 + 0.0).sqrt()  # fine forward, infinite backward

    with pytest.raises(TrainingError, match=r"gradient's norm is (nan|inf) at step 1"):
        fit(nn.Linear(3, 1), batches(), explodes, steps=3, progress=False, device="cpu")


def test_the_gradient_is_clipped():
    model = nn.Linear(3, 1)
    seen = []

    def watch(model, extra):
        seen.append(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item())

    history = train(model, steps=3, clip=0.01, after_step=watch)
    assert max(seen) <= 0.01 + 1e-6
    assert history.gradient_norm[0] > 0.01


@pytest.mark.parametrize(("name", "last"), [("cosine", 0.001), ("linear", 0.02)])
def test_the_schedule_rises_to_one_and_falls_towards_zero(name, last):
    shares = [SCHEDULES[name](s, 100, 10) for s in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[9] == 1.0
    assert all(a > b for a, b in itertools.pairwise(shares[9:]))
    assert 0 < shares[-1] < last


def test_the_linear_schedule_falls_by_the_same_at_every_step():
    shares = [linear_schedule(s, 50, 5) for s in range(50)]
    falls = [a - b for a, b in itertools.pairwise(shares[4:])]
    assert falls == pytest.approx([falls[0]] * len(falls))
    assert shares[-1] == pytest.approx(falls[0])  # the next step would have none


def test_the_optimizer_runs_at_the_scheduled_rate():
    rates = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    for options, schedule in (({}, cosine_schedule), ({"schedule": "linear"}, linear_schedule)):
        rates.clear()
        history = train(
            nn.Linear(3, 1), steps=10, rate=0.1, optimizer=lambda p: Spy(p, lr=0.1), warmup=2, **options
        )
        assert rates == pytest.approx([0.1 * schedule(s, 10, 2) for s in range(10)])
        assert history.rate == pytest.approx(rates)


def test_the_slow_copy_follows():
    model = net()
    history = train(model, steps=30, ema=0.9)
    gap = (weights(history.ema) - weights(model)).norm()
    assert 0 < gap < weights(model).norm()
    assert not any(p.requires_grad for p in history.ema.parameters())


def test_measures_are_taken_on_schedule_and_leave_the_model_training():
    model = net()
    history = train(model, steps=10, measure=lambda m: m.eval() and {"one": 1.0}, measure_every=4)
    assert history.measured == {"one": {4: 1.0, 8: 1.0, 10: 1.0}}


def test_each_epoch_has_every_row_once_in_a_new_order():
    source = ShuffledBatches(torch.arange(12), batch_size=4, seed=3)
    epochs = [torch.cat([source(e * 3 + i) for i in range(3)]) for e in range(2)]
    assert all(torch.equal(e.sort().values, torch.arange(12)) for e in epochs)
    assert not torch.equal(*epochs)
    assert torch.equal(source(1), epochs[0][4:8])  # any step again, in any order


def test_step_seeds_differ_by_seed_step_and_process():
    seeds = {step_seed(a, b, c) for a in range(3) for b in range(5) for c in range(2)}
    assert len(seeds) == 30


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"steps": 0}, "steps"),
        ({"rate": -1.0}, "rate is -1.0"),
        ({"rate": math.inf}, "rate is inf"),
        ({"warmup": 50}, "warmup is 50"),
        ({"warmup": 1.5}, r"warmup is 1\.5: expected a whole number"),
        ({"steps": 2.5}, r"steps is 2\.5: expected a whole number"),
        ({"accumulate": 0}, "accumulate is 0: expected 1 or more"),
        ({"measure_every": "often"}, "measure_every is 'often': expected a whole number"),
        ({"seed": 2**64}, r"seed is 18446744073709551616: expected a whole number from 0 to 2\^63 - 1"),
        ({"weight_decay": -1.0}, r"weight_decay is -1\.0: expected 0 or more"),
        ({"weight_decay": math.nan}, "weight_decay is nan"),
        ({"clip": math.nan}, "clip is nan"),
        ({"clip": 0.0}, "clip is 0.0"),
        ({"ema": 1.0}, "ema is 1.0"),
        ({"schedule": "polynomial"}, "schedule is 'polynomial': expected one of cosine, linear"),
        ({"device": "cuda"}, "no CUDA device"),
    ],
)
def test_bad_numbers_are_refused_before_training(more, says, refuses):
    if more.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with refuses(ValueError, says):
        train(net(), **more)


def test_a_model_without_parameters_is_refused():
    with pytest.raises(ValueError, match="nothing to train"):
        train(nn.Identity())


@pytest.mark.parametrize(("rows", "size"), [((4, 5), 2), ((4,), 5), ((4,), 0)])
def test_batches_refuse_what_they_cannot_cut(rows, size):
    with pytest.raises(ValueError, match="expected"):
        ShuffledBatches(*[torch.zeros(r) for r in rows], batch_size=size)


def test_the_history_plots_itself():
    import matplotlib

    matplotlib.use("Agg")
    axes = train(net(), steps=30).plot(label="run")
    assert axes.get_xlabel() == "step"
    assert "30 steps" in repr(train(net(), steps=30))
    assert repr(History()) == "History(no steps)"


def test_it_shows_a_bar_on_a_terminal_and_none_in_a_pipe(capsys, monkeypatch):
    train(net(), steps=3, progress=True)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    train(net(), steps=3, progress=True)
    out, err = capsys.readouterr()
    assert "/3" in err
    assert out == ""


def test_products_in_bfloat16_learn_the_same_within_their_precision(monkeypatch):
    exact, kinds = train(net()), set()
    module = importlib.import_module("fmlib.training.fit")
    monkeypatch.setattr(module, "autocast", lambda device: torch.autocast("cpu", torch.bfloat16))
    model = net()
    model.net[0].register_forward_hook(lambda module, args, output: kinds.add(output.dtype))
    rounded = train(model)
    assert kinds == {torch.bfloat16}
    assert rounded.loss == pytest.approx(exact.loss, rel=0.05)
    assert rounded.loss != exact.loss
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert model(X).dtype == torch.float32
    assert "forward" not in vars(model)  # nothing of the training is left on it


def test_where_an_earlier_run_was_decides_nothing():
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    Accelerator(cpu=True, mixed_precision="bf16")
    assert train(net()).loss == train(net()).loss


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_learns_on_a_gpu_and_on_the_cpu_again():
    def plain(model, batch, generator):
        return (model(batch[0]) - batch[1]).square().mean()

    for device in ("cpu", "cuda", "cpu"):
        model = nn.Linear(3, 1)
        history = fit(model, batches(), plain, steps=200, rate=0.1, progress=False, device=device)
        assert model.weight.device.type == device
        assert history.loss[-1] < 0.05 * history.loss[0]
