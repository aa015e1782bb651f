"""A score for a text that was read both ways: pseudo_surprise."""

import torch
from torch import Tensor, nn

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.masked.bert import pseudo_surprise


def plain_pseudo_surprise(model, tokens, mask_token):
    nats = []
    for place in range(len(tokens)):
        read = tokens.clone()
        read[place] = mask_token
        with torch.no_grad():
            logits = model(read[None])[0, place]
        nats.append(-logits.log_softmax(-1)[tokens[place]])
    return torch.stack(nats)


class Reader(nn.Module):
    """Says something about each position that depends on every token, its own above all."""

    def __init__(self, vocab: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(vocab, 8, generator=generator).to(dtype))
        self.places = nn.Parameter(torch.randn(32, 8, generator=generator).to(dtype))
        self.out = nn.Parameter(torch.randn(8, vocab, generator=generator).to(dtype))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding[tokens] + self.places[: tokens.shape[1]]
        around = x.sum(dim=1, keepdim=True) / 2 + x.roll(1, 1) - x.roll(-1, 1)
        return (around + 2 * x).tanh() @ self.out


def one_text(generator, length, vocab=9, mask_token=0, dtype=torch.float32):
    tokens = torch.randint(1, vocab - 1, (length,), generator=generator)
    return {"model": Reader(vocab, generator, dtype), "tokens": tokens, "mask_token": mask_token}


PSEUDO_SURPRISE = Exercise(
    name="pseudo_surprise",
    chapter="self_supervised",
    title="How odd is this text?",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
A model that reads from left to right gives a text a probability, token by token. One that reads both ways
cannot, but it can say how well each token fits all the others: hide this one token, and ask for it.
`tokens` is int64 `[length]`, one text of 1 token or more; `model` is a module from tokens `[batch, length]`
to logits `[batch, length, vocab]`. For each place put `mask_token` there and nowhere else, and take -log p,
in nats, of the token that stands there in the text. Return `[length]`, of any float dtype. The text stays
as it is.

(The exponential of the mean is called *pseudo-perplexity*.)
""",
    starter='''
import torch


def pseudo_surprise(model, tokens, mask_token):
    """Nats of each token with all others in view: [length]."""
    raise NotImplementedError("write pseudo_surprise")
''',
    reference=pseudo_surprise,
    observe=watch(any_dtype=True),
    cases=(
        Case("a text of 5 tokens", lambda g: one_text(g, 5)),
        Case("a text of 12 tokens, mask token 8", lambda g: one_text(g, 12, mask_token=8)),
        Case("a single token", lambda g: one_text(g, 1)),
        Case("a text of 2 tokens, 30 in the vocabulary", lambda g: one_text(g, 2, vocab=30)),
        Case("a text of 9 tokens", lambda g: one_text(g, 9, vocab=14)),
    ),
    misconceptions=(
        Misconception(
            "Nothing is hidden: the model reads each token and only has to copy it.",
            slips(plain_pseudo_surprise, {"        read[place] = mask_token\n": ""}),
        ),
        Misconception(
            "Everything is hidden at once, so that no token has a neighbor to be guessed from. Hide one, "
            "ask, and put it back.",
            slips(plain_pseudo_surprise, {"read[place] = mask_token": "read[:] = mask_token"}),
        ),
        Misconception(
            "All that stands behind is hidden, too. That is how a model reads that looks left only; this "
            "one may see both sides.",
            slips(plain_pseudo_surprise, {"read[place] = mask_token": "read[place:] = mask_token"}),
        ),
        Misconception(
            "A token that was hidden stays hidden when the next one is asked for: only one place may be "
            "masked at a time.",
            slips(plain_pseudo_surprise, {"read[place] = mask_token": "read[: place + 1] = mask_token"}),
        ),
        Misconception(
            "You ask how likely the mask token is. The question is how likely the token is that stands in"
            " the text.",
            slips(plain_pseudo_surprise, {"[tokens[place]]": "[read[place]]"}),
        ),
        Misconception(
            "The sign is missing: surprise is *minus* the logarithm, so that an odd token has a high number.",
            slips(plain_pseudo_surprise, {"-logits.log_softmax": "logits.log_softmax"}),
        ),
        Misconception(
            "Those are logits, or probabilities. In nats: minus the logarithm of the softmax.",
            slips(
                plain_pseudo_surprise,
                {"-logits.log_softmax(-1)[": "-logits["},
                {"-logits.log_softmax(-1)[": "logits.softmax(-1)["},
            ),
        ),
        Misconception(
            "One number is returned for the whole text: each token has its own.",
            slips(
                plain_pseudo_surprise,
                {"torch.stack(nats)": "torch.stack(nats).mean()"},
                {"torch.stack(nats)": "torch.stack(nats).sum()"},
            ),
        ),
        Misconception(
            "The logits of the wrong position are looked at: those of the hidden place count.",
            slips(plain_pseudo_surprise, {"[0, place]": "[0, place - 1]"}, {"[0, place]": "[0, 0]"}),
        ),
    ),
    hints=(
        "A loop over the places: clone the text, put in the mask token, look at the logits of that place.",
        "Faster: `length` copies of the text, with the mask token on the diagonal, in one pass.",
        "`-logits.log_softmax(-1)[token]` is the surprise of a token.",
    ),
)
