"""What T5 is trained on: corrupt_spans."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.llm.family.span_corruption import corrupt_spans


def plain_corrupt_spans(tokens, missing, first_sentinel):
    read, told = [], []
    sentinel, inside = first_sentinel, False
    for token, gone in zip(tokens.tolist(), missing.tolist(), strict=True):
        if gone and not inside:
            read.append(sentinel)
            told.append(sentinel)
            sentinel -= 1
        if gone:
            told.append(token)
        else:
            read.append(token)
        inside = gone
    told.append(sentinel)
    return torch.tensor(read, dtype=torch.long), torch.tensor(told, dtype=torch.long)


def gaps(generator, missing, first_sentinel=99):
    """A text, with a cross where a token is missing."""
    return {
        "tokens": torch.randint(0, 50, (len(missing),), generator=generator),
        "missing": torch.tensor([sign == "x" for sign in missing]),
        "first_sentinel": first_sentinel,
    }


CORRUPT_SPANS = Exercise(
    name="corrupt_spans",
    chapter="llm",
    title="Span corruption",
    kind="write",
    difficulty=2,
    minutes=20,
    goal="""
T5 learns to say what is missing from a text. `tokens` is `[length]`, and `missing`, bool and of the same shape,
says which are left out; neighbors that are missing make one *span*. Return two tensors of `torch.long`:

1. what the encoder reads: the text with one *sentinel* in the place of each span;
2. what the decoder must write: each span behind its sentinel, in order, and one more sentinel as the end.

The first sentinel is `first_sentinel`, the next `first_sentinel - 1`, and so on. With sentinels 99, 98, 97:
`5 6 7 8 9` with `6 7` and `9` missing becomes `5 99 8 98` and `99 6 7 98 9 97`. A loop is fine.
""",
    starter='''
import torch


def corrupt_spans(tokens, missing, first_sentinel):
    """What is read, and what must be written, as two tensors of one axis."""
    raise NotImplementedError("write corrupt_spans")
''',
    reference=corrupt_spans,
    observe=watch(result=("what is read", "what must be written")),
    cases=(
        Case("2 spans, of 2 and 1 tokens", lambda g: gaps(g, ".xx.x")),
        Case("1 span in the middle", lambda g: gaps(g, "..xxx..")),
        Case("spans at both ends", lambda g: gaps(g, "xx..x..xx", 200)),
        Case("a span at the start", lambda g: gaps(g, "xx...x.")),
        Case("nothing is missing", lambda g: gaps(g, "....")),
        Case("everything is missing", lambda g: gaps(g, "xxx")),
        Case("5 spans", lambda g: gaps(g, ".x.xx..x.xxx.x.", 77)),
    ),
    misconceptions=(
        Misconception(
            "Every missing token gets a sentinel. One stands for a whole *span*: the model must also find out "
            "how many tokens are missing.",
            slips(
                plain_corrupt_spans,
                {"gone and not inside": "gone"},
                {
                    "            read.append(sentinel)\n": "",
                    "if gone:\n": "if gone:\n            read.append(sentinel + 1)\n",
                },
            ),
        ),
        Misconception(
            "All spans have the same sentinel. The decoder could not say which gap it is filling: count down, "
            "`first_sentinel`, `first_sentinel - 1`, ...",
            slips(
                plain_corrupt_spans,
                {"            sentinel -= 1\n": ""},
                {
                    "            sentinel -= 1\n": "",
                    "told.append(sentinel)\n    return": "told.append(sentinel - 1)\n    return",
                },
            ),
        ),
        Misconception(
            "The sentinels count up. The first is the highest, as in T5, whose sentinels are the end of the "
            "vocabulary.",
            slips(plain_corrupt_spans, {"sentinel -= 1": "sentinel += 1"}),
        ),
        Misconception(
            "The last sentinel is missing: the one that ends the target. It tells the decoder to stop.",
            slips(plain_corrupt_spans, {"    told.append(sentinel)\n    return": "    return"}),
        ),
        Misconception(
            "The end is marked with the last span's own sentinel. It gets the next one, which no span has.",
            slips(
                plain_corrupt_spans,
                {"told.append(sentinel)\n    return": "told.append(sentinel + 1)\n    return"},
            ),
        ),
        Misconception(
            "Spans vanish from what is read: without a sentinel in their place nobody knows where to fill in.",
            slips(plain_corrupt_spans, {"            read.append(sentinel)\n": ""}),
        ),
        Misconception(
            "The spans in the target have no sentinels before them: where one ends and the next begins is lost.",
            slips(
                plain_corrupt_spans,
                {"            told.append(sentinel)\n            sentinel": "            sentinel"},
            ),
        ),
        Misconception(
            "The sentinel stands behind its span. The decoder writes from left to right: first which gap, then what "
            "belongs there.",
            slips(
                plain_corrupt_spans,
                {
                    "            told.append(sentinel)\n            sentinel -= 1\n": "            sentinel -= 1\n",
                    "if gone:\n": "if inside and not gone:\n            told.append(sentinel + 1)\n        if gone:\n",
                    "    told.append(sentinel)\n    return": (
                        "    told += [sentinel + 1] * inside + [sentinel]\n    return"
                    ),
                },
            ),
        ),
        Misconception(
            "`missing` is read the wrong way round: True is what the encoder does *not* read.",
            slips(plain_corrupt_spans, {"missing.tolist()": "(~missing).tolist()"}),
        ),
        Misconception(
            "The target repeats the whole text. Only what is missing is to be written, which is why T5 trains fast.",
            slips(
                plain_corrupt_spans,
                {"read.append(token)": "read.append(token)\n            told.append(token)"},
                {"told.append(sentinel)\n    return": "told = tokens.tolist()\n    return"},
            ),
        ),
        Misconception(
            "A text that begins with a gap goes wrong: what comes before the first token is nothing, not the last token. "
            "`roll` wraps round.",
            slips(plain_corrupt_spans, {"first_sentinel, False": "first_sentinel, bool(missing[-1])"}),
        ),
        Misconception(
            "A span at the very start gets no sentinel: no token comes before the first one, so a gap there begins a span.",
            slips(plain_corrupt_spans, {"first_sentinel, False": "first_sentinel, True"}),
        ),
    ),
    hints=(
        "Go through the text once with two lists. A span begins at a token that is missing while the one before is not.",
        "Where a span begins, the sentinel goes into both lists, and the next one is one less.",
        "A missing token goes into the target, any other into what is read. At the end one more sentinel closes the target.",
    ),
)
