"""What BERT and T5 are trained on: hide_tokens and corrupt_spans."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.llm.masking import hide_tokens
from fmlib.llm.span_corruption import corrupt_spans


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
itself. Return two tensors `[batch, length]`: what the model reads, and the targets: the token where one is
chosen, -100 everywhere else.
""",
    starter='''
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
            "Only the masked tokens are targets. All that are chosen are: also those that were replaced, and those that "
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
            "Too many are replaced by others, or none stays: from 0.9 on the token stays as it is.",
            slips(
                plain_hide_tokens,
                {" & (draws < 0.9)": ""},
                {"(draws >= 0.8) & (draws < 0.9)": "(draws >= 0.9)"},
                {"draws < 0.9": "draws < 0.8"},
            ),
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
        Case("nothing is missing", lambda g: gaps(g, "....")),
        Case("everything is missing", lambda g: gaps(g, "xxx")),
        Case("5 spans", lambda g: gaps(g, ".x.xx..x.xxx.x.", 77)),
    ),
    misconceptions=(
        Misconception(
            "Every missing token gets a sentinel of its own. One stands for a whole *span*: the model must also find out "
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
    ),
    hints=(
        "Go through the text once with two lists. A span begins at a token that is missing while the one before is not.",
        "Where a span begins, the sentinel goes into both lists, and the next one is one less.",
        "A missing token goes into the target, any other into what is read. At the end one more sentinel closes the target.",
    ),
)
