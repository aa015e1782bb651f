"""``python -m fmlib.llm``: train a small GPT on Shakespeare in about a minute, let it write, and say how good it is."""

import argparse
import sys

import numpy as np

from fmlib import scale
from fmlib.commands import read_options, run
from fmlib.data import load_shakespeare
from fmlib.evaluate import bits_per_character
from fmlib.examples import language_modeling_example
from fmlib.llm.gpt.config import parameter_count
from fmlib.llm.pretraining.compressors import xz
from fmlib.llm.pretraining.ngrams import NGram
from fmlib.llm.pretraining.training import shakespeare_tokens, text_bits_per_character
from fmlib.llm.tokens.characters import CharTokenizer

ORDER = 5  # of the n-grams beside it


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return run("python -m fmlib.llm", lambda: _work(read_options("fmlib.llm", __doc__, arguments)))


def _work(given: argparse.Namespace) -> int:
    say = sys.stdout.write
    say(f"A GPT on 32 plays of Shakespeare, {scale.describe()}\n")
    model, text = language_modeling_example(given.steps, given.seed)
    say(f"It has {parameter_count(model):,} parameters and writes:\n\n{text}\n\n")
    size = scale.pick(smoke=20_000, cpu=None, gpu=None)  # characters of the texts that are counted and packed
    train, held_out = (load_shakespeare(split).text[:size] for split in ("train", "validation"))
    say(f"Bits per character of {len(held_out):,} characters from plays that it has not seen:\n")
    for name, bits in {
        "this GPT": text_bits_per_character(model, shakespeare_tokens(model.config.vocab_size)[0], held_out),
        f"{ORDER}-grams of characters": _ngram_bits(train, held_out),
        "xz, with the plays as its context": xz(train, held_out).after_training,
    }.items():
        say(f"  {bits:5.2f} {name}\n")
    say("One seed and a minute: the lesson on pretraining goes further, and has the measured comparison.\n")
    return 0


def _ngram_bits(train: str, held_out: str) -> float:
    characters = CharTokenizer.train(train + held_out)
    model = NGram(np.array(characters.encode(train)), characters.vocab_size, ORDER)
    nats = model.surprise(np.array(characters.encode(held_out)), discounts=0.9).sum()
    return bits_per_character(float(nats), len(held_out))


if __name__ == "__main__":
    sys.exit(main())
