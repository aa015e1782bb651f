import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from two_processes import in_two_processes

from fmlib.data import load_shakespeare
from fmlib.llm.gpt.config import GPTConfig, flops_per_token
from fmlib.llm.pretrain import main
from fmlib.llm.pretraining import corpus
from fmlib.llm.pretraining.throughput import Meter, model_flops_utilization, peak_flops

SMALL = {"length": 16, "layers": 1, "heads": 2, "dim": 16, "vocab-size": 300, "batch-size": 4}
SMALL = [part for name, value in SMALL.items() for part in (f"--{name}", str(value))]
SMALL += ["--held-out-tokens", "200"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "play.txt"
    path.write_text(load_shakespeare("validation").works[0].text[:30_000])
    return path


def options(text, folder, *more):
    return [*SMALL, "--text", str(text), "--checkpoint", str(folder / "gpt.safetensors"), *map(str, more)]


def weights(folder):
    return {k: v for k, v in load_file(folder / "gpt.safetensors").items() if k.startswith("model.")}


def same(a, b, tolerance=0.0):
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], rtol=0, atol=tolerance) for k in a)


def test_it_trains_measures_and_writes(text, tmp_path, capsys):
    assert main(options(text, tmp_path / "run", "--steps", 6, "--log-every", 2, "--measure-every", 3)) == 0
    said = capsys.readouterr().out
    assert "tokens to train on, 200 held out" in said
    assert said.count("tokens/s") == 3
    assert said.count("bits per character of held-out text") == 2
    assert "utilization" not in said  # of a CPU nothing is known
    assert len(said.rsplit("held-out text\n", 1)[1]) > 10


COMPILED = """
import sys, torch
from fmlib.llm.pretrain import main

graphs, own = [], torch.nn.Module.compile
# With a backend that takes the graphs as they are: no C++ compiler is needed.
torch.nn.Module.compile = lambda model: own(model, fullgraph=True, backend=lambda g, _: graphs.append(g) or g)
status = main(sys.argv[1:])
sys.exit(status or not graphs)
"""


def test_a_compiled_model_learns_the_same(text, tmp_path):
    run = ("--steps", 4, "--measure-every", 2)
    assert main(options(text, tmp_path / "plain", *run)) == 0
    # Another process: here shapes are checked at every call, which the compiler cannot read.
    compiled = options(text, tmp_path / "compiled", *run, "--compile")
    done = subprocess.run([sys.executable, "-c", COMPILED, *compiled], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("bits per character of held-out text") == 2
    assert same(weights(tmp_path / "plain"), weights(tmp_path / "compiled"), 1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_it_compiles_and_tells_the_utilization(text, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FMLIB_SCALE", "gpu")
    run = options(text, tmp_path, "--steps", 60, "--measure-every", 30, "--compile")
    assert main(run) == 0
    said = capsys.readouterr().out
    known = peak_flops(torch.cuda.get_device_name()) is not None
    assert ("model FLOPs utilization unknown" in said) != known
    bits = [float(line.split()[2]) for line in said.splitlines() if "bits per character of" in line]
    assert bits[1] < bits[0]


def test_the_named_text_is_measured_on_other_plays(tmp_path, capsys, monkeypatch):
    plays = {"train": "To be, or not to be.\n" * 400, "validation": "All the world is a stage.\n" * 40}
    monkeypatch.setattr(corpus, "load_shakespeare", lambda split: type("Text", (), {"text": plays[split]}))
    run = ["--data", "shakespeare", "--steps", "1", "--checkpoint", str(tmp_path / "gpt.safetensors")]
    assert main([*SMALL, *run, "--vocab-size", "256"]) == 0
    texts = corpus.load(tmp_path / "gpt", 200)
    assert texts.tokenizer.decode(texts.train.tolist()) == plays["train"]
    assert plays["validation"].startswith(texts.tokenizer.decode(texts.held_out.tolist()))


def start(arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "fmlib.llm.pretrain", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_it_had_not_been(text, tmp_path):
    more = ("--steps", 60, "--checkpoint-every", 5, "--log-every", 1, "--dropout", 0.1)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(options(text, killed, *more))
    while not (killed / "gpt.safetensors").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    resumed = start(options(text, killed, *more, "--resume"))
    said = resumed.communicate()[0]
    assert resumed.returncode == 0, said
    assert "step 60/60" in said
    assert "step 2/60 " not in said  # it did not start again
    assert main(options(text, whole, *more)) == 0
    assert same(weights(killed), weights(whole))


def work(rank):
    folder, optimizer = Path(os.environ["FMLIB_TEST_FOLDER"]), os.environ["FMLIB_TEST_OPTIMIZER"]
    status = main(options(folder / "play.txt", folder / "two", "--steps", 8, "--optimizer", optimizer))
    return {"status": torch.tensor(status)}


def of_gradients(learnt):
    """All weights but the keys' biases: their gradient is zero, and AdamW enlarges what rounding leaves of it."""
    return {name: weight for name, weight in learnt.items() if not name.endswith("key.bias")}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_two_processes_learn_what_one_learns(text, tmp_path, monkeypatch, optimizer):
    monkeypatch.setenv("FMLIB_TEST_FOLDER", str(tmp_path))
    monkeypatch.setenv("FMLIB_TEST_OPTIMIZER", optimizer)
    assert [found["status"].item() for found in in_two_processes(work, tmp_path)] == [0, 0]
    assert main(options(text, tmp_path / "one", "--steps", 8, "--optimizer", optimizer)) == 0
    one, two = (of_gradients(weights(tmp_path / name)) for name in ("one", "two"))
    assert same(one, two, 1e-5)


@pytest.mark.slow
def test_accelerate_launch_runs_it(text, tmp_path, capsys):
    launched = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
         "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "fmlib.llm.pretrain",
         *options(text, tmp_path / "two", "--steps", 8, "--optimizer", "adamw")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    assert ", 2 processes\n" in launched.stdout
    assert launched.stdout.count("step 8/8  loss") == 1  # one of them speaks
    assert main(options(text, tmp_path / "one", "--steps", 8, "--optimizer", "adamw")) == 0
    one, two = (of_gradients(weights(tmp_path / name)) for name in ("one", "two"))
    assert same(one, two, 1e-5)
    told = [line.split("  ")[1] for line in launched.stdout.splitlines() if line.startswith("step 8/8  loss")]
    assert f"step 8/8  {told[0]}" in capsys.readouterr().out  # the loss of the whole batch


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--steps", 0), "--steps is 0: expected 1 or more"),
        (("--vocab-size", 100), "--vocab-size is 100: expected 256 or more"),
        (("--heads", 3), "dim is 16 and heads is 3"),
        (("--rate", "nan"), "--rate is nan"),
        (("--dropout", 1.5), "dropout is 1.5"),
        (("--checkpoint", "gpt.bin"), "expected a name that ends with .safetensors"),
        (("--text", "nowhere.txt"), "--text is nowhere.txt: there is no such file"),
        (("--text", "."), "--text is .: this is a folder, expected a text file"),
        (("--length", 1), "--length is 1: expected 2 or more"),
        (("--accumulate", 0), "--accumulate is 0: expected 1 or more"),
        (("--seed", 2**64), "--seed is 18446744073709551616: expected a whole number from 0 to 2^63 - 1"),
        (("--seed", -1), "--seed is -1: expected a whole number"),
    ],
)
def test_bad_options_are_refused_before_any_work(text, tmp_path, capsys, more, message):
    with pytest.raises(SystemExit) as left:
        main(options(text, tmp_path / "run", *more))
    assert left.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_is_not_overwritten(text, tmp_path, capsys):
    assert main(options(text, tmp_path, "--steps", 1)) == 0
    with pytest.raises(SystemExit):
        main(options(text, tmp_path, "--steps", 1))
    assert "is there already: go on from it with --resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--batch-size", 8), "batch_size was 4, now 8"),
        (("--dim", 32), "dim was 16, now 32"),
        (("--vocab-size", 310), "vocab_size was 300, now 310"),
    ],
)
def test_a_checkpoint_of_other_options_is_refused(text, tmp_path, capsys, more, message):
    assert main(options(text, tmp_path, "--steps", 2)) == 0
    before = (tmp_path / "gpt.tokens").read_bytes()
    assert main(options(text, tmp_path, "--steps", 2, "--resume", *more)) == 1
    assert message in capsys.readouterr().err
    assert (tmp_path / "gpt.tokens").read_bytes() == before


def test_a_checkpoint_of_another_text_is_refused(text, tmp_path, capsys):
    assert main(options(text, tmp_path, "--steps", 2)) == 0
    text.write_text(text.read_text() + "\nExeunt.")
    assert main(options(text, tmp_path, "--steps", 2, "--resume")) == 1
    assert "text was" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xfe" * 100, "is not UTF-8"),
        (b"too short", "pairs to merge, 44 were asked for: give more text, or a smaller vocabulary"),
    ],
)
def test_what_is_no_text_is_refused_in_one_line(tmp_path, capsys, content, message):
    (tmp_path / "play.txt").write_bytes(content)
    assert main(options(tmp_path / "play.txt", tmp_path / "run", "--steps", 1)) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1  # no traceback


# ---- what stops a run


def refuses_to_go_on(run, capsys, *messages):
    capsys.readouterr()
    status = main([*run, "--resume"])
    said = capsys.readouterr().err
    assert status == 1
    assert said.count("\n") == 1  # no traceback
    assert all(message in said for message in messages), said


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(place):
    def flipped(path):
        whole = bytearray(path.read_bytes())
        whole[place] ^= 1
        path.write_bytes(whole)

    return flipped


def header_gone(path):
    save_file(load_file(path), path)


def foreign(path):
    save_file({"weight": torch.zeros(3)}, path, {"format": "fmlib-training-1", "state": "{}"})


def list_in_it(path):
    path.write_text("[]")


@pytest.mark.parametrize(
    ("name", "damage", "messages"),
    [
        ("gpt.safetensors", half, ["gpt.safetensors is not a whole safetensors file", "start again"]),
        ("gpt.safetensors", flip(20), ["gpt.safetensors"]),
        ("gpt.safetensors", flip(-5), ["gpt.safetensors is damaged", "checksum differs"]),
        ("gpt.safetensors", header_gone, ["gpt.safetensors has format None: expected"]),
        ("gpt.safetensors", foreign, ["gpt.safetensors has format 'fmlib-training-1'"]),
        ("gpt.run.json", half, ["gpt.run.json is damaged"]),
        ("gpt.run.json", list_in_it, ["gpt.run.json is damaged"]),
        ("gpt.corpus.json", half, ["gpt.corpus.json is damaged"]),
        ("gpt.corpus.json", list_in_it, ["gpt.corpus.json is damaged"]),
        ("gpt.tokens", flip(5000), ["gpt.tokens is not what was written", "--checkpoint"]),
        ("gpt.tokens", flip(40), ["gpt.tokens is not what was written"]),
        ("gpt.tokenizer.json", flip(-9), ["gpt.tokenizer.json is not what was written"]),
    ],
)
def test_a_run_on_damaged_files_is_refused_in_one_line(text, tmp_path, capsys, name, damage, messages):
    run = options(text, tmp_path, "--steps", 2)
    assert main(run) == 0
    damage(tmp_path / name)
    refuses_to_go_on(run, capsys, *messages)


def test_a_checkpoint_of_another_run_without_its_note_is_refused(text, tmp_path, capsys):
    assert main(options(text, tmp_path, "--steps", 2)) == 0
    (tmp_path / "gpt.run.json").unlink()
    refuses_to_go_on(options(text, tmp_path, "--steps", 2, "--rate", 0.5), capsys, "rate was 0.008, now 0.5")
    (tmp_path / "gpt.run.json").unlink()
    refuses_to_go_on(options(text, tmp_path, "--steps", 2, "--dim", 8), capsys, "does not fit GPT")


def test_damaged_tokens_without_a_checkpoint_are_made_anew(text, tmp_path):
    prepare = (text, None, 300, 200, 30_000)
    corpus.prepare(tmp_path / "gpt", *prepare)
    before = (tmp_path / "gpt.tokens").read_bytes()
    flip(5000)(tmp_path / "gpt.tokens")
    corpus.prepare(tmp_path / "gpt", *prepare)
    assert (tmp_path / "gpt.tokens").read_bytes() == before


def test_a_folder_is_no_checkpoint(text, tmp_path, capsys):
    (tmp_path / "gpt.safetensors").mkdir()
    with pytest.raises(SystemExit):
        main(options(text, tmp_path, "--resume"))
    assert "gpt.safetensors: this is a folder, expected a file" in capsys.readouterr().err


def test_accumulated_batches_learn_what_one_large_batch_learns(text, tmp_path, capsys):
    assert main(options(text, tmp_path / "one", "--steps", 4, "--batch-size", 8, "--optimizer", "adamw")) == 0
    told = capsys.readouterr().out
    more = ("--batch-size", 2, "--accumulate", 4, "--optimizer", "adamw")
    assert main(options(text, tmp_path / "four", "--steps", 4, *more)) == 0
    found = capsys.readouterr().out
    one, four = (of_gradients(weights(tmp_path / name)) for name in ("one", "four"))
    assert same(one, four, 1e-5)
    loss = [
        line.split("  ")[:2] for out in (told, found) for line in out.splitlines() if "step 4/4  loss" in line
    ]
    assert loss[0] == loss[1]
    assert "512 tokens in 4 steps" in told
    assert "512 tokens in 4 steps" in found


def stops_at(step, error, monkeypatch):
    """Something goes wrong in a step, as if from outside."""
    own = Meter.__call__

    def meter(self, model, loss):
        own(self, model, loss)
        if self.step == step:
            error()

    monkeypatch.setattr(Meter, "__call__", meter)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_writes_a_checkpoint_and_says_how_to_go_on(text, tmp_path, capsys, monkeypatch):
    run = options(text, tmp_path / "run", "--steps", 12, "--dropout", 0.1)
    with monkeypatch.context() as patch:
        stops_at(5, lambda: os.kill(os.getpid(), signal.SIGINT), patch)
        assert main(run) == 130
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "gpt.safetensors has the first 5 of 12 steps: the same command with --resume goes on" in said
    assert main([*run, "--resume"]) == 0
    assert main(options(text, tmp_path / "whole", "--steps", 12, "--dropout", 0.1)) == 0
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


def test_ctrl_c_before_the_first_step_ends_in_one_line(text, tmp_path, capsys, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(corpus, "prepare", stop)
    assert main(options(text, tmp_path)) == 130
    assert capsys.readouterr().err == "python -m fmlib.llm.pretrain: stopped\n"


def test_a_full_disk_is_told_with_the_file_and_how_to_go_on(text, tmp_path, capsys, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    run = options(text, tmp_path, "--steps", 6, "--checkpoint-every", 2)
    with monkeypatch.context() as patch:
        stops_at(3, lambda: patch.setattr("os.fsync", full), patch)
        assert main(run) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"No space left on device: {tmp_path}/gpt.safetensors; " in said
    assert "has the first 2 of 6 steps: the same command with --resume goes on" in said
    assert not list(tmp_path.glob(".*.part"))
    assert main([*run, "--resume"]) == 0


def test_going_on_writes_no_file_before_it_trains(text, tmp_path, monkeypatch):
    run = options(text, tmp_path, "--steps", 2)
    assert main(run) == 0

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert main([*run, "--resume"]) == 0  # all steps are done, so nothing is to be written at all


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="a pipe as posix has it")
def test_a_closed_pipe_ends_it_without_a_traceback(text, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "fmlib.llm.pretrain", *options(text, tmp_path, "--steps", 50, "--log-every", 1)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert "vocabulary" in process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141


def test_offline_tinystories_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub

    def offline(**_):
        raise huggingface_hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    run = ["--data", "tinystories", "--checkpoint", str(tmp_path / "gpt.safetensors")]
    assert main([*SMALL, *run]) == 1
    said = capsys.readouterr().err
    assert "could not be downloaded" in said
    assert "--data shakespeare" in said


def test_stories_end_with_the_special_token(tmp_path, monkeypatch):
    story = "Once upon a time there was a cat.\nIt sat.\n<|endoftext|>\n" * 80
    (tmp_path / "stories.txt").write_text(story)
    monkeypatch.setattr(corpus, "_download", lambda name: tmp_path / "stories.txt")
    corpus.prepare(tmp_path / "gpt", None, "tinystories", 260, 50, 1000)
    texts = corpus.load(tmp_path / "gpt", 50)
    mark = texts.tokenizer.special_tokens["<|endoftext|>"]
    assert texts.train.tolist().count(mark) == 80
    assert texts.tokenizer.decode(texts.train.tolist()) == story


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A10G", 70e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA GeForce RTX 4090", 165e12),
        ("Tesla T4", None),
    ],
)
def test_the_peak_is_that_of_the_device(name, peak):
    assert peak_flops(name) == peak


def test_utilization_is_work_done_over_work_possible():
    config = GPTConfig.gpt2()
    found = model_flops_utilization(config, 200_000, "NVIDIA A100-SXM4-40GB", devices=2)
    assert found == pytest.approx(200_000 * flops_per_token(config) / (2 * 312e12))
    assert model_flops_utilization(config, 1e6, "Tesla T4") is None


def test_the_meter_counts_what_lies_between_its_lines(monkeypatch):
    clock, lines = [0.0], []
    monkeypatch.setattr("fmlib.llm.pretraining.throughput.time.perf_counter", lambda: clock[0])
    meter = Meter(GPTConfig.tiny(), 100, steps=7, first=2, every=2, say=lines.append, device_name="Tesla T4")
    for step in range(3, 8):
        clock[0] += 50 if step == 3 else 2  # the first step compiles
        meter(torch.nn.Identity(), torch.tensor(1.5))
        if step == 4:
            meter.pause()
            clock[0] += 1000
            meter.resume()
    assert [line.split("  ")[:3] for line in lines] == [
        ["step 4/7", "loss 1.500", "50 tokens/s"],
        ["step 6/7", "loss 1.500", "50 tokens/s"],
        ["step 7/7", "loss 1.500", "50 tokens/s"],
    ]
    assert lines[0].endswith("model FLOPs utilization unknown (Tesla T4)")
