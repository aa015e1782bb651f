"""BERT's second task: sentence_pairs."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.masked.pairs import sentence_pairs


def plain_sentence_pairs(pieces, others, follows, start_token, end_token):
    rows, half = len(pieces), pieces.shape[1] // 2
    first = pieces[:, :half]
    second = torch.where(follows[:, None], pieces[:, half:], others[:, half:])
    start = torch.full((rows, 1), start_token)
    end = torch.full((rows, 1), end_token)
    tokens = torch.cat([start, first, end, second, end], dim=1)
    types = torch.cat([torch.zeros(rows, half + 2), torch.ones(rows, half + 1)], dim=1).long()
    labels = (~follows).long()
    return tokens, types, labels


def two_texts(generator, rows, length, start_token=2, end_token=3):
    pieces, others = torch.randint(5, 60, (2, rows, length), generator=generator)
    follows = torch.rand(rows, generator=generator) < 0.5
    follows[0], follows[-1] = True, False
    return {
        "pieces": pieces,
        "others": others,
        "follows": follows,
        "start_token": start_token,
        "end_token": end_token,
    }


SENTENCE_PAIRS = Exercise(
    name="sentence_pairs",
    chapter="self_supervised",
    title="Does it follow?",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
Make the rows that BERT reads. `pieces` and `others` are int64 `[batch, length]`, pieces of text, `length`
an even number. `follows` is bool `[batch]`. The first segment of each row is the first half of its piece.
The second segment is the second half of the same piece where `follows` is True, else the second half of the
piece of `others` in the same row. Put `start_token` ([CLS]) in front, and `end_token` ([SEP]) behind each
of the two segments. Return three int64 tensors:

- `tokens`, `[batch, length + 3]`;
- `types`, of the same shape: 0 up to and including the first [SEP], 1 behind it;
- `labels`, `[batch]`: 0 where the second segment follows, 1 where it comes from elsewhere.

The pieces hold neither of the two marks. Leave the inputs as they are.
""",
    starter='''
import torch


def sentence_pairs(pieces, others, follows, start_token, end_token):
    """What BERT reads, the segment of each token, and whether the pair is torn (1) or not (0)."""
    raise NotImplementedError("write sentence_pairs")
''',
    reference=sentence_pairs,
    observe=watch(result=("the tokens", "the segments", "the labels"), apart=("pieces",)),
    cases=(
        Case("3 rows of 6 tokens", lambda g: two_texts(g, 3, 6)),
        Case("halves of 1 token", lambda g: two_texts(g, 4, 2)),
        Case("marks 101 and 102", lambda g: two_texts(g, 2, 8, 101, 102)),
        Case("5 rows of 10 tokens", lambda g: two_texts(g, 5, 10)),
        Case("1 row", lambda g: two_texts(g, 1, 4)),
    ),
    misconceptions=(
        Misconception(
            'The labels are the wrong way round: BERT\'s class 0 is "it follows", class 1 "it comes from elsewhere".',
            slips(plain_sentence_pairs, {"(~follows)": "follows"}),
        ),
        Misconception(
            "The second segments are exchanged where `follows` is True: there they should stay.",
            slips(plain_sentence_pairs, {"where(follows[:, None]": "where(~follows[:, None]"}),
        ),
        Misconception(
            "The *first* half of the other piece is put in. It should be its second half.",
            slips(plain_sentence_pairs, {"others[:, half:]": "others[:, :half]"}),
        ),
        Misconception(
            "The first [SEP] belongs to the first segment, and only what stands behind it to the second.",
            slips(
                plain_sentence_pairs,
                {"half + 2": "half + 1", "torch.ones(rows, half + 1)": "torch.ones(rows, half + 2)"},
            ),
        ),
        Misconception(
            "The two segments have changed places.",
            slips(
                plain_sentence_pairs, {"[start, first, end, second, end]": "[start, second, end, first, end]"}
            ),
        ),
        Misconception(
            "A mark is missing: [CLS] in front, [SEP] behind *each* of the two segments.",
            slips(
                plain_sentence_pairs,
                {"second, end], dim=1)": "second], dim=1)", "half + 1)], dim=1)": "half)], dim=1)"},
                {"[start, first": "[first", "half + 2": "half + 1"},
                {"first, end, second": "first, second", "half + 2": "half + 1"},
            ),
        ),
        Misconception(
            "The marks are mixed up: `start_token` once, in front; `end_token` twice.",
            slips(
                plain_sentence_pairs,
                {"[start, first, end, second, end]": "[end, first, start, second, start]"},
                {"[start, first, end, second, end]": "[start, first, start, second, end]"},
            ),
        ),
    ),
    hints=(
        "Cut first: `half = pieces.shape[1] // 2`. `torch.where(follows[:, None], a, b)` chooses row by row.",
        "Columns of marks: `torch.full((batch, 1), start_token)`. Then `torch.cat(..., dim=1)`.",
        "The first segment has `half + 2` tokens with its two marks, the second `half + 1`. `follows` is "
        "True for class 0.",
    ),
)
