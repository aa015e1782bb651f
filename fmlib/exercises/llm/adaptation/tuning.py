"""Fine-tuning: answer_loss and replay_batch."""

import torch
import torch.nn.functional as F

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.llm.adaptation.fine_tuning import replay_batch
from fmlib.llm.adaptation.instructions import answer_loss


def plain_answer_loss(logits, tokens, answers):
    each = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    counted = answers[:, 1:].to(each.dtype)
    return (each * counted).sum() / counted.sum()


def answers_at(generator, spans, length, vocab=6, dtype=torch.float32):
    """Logits and tokens of rows in which answers stand at (first, end); behind them is padding."""
    logits = 2 * torch.randn(len(spans), length, vocab, generator=generator, dtype=dtype)
    tokens = torch.randint(1, vocab, (len(spans), length), generator=generator)
    answers = torch.zeros(len(spans), length, dtype=torch.bool)
    for row, (first, end) in enumerate(spans):
        answers[row, first:end] = True
        tokens[row, end:] = 0
    return {"logits": logits, "tokens": tokens, "answers": answers}


ANSWER_LOSS = Exercise(
    name="answer_loss",
    chapter="llm",
    title="Only the answer counts",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
`tokens` `[batch, length]` has in each row a prompt, an answer that ends with its end mark, and padding. `answers`, of the
same shape, is True at the answers' tokens, the end mark among them, and False at prompts and padding. `logits`
`[batch, length, vocab]` are the model's for these tokens: at position t they say what comes at t + 1. Return the mean
cross-entropy, in nats, over all tokens of answers in the batch; each of them counts the same. It has the dtype
of `logits`, float32 or float64. No prompt is empty.
""",
    starter='''
import torch
import torch.nn.functional as F


def answer_loss(logits, tokens, answers):
    """Mean nats per token of the answers, a scalar."""
    raise NotImplementedError("write answer_loss")
''',
    reference=answer_loss,
    observe=watch(gradient=("logits",)),
    cases=(
        Case("1 row, an answer of 3 tokens", lambda g: answers_at(g, [(2, 5)], 5)),
        Case("answers of 1 and 5 tokens", lambda g: answers_at(g, [(1, 2), (2, 7)], 8)),
        Case("padding in every row", lambda g: answers_at(g, [(3, 5), (1, 4), (2, 6)], 9)),
        Case("a prompt of 1 token", lambda g: answers_at(g, [(1, 4)], 6)),
        Case("float64", lambda g: answers_at(g, [(2, 4), (1, 5)], 6, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The prompts count, too. The model would learn to write instructions, which nobody will ask it for: only tokens "
            "marked in `answers` are targets.",
            slips(
                plain_answer_loss,
                {"answers[:, 1:].to(each.dtype)": "(tokens[:, 1:] != 0).to(each.dtype)"},
                {"answers[:, 1:]": "answers.flip(1).cummax(1).values.flip(1)[:, 1:]"},
            ),
        ),
        Misconception(
            "Everything counts, prompts and padding with it: the mask is not used.",
            slips(plain_answer_loss, {"answers[:, 1:].to(each.dtype)": "torch.ones_like(each)"}),
        ),
        Misconception(
            "The mask is off by one. Targets are `tokens[:, 1:]`, so what counts is `answers[:, 1:]`; as it is, how "
            "an answer begins is never learned, and where padding follows, one token of it is.",
            slips(plain_answer_loss, {"answers[:, 1:]": "answers[:, :-1]"}),
        ),
        Misconception(
            "The targets are not shifted: the logits at position t are about token t + 1, not about the one that the model "
            "has just read.",
            slips(
                plain_answer_loss,
                {"logits[:, :-1]": "logits", "tokens[:, 1:]": "tokens", "answers[:, 1:]": "answers"},
            ),
        ),
        Misconception(
            "The targets are shifted the wrong way, so that each position is asked for the token before it.",
            slips(
                plain_answer_loss,
                {
                    "logits[:, :-1]": "logits[:, 1:]",
                    "tokens[:, 1:]": "tokens[:, :-1]",
                    "answers[:, 1:]": "answers[:, :-1]",
                },
            ),
        ),
        Misconception(
            "The sum is divided by all positions, also those that do not count: a batch with more padding gets a smaller "
            "loss and a smaller step. Divide by the number of the answers' tokens.",
            slips(
                plain_answer_loss,
                {"(each * counted).sum() / counted.sum()": "(each * counted).mean()"},
                {"/ counted.sum()": "/ tokens.numel()"},
            ),
        ),
        Misconception(
            "The mean is taken in each row first. Then a token of a short answer weighs more than one of a long answer; "
            "here each token counts the same.",
            slips(
                plain_answer_loss,
                {
                    "(each * counted).sum() / counted.sum()": "((each * counted).sum(1) / counted.sum(1)).mean()"
                },
            ),
        ),
        Misconception(
            "The loss is summed, not averaged: a longer answer makes a larger step.",
            slips(plain_answer_loss, {" / counted.sum()": ""}),
        ),
    ),
    hints=(
        "Which token is `logits[:, t]` about? Shift targets and mask together.",
        "`F.cross_entropy(..., reduction='none')` gives a loss for each position. Multiply by the mask, sum, divide.",
        "Or let cross_entropy do it: `tokens.masked_fill(~answers, -100)[:, 1:]` as targets, since -100 is ignored.",
    ),
)


def plain_replay_batch(new, old, share):
    count = round(share * len(new))
    kept = len(new) - count
    return torch.cat([new[:kept], old[:count]])


def two_batches(generator, batch, length, share):
    """New pieces have tokens below 50, old ones from 50 on."""
    return {
        "new": torch.randint(50, (batch, length), generator=generator),
        "old": 50 + torch.randint(50, (batch, length), generator=generator),
        "share": share,
    }


REPLAY_BATCH = Exercise(
    name="replay_batch",
    chapter="llm",
    title="Replay",
    kind="write",
    difficulty=1,
    minutes=5,
    goal="""
`new` and `old` are batches of pieces of text, both `[batch, length]`; `share` is a number from 0 to 1. Return a batch of
the same shape and dtype, of which `round(share * batch)` rows are old: the first rows of `new`, as many as there is room
for, then the first rows of `old`. Leave both inputs as they are.
""",
    starter='''
import torch


def replay_batch(new, old, share):
    """A batch [batch, length] of new pieces, and behind them a share of old ones."""
    raise NotImplementedError("write replay_batch")
''',
    reference=replay_batch,
    cases=(
        Case("8 pieces, a quarter old", lambda g: two_batches(g, 8, 5, 0.25)),
        Case("a share that rounds up", lambda g: two_batches(g, 6, 4, 0.3)),
        Case("a share that rounds down", lambda g: two_batches(g, 5, 4, 0.25)),
        Case("half of 5 pieces", lambda g: two_batches(g, 5, 4, 0.5)),
        Case("half of 7 pieces", lambda g: two_batches(g, 7, 3, 0.5)),
        Case("no replay", lambda g: two_batches(g, 4, 3, 0.0)),
        Case("nothing new", lambda g: two_batches(g, 4, 3, 1.0)),
    ),
    misconceptions=(
        Misconception(
            "The old pieces come on top, so the batch grows and every step costs more. They take the place of new ones.",
            slips(plain_replay_batch, {"new[:kept]": "new"}),
        ),
        Misconception(
            "The share is that of the new text. It says how much is old.",
            slips(plain_replay_batch, {"round(share * len(new))": "len(new) - round(share * len(new))"}),
        ),
        Misconception(
            "Old and new are mixed within a piece: half a line of one author goes on with the other's. Whole rows are "
            "replaced, along the first dimension.",
            slips(
                plain_replay_batch,
                {
                    "round(share * len(new))": "round(share * new.shape[1])",
                    "len(new) - count": "new.shape[1] - count",
                    "[new[:kept], old[:count]]": "[new[:, :kept], old[:, :count]], dim=1",
                },
            ),
        ),
        Misconception(
            "The number of old pieces is cut off, not rounded: 0.3 of 6 pieces are 1.8, which is nearer to 2.",
            slips(plain_replay_batch, {"round(": "int("}),
        ),
        Misconception(
            "The batch that came in is changed. Whoever called may still need it: make a new one, e.g. with `torch.cat`.",
            (
                lambda new, old, share: (
                    new.__setitem__(
                        slice(len(new) - round(share * len(new)), None), old[: round(share * len(new))]
                    )
                    or new
                ),
            ),
        ),
        Misconception(
            "The old pieces stand in front. The new ones come first.",
            slips(plain_replay_batch, {"[new[:kept], old[:count]]": "[old[:count], new[:kept]]"}),
        ),
    ),
    hints=(
        "How many rows of each? Together they must be as many as came in.",
        "`torch.cat` joins two tensors along their first dimension.",
    ),
)
