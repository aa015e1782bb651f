"""What the quick starts of all chapters, ``python -m fmlib.CHAPTER``, can be told."""

import argparse


def read_options(chapter: str, description: str, arguments: list[str] | None) -> argparse.Namespace:
    """The steps, None for about a minute of them, and the seed.

    Args:
        chapter: the module, e.g. "fmlib.llm".
        description: what the quick start does.
        arguments: of the command line; the process's own by default.

    Raises:
        SystemExit: an unknown option, or steps below 1; says so first.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {chapter}", description=description)
    parser.add_argument("--steps", type=int, help="of training; about a minute of them by default")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if given.steps is not None and given.steps < 1:
        parser.error(f"--steps is {given.steps}: expected 1 or more")
    return given
