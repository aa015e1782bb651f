"""``python -m fmlib.self_supervised [METHOD]``: train a small network without labels in a minute or two, by SimCLR or
another of the chapter's methods, and say how good its features are.
"""

import argparse
import sys

import torch

from fmlib import scale
from fmlib.commands import read_options, run
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import linear_probe
from fmlib.examples import self_supervised_example
from fmlib.self_supervised.methods import METHODS


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return run(
        "python -m fmlib.self_supervised",
        lambda: _work(read_options("fmlib.self_supervised", __doc__, arguments, METHODS)),
    )


def _work(given: argparse.Namespace) -> int:
    say = sys.stdout.write
    say(f"{given.method} on Fashion-MNIST without labels, {scale.describe()}\n")
    features, loss = self_supervised_example(given.method, given.steps, given.seed)
    pictures = load_fashion_mnist("validation")
    known = pictures.sample(10, torch.Generator().manual_seed(given.seed))
    rows = torch.isin(
        pictures.source_index, known.source_index
    )  # 100 labels; the other 1,900 pictures are the test
    say(f"loss {loss:.2f} at the end. With 100 labels, a linear probe names of 1,900 other pictures\n")
    for name, values in {
        "learned features": features,
        "raw pixels": pictures.images.flatten(1) / 255,
    }.items():
        right = linear_probe(values[rows], pictures.labels[rows], values[~rows], pictures.labels[~rows])
        say(f"  {right:5.1f} % right from {name}\n")
    say("One seed and one draw of labels: the lesson has the measured comparison.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
