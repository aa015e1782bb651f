"""Heads: split_heads, and merge_heads as a bug hunt."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch
from fmlib.nn.attention import merge_heads, split_heads


def plain_split_heads(x, heads):
    batch, length, dim = x.shape
    x = x.view(batch, length, heads, dim // heads)
    return x.transpose(1, 2)


def features(generator, batch, length, dim, heads, dtype=torch.float32):
    return {"x": torch.randn(batch, length, dim, generator=generator, dtype=dtype), "heads": heads}


SPLIT_HEADS = Exercise(
    name="split_heads",
    chapter="llm",
    title="Cut into heads",
    kind="write",
    difficulty=1,
    minutes=10,
    goal="""
`x` is `[batch, length, dim]`. Cut the features of every position into `heads` heads of `dim // heads`
features, neighbors together: head 0 has the first `dim // heads` features, head 1 the next ones.
Return `[batch, heads, length, dim // heads]` in the dtype of `x`, so that each head can attend by itself.
`heads` divides `dim`.
""",
    starter='''
import torch


def split_heads(x, heads):
    """[batch, length, dim] -> [batch, heads, length, dim // heads]."""
    raise NotImplementedError("write split_heads")
''',
    reference=split_heads,
    observe=watch(gradient=("x",)),
    cases=(
        Case("2 heads of 3 features, 4 positions", lambda g: features(g, 2, 4, 6, 2)),
        Case("1 head", lambda g: features(g, 2, 3, 4, 1)),
        Case("as many heads as features", lambda g: features(g, 1, 5, 3, 3)),
        Case("as many positions as heads", lambda g: features(g, 2, 4, 16, 4)),
        Case("1 position, float64", lambda g: features(g, 3, 1, 6, 2, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The shape is right and the numbers are mixed up: `view` does not move anything, it "
            "only reads on. A head then has features of several positions. First cut the *last* "
            "axis into two, then swap positions and heads with `transpose(1, 2)`.",
            slips(
                plain_split_heads,
                {
                    "view(batch, length, heads, dim // heads)": "reshape(batch, heads, length, dim // heads)",
                    ".transpose(1, 2)": "",
                },
                {
                    "view(batch, length, heads, dim // heads)": "reshape(batch, heads, dim // heads, length)",
                    "transpose(1, 2)": "transpose(2, 3)",
                },
            ),
        ),
        Misconception(
            "The heads take every `heads`-th feature: the last axis is cut the other way round. "
            "Neighbors belong together: `[..., heads, dim // heads]`.",
            slips(
                plain_split_heads,
                {"heads, dim // heads)": "dim // heads, heads)", "transpose(1, 2)": "permute(0, 3, 1, 2)"},
            ),
        ),
        Misconception(
            "The axes are not in the order that is asked for: `[batch, heads, length, dim // heads]`. "
            "Attention multiplies the last two, positions by features, for each head alone.",
            slips(
                plain_split_heads,
                {".transpose(1, 2)": ""},
                {"transpose(1, 2)": "permute(0, 2, 3, 1)"},
                {"transpose(1, 2)": "permute(2, 0, 1, 3)"},
                {"transpose(1, 2)": "transpose(0, 1)"},
            ),
        ),
        Misconception(
            "You make heads of `heads` features each. `heads` is how many there are.",
            slips(plain_split_heads, {"heads, dim // heads)": "dim // heads, heads)"}),
        ),
        Misconception(
            "Only one head is left, or all heads are the same: every feature goes into exactly one head.",
            slips(
                plain_split_heads,
                {"return x.transpose(1, 2)": "return x.transpose(1, 2)[:, :1]"},
                {"return x.transpose(1, 2)": "return x.transpose(1, 2)[:, :1].expand(-1, heads, -1, -1)"},
            ),
        ),
    ),
    hints=(
        "Two steps: cut the last axis in two, then swap two axes.",
        "`x.unflatten(-1, (heads, -1))` is `[batch, length, heads, dim // heads]`.",
        "`.transpose(1, 2)` brings the heads before the positions.",
    ),
)


def plain_merge_heads(x):
    batch, heads, length, head_dim = x.shape
    x = x.transpose(1, 2)
    return x.reshape(batch, length, heads * head_dim)


def gathered(generator, *shape, dtype=torch.float32):
    """What heads gathered, [batch, heads, length, head_dim]."""
    return {"x": torch.randn(*shape, generator=generator, dtype=dtype)}


MIXING_MERGE = '''
import torch


def merge_heads(x):
    """[batch, heads, length, head_dim] -> [batch, length, heads * head_dim]."""
    batch, heads, length, head_dim = x.shape
    return x.reshape(batch, length, heads * head_dim)
'''

MERGE_HEADS = Exercise(
    name="merge_heads",
    chapter="llm",
    title="The future leaks, and the mask is right",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
A GPT uses this function behind its attention. All shapes fit and the causal mask is right. Yet when
you change the last token of a text, logits of *earlier* positions change. With one head the trouble is
gone. Find out why, and mend the function. `x` is `[batch, heads, length, head_dim]`; the result is
`[batch, length, heads * head_dim]` in the dtype of `x` (float32 or float64), in which position t has what the heads
gathered at position t, head 0 first.
""",
    starter=MIXING_MERGE,
    reference=merge_heads,
    observe=watch(gradient=("x",)),
    cases=(
        Case("2 heads of 3 features, 4 positions", lambda g: gathered(g, 2, 2, 4, 3)),
        Case("1 head", lambda g: gathered(g, 2, 1, 3, 4)),
        Case("as many positions as heads", lambda g: gathered(g, 1, 4, 4, 2)),
        Case("1 position", lambda g: gathered(g, 3, 2, 1, 5)),
        Case("heads of 1 feature", lambda g: gathered(g, 2, 3, 5, 1)),
        Case("float64", lambda g: gathered(g, 2, 3, 2, 2, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "Positions are mixed: `reshape` reads the numbers in the order in which they lie, all "
            "positions of head 0 first. One position of the result then holds several positions of one head, "
            "later ones too. Swap heads and positions first: `x.transpose(1, 2)`.",
            (
                written(MIXING_MERGE, merge_heads),
                *slips(plain_merge_heads, {"x.transpose(1, 2)": "x.contiguous()"}),
            ),
        ),
        Misconception(
            "The features of the heads are interleaved: head by head is asked for, all features of head 0 "
            "first. The output matrix expects them in that order.",
            slips(plain_merge_heads, {"x.transpose(1, 2)": "x.permute(0, 2, 3, 1)"}),
        ),
        Misconception(
            "The heads are averaged or added. Each keeps features of its own, side by side: "
            "`heads * head_dim` of them.",
            slips(
                plain_merge_heads,
                {"return x.reshape(batch, length, heads * head_dim)": "return x.mean(dim=2)"},
                {"return x.reshape(batch, length, heads * head_dim)": "return x.sum(dim=2)"},
            ),
        ),
        Misconception(
            "The wrong axes are swapped: heads are axis 1, positions axis 2.",
            slips(
                plain_merge_heads,
                {"x.transpose(1, 2)": "x.transpose(2, 3)"},
                {"x.transpose(1, 2)": "x.transpose(1, 3)"},
                {"x.transpose(1, 2)": "x.transpose(0, 1)"},
                {"x.transpose(1, 2)": "x.permute(2, 0, 1, 3)"},
            ),
        ),
        Misconception(
            "The heads come in the wrong order: head 0 first.",
            slips(plain_merge_heads, {"x.transpose(1, 2)": "x.flip(1).transpose(1, 2)"}),
        ),
    ),
    hints=(
        "Give it `torch.arange(2 * 3.0).view(1, 2, 3, 1)`: two heads, three positions, one feature. "
        "Head 0 says 0, 1, 2 and head 1 says 3, 4, 5. What should position 0 have?",
        "`reshape` never moves a number. The axis that must come second, the positions, is third.",
        "`x.transpose(1, 2)`, then flatten the last two axes.",
    ),
)
