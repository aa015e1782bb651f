"""Texts with a new mapping each: in_context_batch."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.llm.adaptation.in_context import in_context_batch


def plain_batch(mappings, keys):
    batch, pairs = keys.shape
    tokens = torch.empty(batch, 2 * pairs, dtype=torch.long)
    tokens[:, 0::2] = keys
    tokens[:, 1::2] = mappings.gather(1, keys) + mappings.shape[1]
    return tokens


def mapped(generator, batch, keys, values, pairs):
    return {
        "mappings": torch.randint(values, (batch, keys), generator=generator),
        "keys": torch.randint(keys, (batch, pairs), generator=generator),
    }


IN_CONTEXT_BATCH = Exercise(
    name="in_context_batch",
    chapter="llm",
    title="Texts with a new mapping each",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
`mappings` is `[batch, n]`: row b says which value, counted from 0, each of the n keys has in text b.
`keys` is `[batch, pairs]`: which keys text b shows, in which order. Return the texts,
`[batch, 2 * pairs]` tokens: a key, its value, the next key, its value, ... A key is its own token, 0 to
n - 1. Value v is the token n + v, so that no token means both. Both inputs and the result are `torch.long`.
""",
    starter='''
import torch


def in_context_batch(mappings, keys):
    """Texts [batch, 2 * pairs]: key, value, key, value, ..."""
    raise NotImplementedError("write in_context_batch")
''',
    reference=in_context_batch,
    cases=(
        Case("3 texts, 4 keys, 5 examples", lambda g: mapped(g, 3, 4, 6, 5)),
        Case("1 text, 1 example", lambda g: mapped(g, 1, 3, 5, 1)),
        Case(
            "the last keys are never shown",
            lambda g: mapped(g, 3, 6, 8, 4) | {"keys": torch.randint(4, (3, 4), generator=g)},
        ),
        Case("as many texts as keys", lambda g: mapped(g, 4, 4, 9, 6)),
        Case("more values than keys", lambda g: mapped(g, 5, 3, 20, 7)),
    ),
    misconceptions=(
        Misconception(
            "Keys and values share tokens: value v must become the token n + v. Otherwise the model cannot "
            "tell a question from an answer.",
            slips(plain_batch, {" + mappings.shape[1]": ""}),
        ),
        Misconception(
            "All texts use the mapping of the first row, or the mappings are mixed up between the rows. Row b of "
            "`keys` must be looked up in row b of `mappings`: `mappings.gather(1, keys)`.",
            slips(
                plain_batch,
                {"mappings.gather(1, keys)": "mappings[0][keys]"},
                {"mappings.gather(1, keys)": "mappings.flip(0).gather(1, keys)"},
                {"mappings.gather(1, keys)": "mappings.roll(1, 0).gather(1, keys)"},
            ),
        ),
        Misconception(
            "All keys come first, then all values. An example is a pair: each value stands right behind its key.",
            slips(
                plain_batch,
                {"0::2": ":pairs", "1::2": "pairs:"},
            ),
        ),
        Misconception(
            "The value stands before its key: the model would be asked for an answer before it has read the "
            "question.",
            slips(plain_batch, {"0::2] = keys": "1::2] = keys", "1::2] = mappings": "0::2] = mappings"}),
        ),
        Misconception(
            "The value is looked up by its place in the text, not by its key: text b shows `keys[b]`, and each of "
            "these chooses a column of `mappings`.",
            slips(
                plain_batch,
                {"mappings.gather(1, keys)": "mappings[:, torch.arange(pairs) % mappings.shape[1]]"},
            ),
        ),
        Misconception(
            "Values are shifted by the wrong number: by how many *keys* there are, `mappings.shape[1]`.",
            slips(
                plain_batch,
                {"mappings.shape[1]": "mappings.shape[0]"},
                {"mappings.shape[1]": "keys.shape[1]"},
                {"mappings.shape[1]": "mappings.shape[1] + 1"},
                {"mappings.shape[1]": "mappings.shape[1] - 1"},
                {"mappings.shape[1]": "mappings.max() + 1"},
                {"mappings.shape[1]": "keys.max() + 1"},
            ),
        ),
    ),
    hints=(
        "Two steps: find the value of every shown key, then put keys and values in turn.",
        "`mappings.gather(1, keys)` is `[batch, pairs]`: in each row the values of that row's keys.",
        "`torch.stack([keys, answers], dim=2).flatten(1)` alternates them; don't forget the shift of the values.",
    ),
)
