"""Numbers that are read off losses: bits_from_perplexity and power_law_by_line."""

import math

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.numbers import one_number
from fmlib.exercises.observe import watch
from fmlib.llm.pretraining.scaling import power_law_by_line
from fmlib.llm.pretraining.training import bits_from_perplexity


def plain_bits(perplexity, tokens, characters):
    return math.log2(perplexity) * tokens / characters


def numbers(perplexity, tokens, characters):
    return lambda g: {"perplexity": perplexity, "tokens": tokens, "characters": characters}


BITS_FROM_PERPLEXITY = Exercise(
    name="bits_from_perplexity",
    chapter="llm",
    title="Perplexity to bits per character",
    kind="write",
    difficulty=1,
    minutes=5,
    goal=r"""
A paper says that its model has a *perplexity* of 20 on a text. That is $e^{\text{loss}}$, where the loss is the mean over
the tokens, in nats: the model is as unsure as if it chose among 20 equally likely tokens each time. Another paper has 35
with larger tokens. Which is better? Return the bits per *character*, a `float`: all bits of the text together, over
its characters. `tokens` and `characters` are how many the text has.
""",
    starter='''
import math


def bits_from_perplexity(perplexity, tokens, characters):
    """Bits per character of a model with this perplexity per token."""
    raise NotImplementedError("write bits_from_perplexity")
''',
    reference=bits_from_perplexity,
    observe=one_number,
    cases=(
        Case("perplexity 2, a token a character", numbers(2.0, 10, 10)),
        Case("perplexity 20, four characters a token", numbers(20.0, 250, 1000)),
        Case("a perfect model", numbers(1.0, 50, 200)),
        Case("bytes: more tokens than characters", numbers(2.7, 1300, 1000)),
        Case("one token", numbers(1024.0, 1, 3)),
    ),
    misconceptions=(
        Misconception(
            "That is in nats. A bit is a choice between two: use the logarithm to base 2, or divide nats by ln 2.",
            slips(plain_bits, {"log2": "log"}),
        ),
        Misconception(
            "Those are bits per *token*. The text costs so many bits for each of its tokens; share them among its "
            "characters.",
            slips(plain_bits, {" * tokens / characters": ""}),
        ),
        Misconception(
            "The ratio is upside down: with fewer tokens for the same text, the same perplexity is *fewer* bits. "
            "Multiply by the tokens and divide by the characters.",
            slips(plain_bits, {"* tokens / characters": "* characters / tokens"}),
        ),
        Misconception(
            "The perplexity is shared out before the logarithm. First make bits of it, then share these.",
            slips(
                plain_bits,
                {
                    "math.log2(perplexity) * tokens / characters": "math.log2(perplexity * tokens / characters)"
                },
            ),
        ),
        Misconception(
            "A perplexity is a number of choices, not of bits: among 8 equal choices it takes log2(8) = 3 bits.",
            slips(plain_bits, {"math.log2(perplexity)": "perplexity"}),
        ),
        Misconception(
            "The loss is exp'ed once more. Perplexity is already the exp of the loss; go back with a logarithm.",
            slips(plain_bits, {"math.log2(perplexity)": "math.exp(perplexity) / math.log(2)"}),
        ),
    ),
    hints=(
        "How many bits does a choice among 8 equally likely tokens take? Among 20?",
        "Bits per token are log2(perplexity). How many bits does the whole text take?",
        "log2(perplexity) · tokens / characters.",
    ),
)


def plain_line(sizes, losses):
    x = sizes.log()
    y = losses.log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    scale = (y.mean() - slope * x.mean()).exp()
    return scale, -slope


def through_the_ends(sizes, losses):
    x, y = sizes.log(), losses.log()
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    return (y[0] - slope * x[0]).exp(), -slope


def runs(generator, count, scale, exponent, noise=0.03, dtype=torch.float32):
    sizes = 10 ** (3 + 0.5 * torch.arange(count, dtype=dtype))
    off = noise * torch.randn(count, generator=generator, dtype=dtype)
    return {"sizes": sizes, "losses": scale * sizes**-exponent * off.exp()}


POWER_LAW_BY_LINE = Exercise(
    name="power_law_by_line",
    chapter="llm",
    title="A power law from a few runs",
    kind="write",
    difficulty=2,
    minutes=10,
    goal=r"""
In logarithmic axes the power law $L(N) = A \cdot N^{-\alpha}$ is a straight line: $\log L = \log A - \alpha \log N$.
`sizes` and `losses` are `[runs]`, from at least two runs. Fit the line by least squares ($L$ is what has errors), and return
the tuple `(A, alpha)` of two scalar tensors, in any float dtype; $\alpha$ is positive where the loss falls.
""",
    starter='''
import torch


def power_law_by_line(sizes, losses):
    """The scale A and the exponent alpha of L = A * N ** -alpha."""
    raise NotImplementedError("write power_law_by_line")
''',
    reference=power_law_by_line,
    observe=watch(result=("the scale A", "the exponent alpha"), any_dtype=True),
    cases=(
        Case("5 runs that follow the law", lambda g: runs(g, 5, 9.0, 0.1, noise=0.0)),
        Case("6 runs that scatter", lambda g: runs(g, 6, 5.0, 0.2)),
        Case("2 runs, the fewest", lambda g: runs(g, 2, 3.0, 0.05)),
        Case("7 runs whose loss rises", lambda g: runs(g, 7, 2.0, -0.1, noise=0.1)),
        Case("float64", lambda g: runs(g, 5, 20.0, 0.34, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The line goes through the numbers, not through their logarithms. A power law is straight only when *both* axes "
            "are logarithmic.",
            slips(
                plain_line,
                {"x = sizes.log()": "x = sizes", "y = losses.log()": "y = losses", ".exp()": ""},
                {"x = sizes.log()": "x = sizes"},
                {"y = losses.log()": "y = losses", ".exp()": ""},
                {"y = losses.log()": "y = losses"},
            ),
        ),
        Misconception(
            "The exponent has the wrong sign: the law is written N^-alpha, so alpha is *minus* the slope of the line.",
            slips(plain_line, {"return scale, -slope": "return scale, slope"}),
        ),
        Misconception(
            "That is log A. The line's height is a logarithm; A is its exp.",
            slips(plain_line, {".exp()": ""}),
        ),
        Misconception(
            "A is the line's height at the middle of the runs. It must be that at log N = 0: go back by slope · mean.",
            slips(plain_line, {"(y.mean() - slope * x.mean())": "y.mean()"}),
        ),
        Misconception(
            "Two logarithms are mixed: a line through log10 gives log10 A, so undo it with 10 ** and not with exp.",
            slips(plain_line, {"sizes.log()": "sizes.log10()", "losses.log()": "losses.log10()"}),
        ),
        Misconception(
            "Only the first and the last run count. Least squares uses all of them, and is less at the mercy of any.",
            (through_the_ends,),
        ),
        Misconception(
            "The line is forced through the origin, so A is 1. It has two numbers: subtract the means first.",
            slips(
                plain_line,
                {
                    "((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()": "(x * y).sum() / (x**2).sum()",
                    "(y.mean() - slope * x.mean()).exp()": "torch.ones_like(slope)",
                },
                {
                    "((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()": "(x * y).sum() / (x**2).sum()",
                },
            ),
        ),
        Misconception(
            "The axes are swapped: that is the line which guesses the size from the loss. The losses have the errors, so "
            "divide by the variance of log N.",
            slips(
                plain_line,
                {
                    "/ ((x - x.mean()) ** 2).sum()": "/ ((x - x.mean()) * (y - y.mean())).sum() "
                    "* ((y - y.mean()) ** 2).sum() / ((x - x.mean()) * (y - y.mean())).sum()"
                },
            ),
        ),
    ),
    hints=(
        "Take logarithms of both, and the law is a line. What are its slope and its height?",
        "The slope of least squares is the covariance of x and y over the variance of x; the line goes through both means.",
        "`A = (y.mean() - slope * x.mean()).exp()`, `alpha = -slope`.",
    ),
)
