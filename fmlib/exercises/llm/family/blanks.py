"""What BERT is trained on: hide_tokens."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.llm.family.masking import hide_tokens


def plain_hide_tokens(tokens, chosen, draws, others, mask_token):
    read = tokens.clone()
    read[chosen & (draws < 0.8)] = mask_token
    swapped = chosen & (draws >= 0.8) & (draws < 0.9)
    read[swapped] = others[swapped]
    targets = torch.where(chosen, tokens, -100)
    return read, targets


def draw(generator, batch, length, share=0.5, mask_token=1):
    """A text, what is chosen in it, and the draws that decide."""
    tokens, others = (torch.randint(2, 50, (batch, length), generator=generator) for _ in range(2))
    draws, near = torch.rand(2, batch, length, generator=generator)
    return {
        "tokens": tokens,
        "chosen": torch.rand(batch, length, generator=generator) < share,
        "draws": torch.where(near < 0.5, draws, 0.7 + 0.3 * draws),  # more of them near 0.8 and 0.9
        "others": others,
        "mask_token": mask_token,
    }


def at_the_borders(generator):
    inputs = draw(generator, 2, 4, share=1.0)
    borders = torch.tensor([0.8, 0.9, 0.0, 0.85], dtype=torch.float64)
    return {**inputs, "draws": borders.repeat(2, 1), "chosen": torch.tensor([[True] * 4, [False] * 4])}


HIDE_TOKENS = Exercise(
    name="hide_tokens",
    chapter="llm",
    title="BERT's blanks",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
BERT learns to say which tokens were hidden. `tokens` is `[batch, length]`, and `chosen`, of the same shape and
bool, says which of them it will be asked for. What it reads in their place is decided by `draws`, numbers in
[0, 1): below 0.8 the `mask_token`, from there to below 0.9 the token of `others` at this place, else the token
itself. Return two tensors `[batch, length]`: what the model reads, and the targets, the token where one is chosen
and -100 everywhere else. `tokens`, `others` and both results are `torch.long`.
""",
    starter='''
import torch


def hide_tokens(tokens, chosen, draws, others, mask_token):
    """What the model reads, and what it is asked for: two of [batch, length]."""
    raise NotImplementedError("write hide_tokens")
''',
    reference=hide_tokens,
    observe=watch(result=("what is read", "the targets")),
    cases=(
        Case("2 rows of 12 tokens", lambda g: draw(g, 2, 12)),
        Case("everything is chosen", lambda g: draw(g, 1, 20, share=1.0)),
        Case("nothing is chosen", lambda g: draw(g, 1, 6, share=0.0)),
        Case("mask token 60", lambda g: draw(g, 3, 15, mask_token=60)),
        Case("1 token in 7, 4 rows", lambda g: draw(g, 4, 30, share=0.15)),
        Case("draws of exactly 0.8 and 0.9", at_the_borders),
    ),
    misconceptions=(
        Misconception(
            "Every chosen token becomes the mask token. Later the model never meets it: one chosen token in ten "
            "shall be another one, and one in ten shall stay, so that it minds every token.",
            slips(
                plain_hide_tokens,
                {"chosen & (draws < 0.8)": "chosen", "swapped = chosen &": "swapped = ~chosen & chosen &"},
            ),
        ),
        Misconception(
            "Some of the chosen tokens are no targets. All of them must be: also those that were replaced, and those that "
            "stayed, or the model would learn that a token that it can see is never asked for.",
            slips(
                plain_hide_tokens,
                {"where(chosen,": "where(chosen & (draws < 0.8),"},
                {"where(chosen,": "where(chosen & (draws < 0.9),"},
                {"where(chosen,": "where(read != tokens,"},
                {"where(chosen,": "where(read == mask_token,"},
            ),
        ),
        Misconception(
            "Every token is a target. Most can be read off, and copying them is no work: -100 where nothing is chosen.",
            slips(plain_hide_tokens, {"torch.where(chosen, tokens, -100)": "tokens.clone()"}),
        ),
        Misconception(
            "The targets are what the model reads. They are what stood there *before*.",
            slips(
                plain_hide_tokens,
                {"where(chosen, tokens,": "where(chosen, read,"},
                {"torch.where(chosen, tokens, -100)": "read.clone()"},
            ),
        ),
        Misconception(
            "Where nothing is asked the target is 0, or the mask token: both are tokens, which the model would learn to "
            "write. -100 is what the loss leaves out.",
            slips(plain_hide_tokens, {"-100": "0"}, {"-100": "mask_token"}, {"-100": "-1"}),
        ),
        Misconception(
            "Tokens that were not chosen are changed too. The draws count where `chosen` is True.",
            slips(
                plain_hide_tokens,
                {"[chosen & (draws < 0.8)]": "[draws < 0.8]"},
                {"swapped = chosen &": "swapped ="},
                {"[chosen & (draws < 0.8)]": "[draws < 0.8]", "swapped = chosen &": "swapped ="},
            ),
        ),
        Misconception(
            "Your input changes: `tokens` is written into, and the targets are lost with it. Clone it first.",
            slips(
                plain_hide_tokens,
                {".clone()": ""},
                {".clone()": "", "return read, targets": "return read.clone(), targets"},
                {
                    "read = tokens.clone()": "read, kept = tokens, tokens.clone()",
                    "where(chosen, tokens,": "where(chosen, kept,",
                },
            ),
        ),
        Misconception(
            "Too many are replaced by others: from 0.9 on the token stays as it is.",
            slips(plain_hide_tokens, {" & (draws < 0.9)": ""}),
        ),
        Misconception(
            "Draws from 0.8 to below 0.9 get the token of `others`, and those from 0.9 on keep their own. Here it is the "
            "other way round.",
            slips(plain_hide_tokens, {"(draws >= 0.8) & (draws < 0.9)": "(draws >= 0.9)"}),
        ),
        Misconception(
            "No token is replaced by one of `others`: that is for draws from 0.8 to below 0.9.",
            slips(plain_hide_tokens, {"draws < 0.9": "draws < 0.8"}),
        ),
        Misconception(
            "The two are returned in the wrong order: first what the model reads, then the targets.",
            slips(plain_hide_tokens, {"return read, targets": "return targets, read"}),
        ),
        Misconception(
            "The shares are mixed up: 0.8 of the chosen tokens become the mask token, those with draws *below* 0.8.",
            slips(
                plain_hide_tokens,
                {"draws < 0.8)": "draws >= 0.8)", "(draws >= 0.8) &": "(draws < 0.8) &"},
                {"draws < 0.8)": "draws >= 0.2)", "(draws >= 0.8) & (draws < 0.9)": "(draws < 0.1)"},
                {
                    "draws < 0.8)": "draws >= 0.2)",
                    "(draws >= 0.8) & (draws < 0.9)": "(draws < 0.2) & (draws >= 0.1)",
                },
            ),
        ),
        Misconception(
            "`chosen` is read the wrong way round: True is what the model is asked for.",
            slips(
                plain_hide_tokens, {"read = tokens.clone()": "chosen = ~chosen\n    read = tokens.clone()"}
            ),
        ),
    ),
    hints=(
        "Begin with a clone of the tokens, then write two kinds of tokens into it.",
        "`torch.where(chosen & (draws < 0.8), mask_token, tokens)` does the first step for all tokens at once.",
        "The targets don't depend on the draws: `torch.where(chosen, tokens, -100)`.",
    ),
)
