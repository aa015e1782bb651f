"""Pretrain a GPT on any text: python -m fmlib.llm.pretrain --text FILE, or --data shakespeare | tinystories.

The text may be larger than memory; a killed run goes on with --resume as if it had not been; `accelerate launch
--multi_gpu --num_processes 2 -m fmlib.llm.pretrain ...` runs it in several processes (without a GPU, on the CPU), with the
same result as in one, to rounding.
"""

import argparse
import json
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from fmlib import commands, scale
from fmlib._files import atomic_write_text
from fmlib.evaluate import bits_per_character
from fmlib.llm.generation.decode import generate
from fmlib.llm.generation.sampling import Sampling
from fmlib.llm.gpt.config import GPTConfig, count_parameters
from fmlib.llm.pretraining import corpus
from fmlib.llm.pretraining.throughput import Meter
from fmlib.llm.pretraining.training import Recipe, make_gpt, surprise_of_text, train_gpt
from fmlib.training.batches import TextBatches
from fmlib.training.checkpoint import read_checkpoint
from fmlib.training.distributed import launched

PROGRAM = "python -m fmlib.llm.pretrain"


def make_parser() -> argparse.ArgumentParser:
    """All options with their defaults."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", type=Path, metavar="FILE", help="a text in UTF-8; its end is held out")
    source.add_argument(
        "--data", choices=("shakespeare", "tinystories"), help="the second is downloaded, 2 GB"
    )
    numbers = {
        "--steps": (1500, "optimizer steps"),
        "--batch-size": (8, "pieces of text in a batch, over all processes"),
        "--accumulate": (1, "batches in a step: more than fits into memory at once"),
        "--length": (256, "tokens of a piece, positions of the model"),
        "--layers": (4, "blocks"),
        "--heads": (4, "attention heads of a block"),
        "--dim": (128, "features"),
        "--vocab-size": (2048, "tokens; 256 are the bytes"),
        "--seed": (0, "of weights, batches and dropout"),
        "--checkpoint-every": (500, "steps"),
        "--log-every": (20, "steps between lines"),
        "--measure-every": (500, "steps between measurements on held-out text"),
        "--held-out-tokens": (50_000, "tokens to measure with, at most"),
        "--tokenizer-characters": (2_000_000, "of the text's beginning that the tokenizer learns from"),
    }
    for name, (default, text) in numbers.items():
        parser.add_argument(name, type=int, default=default, metavar="N", help=f"{text} [{default:,}]")
    parser.add_argument(
        "--rate", type=float, default=8e-3, help="highest learning rate [0.008]; AdamW wants about 0.003"
    )
    parser.add_argument(
        "--optimizer", choices=("muon", "adamw"), default="muon", help="of the blocks' matrices [muon]"
    )
    parser.add_argument("--dropout", type=float, default=0.0, help="share [0]")
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("runs/pretrain/gpt.safetensors"), metavar="FILE",
        help="a .safetensors file; tokens and tokenizer lie beside it [%(default)s]",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint if it is there")
    parser.add_argument("--compile", action="store_true", help="with torch.compile: faster on a GPU")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return commands.run(PROGRAM, lambda: _work(arguments))


def _work(arguments: list[str] | None) -> int:
    parser = make_parser()
    given = parser.parse_args(arguments)
    try:
        recipe = check(given)
    except (ValueError, RuntimeError, OSError) as error:
        parser.error(commands.describe(error))
    count = launched()
    first = count == 1 or int(os.environ["RANK"]) == 0

    def say(line: str) -> None:
        if first:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    if count > 1:
        _start_processes()
    stem = given.checkpoint.with_suffix("")
    done = _steps_done(given.checkpoint)
    if first:
        _same_run(stem, given, recipe)
        wanted = (given.vocab_size, given.held_out_tokens, given.tokenizer_characters)
        corpus.prepare(stem, given.text, given.data, *wanted, keep=given.checkpoint.exists(), say=say)
    if count > 1:
        torch.distributed.barrier()
    texts = corpus.load(stem, given.held_out_tokens)
    TextBatches(texts.train, recipe.model.max_length + 1, recipe.batch_size)  # refuses what is too short
    told = f", {count} processes" if count > 1 else ""
    say(
        f"{len(texts.train):,} tokens to train on, {len(texts.held_out):,} held out; {scale.describe()}{told}"
    )
    seen = recipe.tokens * given.accumulate
    say(f"GPT of {count_parameters(recipe.model):,} parameters, {seen:,} tokens in {recipe.steps} steps")
    try:
        model = train(given, recipe, texts, say, count, done)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(given.checkpoint, recipe.steps)) from None
    except OSError as error:
        raise type(error)(
            f"{commands.describe(error)}; {_how_to_go_on(given.checkpoint, recipe.steps)}"
        ) from error
    if first:
        writer = make_gpt(recipe.model, given.seed)  # not compiled: every token is another length
        writer.load_state_dict(model.state_dict())
        prompt = texts.held_out[:1][None]
        written = generate(
            writer,
            prompt,
            recipe.model.max_length - 1,
            Sampling(temperature=0.8),
            generator=torch.Generator().manual_seed(given.seed),
        )
        say("\n" + texts.tokenizer.decode(written[0].tolist()))
    return 0


def train(
    given: argparse.Namespace, recipe: Recipe, texts: corpus.Corpus, say, processes: int, done: int = 0
) -> nn.Module:
    """The run itself, from the steps on that are done, with its lines of progress."""
    model = make_gpt(recipe.model, given.seed)
    if given.compile:
        model.compile()  # in place: names of weights, and so checkpoints, stay as they are
    device = scale.device()
    meter = Meter(
        recipe.model,
        recipe.batch_size * given.accumulate * recipe.model.max_length,
        recipe.steps,
        done,
        given.log_every,
        say,
        torch.cuda.get_device_name() if device.type == "cuda" else None,
        processes,
    )
    characters = len(texts.tokenizer.decode(texts.held_out.tolist()))

    def measure(model: nn.Module) -> dict[str, float]:
        meter.pause()
        nats = surprise_of_text(model, texts.held_out).double().sum().item()
        bits = bits_per_character(nats + math.log(recipe.model.vocab_size), characters)
        say(f"step {meter.step}/{recipe.steps}  {bits:.3f} bits per character of held-out text")
        meter.resume()
        return {"bits per character": bits}

    model, _ = train_gpt(
        texts.train,
        recipe,
        given.seed,
        model,
        accumulate=given.accumulate,
        measure=measure,
        measure_every=given.measure_every,
        after_step=meter,
        checkpoint=given.checkpoint,
        checkpoint_every=given.checkpoint_every,
        resume=given.resume,
        progress=False,
    )
    return model


def check(given: argparse.Namespace) -> Recipe:
    """The recipe that the options ask for; everything that can be refused before any work is refused here.

    Raises:
        ValueError: numbers out of range, or that do not fit together.
        FileExistsError: the checkpoint is there and --resume is not.
        FileNotFoundError: the text is not.
        IsADirectoryError: text or checkpoint is a folder.
        RuntimeError: the scale asks for a GPU that is not there.
    """
    scale.name()
    commands.check_seed(given.seed)
    for name in ("steps", "batch_size", "accumulate", "checkpoint_every", "log_every", "measure_every"):
        if getattr(given, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(given, name)}: expected 1 or more")
    least_of = {"length": 2, "vocab_size": 256, "held_out_tokens": 2, "tokenizer_characters": 1}
    for name, least in least_of.items():  # of a piece of one token nothing could be written afterwards
        if getattr(given, name) < least:
            raise ValueError(
                f"--{name.replace('_', '-')} is {getattr(given, name)}: expected {least} or more"
            )
    if not (given.rate > 0 and math.isfinite(given.rate)):
        raise ValueError(f"--rate is {given.rate}: expected a number above 0")
    processes = launched()
    if given.batch_size % processes:
        raise ValueError(f"--batch-size is {given.batch_size}: expected a multiple of {processes} processes")
    if given.text is not None and given.text.is_dir():
        raise IsADirectoryError(f"--text is {given.text}: this is a folder, expected a text file")
    if given.text is not None and not given.text.is_file():
        raise FileNotFoundError(f"--text is {given.text}: there is no such file")
    if given.checkpoint.suffix != ".safetensors":
        raise ValueError(f"--checkpoint is {given.checkpoint}: expected a name that ends with .safetensors")
    if given.checkpoint.is_dir():
        raise IsADirectoryError(f"--checkpoint is {given.checkpoint}: this is a folder, expected a file")
    if given.checkpoint.exists() and not given.resume:
        raise FileExistsError(
            f"{given.checkpoint} is there already: go on from it with --resume, or remove it"
        )
    model = GPTConfig(given.vocab_size, given.length, given.layers, given.heads, given.dim, given.dropout)
    sizes = {"steps": given.steps, "batch_size": given.batch_size}
    return Recipe(model=model, **sizes, rate=given.rate, optimizer=given.optimizer)


def _same_run(stem: Path, given: argparse.Namespace, recipe: Recipe) -> None:
    """Note what the run is; refuse to go on from a checkpoint of another."""
    note = stem.parent / f"{stem.name}.run.json"
    wanted = {**asdict(recipe), **asdict(recipe)["model"], "accumulate": given.accumulate, "seed": given.seed}
    del wanted["model"]
    wanted = json.loads(json.dumps(wanted))  # as it comes back: tuples are lists
    found = corpus.read_note(note) if given.checkpoint.exists() else {}
    told = [f"{k} was {found.get(k)!r}, now {v!r}" for k, v in wanted.items() if found.get(k) != v]
    if found and told:
        raise ValueError(f"{given.checkpoint} is of another run: {'; '.join(told)}; give the same options")
    if found != wanted:  # the disk may be full, and what is there already is enough
        atomic_write_text(note, json.dumps(wanted, indent=1) + "\n")


def _start_processes() -> None:
    from accelerate import PartialState

    PartialState(cpu=scale.device().type == "cpu")


def _steps_done(path: Path) -> int:
    return read_checkpoint(path).step if path.exists() else 0


def _how_to_go_on(path: Path, steps: int) -> str:
    """What is kept of a run that has stopped."""
    try:
        done = _steps_done(path)
    except (ValueError, OSError):
        done = 0
    if not done:
        return "there is no checkpoint yet: the run starts again from the beginning"
    return f"{path} has the first {done} of {steps} steps: the same command with --resume goes on from there"


if __name__ == "__main__":
    sys.exit(main())
