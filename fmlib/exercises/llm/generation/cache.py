"""A cache that is used wrongly: the bug hunt."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import Notes
from fmlib.llm.generation.decode import next_logits
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.model import GPT


def plain_next_logits(model, tokens, cache):
    past = cache[0].length
    new = tokens[:, past:]
    positions = torch.arange(past, tokens.shape[1])[None]
    hidden = model.hidden(new, cache=cache, positions=positions)
    return model.logits(hidden[:, -1])


def cache_inputs(generator, batch, length):
    model = GPT(GPTConfig(vocab_size=11, max_length=24, layers=2, heads=2, dim=8)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(0.5 * torch.randn(weight.shape, generator=generator))
    tokens = torch.randint(0, 11, (batch, length), generator=generator)
    return {"model": model, "tokens": tokens, "cache": model.make_cache(batch, 24)}


@torch.no_grad()
def watch_cache(function, inputs) -> Notes:
    """A prompt and two more tokens: the logits each time, and how much work it was."""
    model, tokens, cache = inputs.values()
    counted: list[int] = []
    hook = model.token_embedding.register_forward_hook(lambda _, args, __: counted.append(args[0].shape[1]))
    notes: Notes = {}
    length = tokens.shape[1]
    try:
        for seen, what in ((length - 2, "the prompt"), (length - 1, "a new token"), (length, "another one")):
            notes[f"the logits after {what}"] = function(model, tokens[:, :seen], cache)
            notes[f"how many tokens went through the model for {what}"] = sum(counted)
            notes[f"how many the cache holds after {what}"] = cache[0].length
            counted.clear()
    finally:
        hook.remove()
    return notes


STARTS_ANEW = '''
import torch


def next_logits(model, tokens, cache):
    """Logits [batch, vocab] of the token after `tokens`; the cache has seen the first of them."""
    past = cache[0].length
    new = tokens[:, past:]  # [batch, new]
    positions = torch.arange(new.shape[1])[None]  # [1, new]
    hidden = model.hidden(new, cache=cache, positions=positions)  # [batch, new, dim]
    return model.logits(hidden[:, -1])
'''

NEXT_LOGITS = Exercise(
    name="next_logits",
    chapter="llm",
    title="A cache that loses the thread",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
`tokens` `[batch, length]` is everything so far, and `cache` (one `KVCache` a layer, as from
`model.make_cache`) has seen the first `cache[0].length` of them. The function returns the logits
`[batch, vocab]` of what comes next, in the model's dtype, and only tokens that are new go through the model. It is fast, and
the prompt's own continuation starts well. But from the second new token on the text is another one
than the same model writes without a cache, and worse. Find out why, and mend the function.
`model.hidden(tokens, cache=..., positions=...)` appends keys and values to the cache; `positions`
`[1, new]` says where the new tokens stand.
""",
    starter=STARTS_ANEW,
    reference=next_logits,
    observe=watch_cache,
    cases=(
        Case("a prompt of 3 tokens", lambda g: cache_inputs(g, 1, 5)),
        Case("a prompt of 1 token", lambda g: cache_inputs(g, 1, 3)),
        Case("2 rows", lambda g: cache_inputs(g, 2, 6)),
    ),
    misconceptions=(
        Misconception(
            "Positions start anew with every call: each new token is told that it stands at 0, right where the prompt's "
            "first one stands. Count on from what the cache has seen: `torch.arange(past, tokens.shape[1])`.",
            (
                written(STARTS_ANEW, next_logits),
                *slips(
                    plain_next_logits,
                    {
                        "torch.arange(past, tokens.shape[1])[None]": "torch.zeros(1, new.shape[1], dtype=torch.long)"
                    },
                ),
            ),
        ),
        Misconception(
            "The positions are off by one. The first token stands at 0, so the first new one stands at `past`.",
            slips(
                plain_next_logits,
                {"torch.arange(past, tokens.shape[1])": "torch.arange(past + 1, tokens.shape[1] + 1)"},
                {"torch.arange(past, tokens.shape[1])": "torch.arange(past, tokens.shape[1]) - (past > 0)"},
            ),
        ),
        Misconception(
            "All tokens go through the model again, and the cache then holds the old ones twice: feed only "
            "`tokens[:, past:]`.",
            slips(
                plain_next_logits,
                {
                    "tokens[:, past:]": "tokens",
                    "torch.arange(past, tokens.shape[1])": "torch.arange(tokens.shape[1])",
                },
            ),
        ),
        Misconception(
            "Only the last token goes through, for the prompt as well: the cache never sees the beginning. Feed everything "
            "that is new.",
            slips(
                plain_next_logits,
                {
                    "tokens[:, past:]": "tokens[:, -1:]",
                    "torch.arange(past, tokens.shape[1])": "torch.arange(tokens.shape[1] - 1, tokens.shape[1])",
                },
                {
                    "tokens[:, past:]": "tokens[:, -1:]",
                    "torch.arange(past, tokens.shape[1])": "torch.arange(past, past + 1)",
                },
            ),
        ),
        Misconception(
            "The logits are right, and the cache is not used: every step computes everything anew. Hand it to the model.",
            slips(plain_next_logits, {"cache=cache, ": ""}),
        ),
        Misconception(
            "The logits are those after the first of the new tokens. What comes next follows the last one.",
            slips(plain_next_logits, {"hidden[:, -1]": "hidden[:, 0]"}),
        ),
    ),
    hints=(
        "Compare the logits after the prompt with those without a cache, then after one more token. When do they part?",
        "Print `positions` in each call.",
        "The new tokens stand behind those in the cache: their positions are `past`, `past + 1`, ...",
    ),
)
