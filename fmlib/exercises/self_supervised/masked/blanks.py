"""A bug hunt in masked language modeling: blanks_loss."""

import torch
import torch.nn.functional as F

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch


def blanks_loss(logits, tokens, read, chosen):
    """The mean cross-entropy of the chosen tokens, whatever is read in their place."""
    return F.cross_entropy(logits[chosen], tokens[chosen])


def text_with_blanks(generator, batch, length, vocab, share, dtype=torch.float32, size=2.0):
    """Of the chosen tokens some are blanks, some are others, some are as they were."""
    tokens = torch.randint(1, vocab, (batch, length), generator=generator)
    chosen = torch.rand(batch, length, generator=generator) < share
    chosen[0, :3], chosen[-1, -1] = True, False
    fate = torch.rand(batch, length, generator=generator)
    fate[0, :3] = torch.tensor([0.1, 0.6, 0.9])
    other = tokens % (vocab - 1) + 1
    read = torch.where(fate < 0.4, 0, torch.where(fate < 0.7, other, tokens))
    logits = size * torch.randn(batch, length, vocab, generator=generator, dtype=dtype)
    return {"logits": logits, "tokens": tokens, "read": torch.where(chosen, read, tokens), "chosen": chosen}


def token_zero(generator):
    inputs = text_with_blanks(generator, 2, 9, 6, 0.2)
    inputs["tokens"][:, 0], inputs["chosen"][:, 0] = 0, True
    return inputs


def uneven_rows(generator):
    inputs = text_with_blanks(generator, 2, 8, 6, 0.0)
    inputs["chosen"][1, :7] = True
    return inputs


EVERY_TOKEN = '''
import torch
import torch.nn.functional as F


def blanks_loss(logits, tokens, read, chosen):
    """The loss of masked language modeling: a scalar."""
    return F.cross_entropy(logits.flatten(0, 1), tokens.flatten())
'''

BLANKS_LOSS = Exercise(
    name="blanks_loss",
    chapter="self_supervised",
    title="A model that only copies",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
A BERT was trained with this loss. After a hundred steps it is below 1 nat, far below what any n-gram reaches;
somebody celebrates. But in the blanks the model writes the most frequent tokens, and hardly improves. Find
out why, and mend the function.

`tokens`, int64 `[batch, length]`, is the text; `chosen`, bool of the same shape, says which of its tokens
are asked for, at least one. `read`, int64, is what the model saw: some of the chosen tokens are hidden in
it, some are another token, and some are as they were. `logits` is `[batch, length, vocab]`, float32 or
float64. Return the mean cross-entropy of *all* chosen tokens of the batch together, in nats, as a scalar
tensor of the dtype of `logits`. A gradient flows to them.
""",
    starter=EVERY_TOKEN,
    reference=blanks_loss,
    observe=watch(gradient=("logits",)),
    cases=(
        Case("2 rows of 10 tokens", lambda g: text_with_blanks(g, 2, 10, 7, 0.4)),
        Case("3 chosen in 1 row, 7 in the other", uneven_rows),
        Case("15 % of 3 rows, float64", lambda g: text_with_blanks(g, 3, 30, 11, 0.15, torch.float64)),
        Case("1 row", lambda g: text_with_blanks(g, 1, 5, 4, 0.0)),
        Case("a token of number 0 is asked for", token_zero),
        Case("logits of hundreds", lambda g: text_with_blanks(g, 2, 8, 6, 0.4, size=300.0)),
    ),
    misconceptions=(
        Misconception(
            "Tokens that nobody hid are scored, too: most of the text. They can be read off, so the model"
            " learns to copy, and the "
            "loss falls without a single blank filled. Score the `chosen` ones.",
            (
                *slips(
                    blanks_loss, {"logits[chosen], tokens[chosen]": "logits.flatten(0, 1), tokens.flatten()"}
                ),
                written(EVERY_TOKEN, blanks_loss),
            ),
        ),
        Misconception(
            "Chosen tokens that were left as they are do not count with you. They must: else the model "
            "may trust every token "
            "that it can see, and the 10 % that stay teach nothing.",
            slips(
                blanks_loss,
                {"logits[chosen], tokens[chosen]": "logits[read != tokens], tokens[read != tokens]"},
            ),
        ),
        Misconception(
            "Only the hidden tokens count with you, not those that were replaced by others, nor those "
            "that stayed. All that are "
            "chosen do.",
            slips(blanks_loss, {"logits[chosen], tokens[chosen]": "logits[read == 0], tokens[read == 0]"}),
        ),
        Misconception(
            "The targets are what the model *read*. They are what stood in the text.",
            slips(blanks_loss, {"tokens[chosen]": "read[chosen]"}),
        ),
        Misconception(
            "The sum over the chosen tokens is divided by the number of all tokens, so the loss looks "
            "lower than a guess can be. "
            "Divide by the number of chosen ones.",
            slips(
                blanks_loss,
                {"tokens[chosen])": 'tokens[chosen], reduction="sum") / tokens.numel()'},
            ),
        ),
        Misconception(
            "The loss is summed, not averaged: it then depends on how many tokens are chosen.",
            slips(blanks_loss, {"tokens[chosen])": 'tokens[chosen], reduction="sum")'}),
        ),
        Misconception(
            "The tokens that were *not* chosen are scored: exactly the wrong ones.",
            slips(blanks_loss, {"logits[chosen], tokens[chosen]": "logits[~chosen], tokens[~chosen]"}),
        ),
    ),
    hints=(
        "For which positions does the model have to know anything about language?",
        "Only `chosen` positions may enter the loss: all of them, however they look in `read`.",
        "A bool tensor picks rows: `logits[chosen]` is `[asked, vocab]`, `tokens[chosen]` is `[asked]`.",
    ),
)
