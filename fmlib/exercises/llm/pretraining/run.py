"""Parts of a training run: inputs_and_targets (a bug hunt) and cosine_schedule."""

import math

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.numbers import one_number
from fmlib.exercises.observe import watch
from fmlib.llm.pretraining.training import inputs_and_targets
from fmlib.training.schedules import cosine_schedule


def plain_pieces(tokens, starts, length):
    pieces = torch.stack([tokens[start : start + length + 1] for start in starts])
    return pieces[:, :-1], pieces[:, 1:]


UNSHIFTED = '''
import torch


def inputs_and_targets(tokens, starts, length):
    """What the model reads and what it should answer, both [batch, length]."""
    pieces = torch.stack([tokens[start : start + length] for start in starts])
    return pieces, pieces
'''


def text_and_starts(generator, size, batch, length, last=False, dtype=torch.long):
    starts = torch.randint(0, size - length, (batch,), generator=generator)
    if last:
        starts[-1] = size - length - 1
    tokens = torch.randint(0, 50, (size,), generator=generator).to(dtype)
    return {"tokens": tokens, "starts": starts, "length": length}


INPUTS_AND_TARGETS = Exercise(
    name="inputs_and_targets",
    chapter="llm",
    title="Bug hunt: too good to be true",
    kind="fix",
    difficulty=1,
    minutes=10,
    goal="""
This function cuts pieces out of a text for training; `tokens` is `[text]`, `starts` says where each piece begins, and the
loss compares the model's logits at each position with the target at the same position. With it, the loss falls to nearly
zero in a few hundred steps, on held-out text as well. But asked to write, the model repeats one letter for ever. Find the
bug.

The model must read exactly `length` tokens from each start on and answer `length` questions. Return `(inputs, targets)`,
both `[batch, length]` and of the dtype of `tokens`, int64 or int32. Behind every piece the text has at least one more token.
""",
    starter=UNSHIFTED,
    reference=inputs_and_targets,
    observe=watch(result=("the inputs", "the targets")),
    cases=(
        Case("2 pieces of 4 tokens", lambda g: text_and_starts(g, 30, 2, 4)),
        Case("a piece at the very end", lambda g: text_and_starts(g, 20, 3, 6, last=True)),
        Case("pieces of one token", lambda g: text_and_starts(g, 10, 2, 1)),
        Case("one piece, the whole text", lambda g: text_and_starts(g, 9, 1, 8, last=True)),
        Case("int32", lambda g: text_and_starts(g, 12, 2, 3, dtype=torch.int32)),
    ),
    misconceptions=(
        Misconception(
            "The targets are not shifted: each position is asked for the token that it has just read, and copying is a "
            "perfect answer. The target at position t is the token at t + 1.",
            (written(UNSHIFTED, inputs_and_targets),),
        ),
        Misconception(
            "The shift goes the wrong way: the model reads a token and is asked for the one before. That one it has seen.",
            slips(
                plain_pieces, {"return pieces[:, :-1], pieces[:, 1:]": "return pieces[:, 1:], pieces[:, :-1]"}
            ),
        ),
        Misconception(
            "The last target is the first token of the same piece: `roll` turns round. Cut `length + 1` tokens, so that the "
            "last position has a real successor.",
            slips(
                plain_pieces,
                {
                    "length + 1": "length",
                    "return pieces[:, :-1], pieces[:, 1:]": "return pieces, pieces.roll(-1, 1)",
                },
            ),
        ),
        Misconception(
            "The shift costs a position: `length` tokens make only `length - 1` questions, and the model's last position "
            "is never trained. Cut `length + 1`.",
            slips(plain_pieces, {"length + 1": "length"}),
        ),
        Misconception(
            "The targets are two tokens ahead.",
            slips(
                plain_pieces,
                {
                    "tokens[start : start + length + 1]": "torch.cat((tokens, tokens))[start : start + length + 2]",
                    "pieces[:, :-1], pieces[:, 1:]": "pieces[:, :-2], pieces[:, 2:]",
                },
            ),
        ),
    ),
    hints=(
        "A loss far below what the best models reach is no success. What could the model look at to know the answer?",
        "Print one row of the inputs and one of the targets. What should stand below the first input?",
        "Cut pieces of `length + 1`; read all but the last token, ask for all but the first.",
    ),
)


def plain_schedule(step, steps, warmup):
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup + 1) / (steps - warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * done))


def at(step, steps, warmup):
    return lambda g: {"step": step, "steps": steps, "warmup": warmup}


COSINE_SCHEDULE = Exercise(
    name="cosine_schedule",
    chapter="llm",
    title="Warm up, then cool down",
    kind="write",
    difficulty=2,
    minutes=10,
    goal=r"""
Which share of the highest learning rate does a step get? `step` counts from 0, the run has `steps`.

- The first `warmup` steps rise in equal parts: step 0 has 1 / `warmup` (at a rate of 0 it would be wasted), and step
  `warmup` - 1 has 1. `warmup` may be 0.
- Then half a cosine falls from 1 to 0, $\frac12 (1 + \cos \pi t)$. Here $t$ is 0 at step `warmup` - 1, the last with the
  full rate, and would be 1 at step `steps`, the first after the run; in between it grows evenly.

Return a `float`.
""",
    starter='''
import math


def cosine_schedule(step, steps, warmup):
    """The share of the full learning rate at a step: a float from 0 to 1."""
    raise NotImplementedError("write cosine_schedule")
''',
    reference=cosine_schedule,
    observe=one_number,
    cases=(
        Case("the first step of the warm-up", at(0, 10, 4)),
        Case("the last step of the warm-up", at(3, 10, 4)),
        Case("the first step after it", at(4, 10, 4)),
        Case("the middle of the fall", at(6, 10, 4)),
        Case("the last step", at(9, 10, 4)),
        Case("no warm-up, the first step", at(0, 5, 0)),
        Case("no warm-up, later", at(3, 5, 0)),
        Case("nothing but warm-up", at(4, 6, 6)),
    ),
    misconceptions=(
        Misconception(
            "The first step has a rate of 0 and does nothing. Step 0 is the first of `warmup` equal parts: "
            "(step + 1) / warmup.",
            slips(plain_schedule, {"return (step + 1) / warmup": "return step / warmup"}),
        ),
        Misconception(
            "The cosine counts from the start of the run, not from the end of the warm-up: there is a jump between them.",
            slips(
                plain_schedule,
                {"(step - warmup + 1) / (steps - warmup + 1)": "step / steps"},
                {"(step - warmup + 1) / (steps - warmup + 1)": "(step + 1) / (steps + 1)"},
                {"(step - warmup + 1) / (steps - warmup + 1)": "(step + 1) / steps"},
            ),
        ),
        Misconception(
            "The fall is not stretched over what is left of the run: divide by the steps from the end of the warm-up on.",
            slips(
                plain_schedule,
                {"(steps - warmup + 1)": "steps"},
                {"(steps - warmup + 1)": "(steps + 1)"},
            ),
        ),
        Misconception(
            "That is a whole cosine: it falls and rises again. Half of one goes from 0 to pi.",
            slips(plain_schedule, {"math.pi * done": "2 * math.pi * done"}),
        ),
        Misconception(
            "The cosine goes from 1 to -1; half of (1 + cosine) goes from 1 to 0.",
            slips(plain_schedule, {"0.5 * (1 + math.cos(math.pi * done))": "math.cos(math.pi * done)"}),
        ),
        Misconception(
            "The rate rises where it should fall: 1 + cosine, not 1 - cosine.",
            slips(plain_schedule, {"1 + math.cos": "1 - math.cos"}),
        ),
        Misconception(
            "It falls in a straight line. The cosine stays high for longer, and lands softly.",
            slips(plain_schedule, {"0.5 * (1 + math.cos(math.pi * done))": "1 - done"}),
        ),
        Misconception(
            "The fall is off by one step: t is 0 at step `warmup` - 1 and would be 1 at step `steps`. So no step has the "
            "full rate twice, and none has a rate of 0.",
            slips(
                plain_schedule,
                {"(step - warmup + 1) / (steps - warmup + 1)": "(step - warmup) / (steps - warmup)"},
                {
                    "(step - warmup + 1) / (steps - warmup + 1)": "(step - warmup) / max(1, steps - warmup - 1)"
                },
                {"(step - warmup + 1) / (steps - warmup + 1)": "(step - warmup + 1) / (steps - warmup)"},
                {"(step - warmup + 1) / (steps - warmup + 1)": "(step - warmup) / (steps - warmup + 1)"},
            ),
        ),
        Misconception(
            "Without a warm-up it still divides by it.",
            slips(plain_schedule, {"if step < warmup:": "if step < max(1, warmup):"}),
        ),
    ),
    hints=(
        "Draw the run of 10 steps with a warm-up of 4: which four rates come first? Which rate would step 10 have?",
        "In the fall, t = (step - (warmup - 1)) / (steps - (warmup - 1)).",
        "`(step + 1) / warmup` while `step < warmup`, then `0.5 * (1 + math.cos(math.pi * t))`.",
    ),
)
