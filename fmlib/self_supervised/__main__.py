"""``python -m fmlib.self_supervised [METHOD]``: train a small network without labels in a minute or two, by SimCLR or
another of the chapter's methods, and say how good its features are, or how well it guesses what is hidden.
"""

import argparse
import sys

from fmlib import scale
from fmlib.commands import read_options, run
from fmlib.self_supervised.methods import METHODS, train


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    return run(
        "python -m fmlib.self_supervised",
        lambda: _work(read_options("fmlib.self_supervised", __doc__, arguments, METHODS)),
    )


def _work(given: argparse.Namespace) -> int:
    say, method = sys.stdout.write, METHODS[given.method]
    say(f"{given.method} on {method.data} without labels, {scale.describe()}\n")
    model, loss = train(given.method, given.steps, given.seed)
    say(f"loss {loss:.2f} at the end. {method.judge(model, given.seed)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
