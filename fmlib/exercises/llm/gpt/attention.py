"""Attention: causal_mask, a bug hunt, and attention itself."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch
from fmlib.nn.attention import attention, causal_mask


def plain_causal_mask(queries, keys):
    query = torch.arange(queries)[:, None] + keys - queries
    key = torch.arange(keys)[None, :]
    return key <= query


LEAKING_MASK = '''
import torch


def causal_mask(queries, keys):
    """True where a query may look: bool [queries, keys]."""
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries + 1)
'''

CAUSAL_MASK = Exercise(
    name="causal_mask",
    chapter="llm",
    title="A loss that is too good to be true",
    kind="fix",
    difficulty=1,
    minutes=10,
    goal="""
A GPT trained with this mask reaches a loss near zero within minutes, on held-out text too. Asked to
write, it produces nonsense. Find out why, and mend the function. `causal_mask(queries, keys)` returns a
bool tensor `[queries, keys]`, True where a query may look: at itself and at what came before. There are
at least as many keys as queries; the *last* query stands at the last key, since with a cache the
queries are only the newest positions.
""",
    starter=LEAKING_MASK,
    reference=causal_mask,
    cases=(
        Case("3 queries, 3 keys", lambda g: {"queries": 3, "keys": 3}),
        Case("1 query, 1 key", lambda g: {"queries": 1, "keys": 1}),
        Case("2 queries, 5 keys: a cache of 3", lambda g: {"queries": 2, "keys": 5}),
        Case("1 query, 4 keys: generation, one token at a time", lambda g: {"queries": 1, "keys": 4}),
        Case("7 queries, 7 keys", lambda g: {"queries": 7, "keys": 7}),
    ),
    misconceptions=(
        Misconception(
            "Every query also sees the next position, which is the token that it must predict. "
            "The diagonal of `tril` is one too far: the last query, in row `queries - 1`, stands "
            "at key `keys - 1`, so the diagonal is `keys - queries`.",
            (
                written(LEAKING_MASK, causal_mask),
                *slips(plain_causal_mask, {"key <= query": "key <= query + 1"}),
            ),
        ),
        Misconception(
            "Now no query sees itself: its own token is known and may be used. Only what comes "
            "*after* it is hidden.",
            slips(
                plain_causal_mask,
                {"key <= query": "key < query"},
                {"key <= query": "(key < query) | ((key == 0) & (query == 0))"},
            ),
        ),
        Misconception(
            "The mask is upside down: it hides the past and shows the future. True means that a query may look.",
            slips(plain_causal_mask, {"key <= query": "key > query"}, {"key <= query": "key >= query"}),
        ),
        Misconception(
            "The first query is put at the first key. With a cache there are more keys than "
            "queries, and the queries are the *last* positions: row 0 sees `keys - queries + 1` keys.",
            slips(plain_causal_mask, {" + keys - queries": ""}),
        ),
        Misconception(
            "Everything is visible, or nothing: each row needs an end of its own.",
            slips(
                plain_causal_mask,
                {"key <= query": "(key <= query) | True"},
                {"key <= query": "(key <= query) & False"},
            ),
        ),
        Misconception(
            "The mask holds numbers. Attention adds numbers to its logits, so 1 and 0 would hardly "
            "matter: return truths, `dtype=torch.bool`.",
            slips(
                plain_causal_mask,
                {"key <= query": "(key <= query).float()"},
                {"key <= query": "(key <= query).long()"},
                {
                    "return key <= query": "return torch.zeros(queries, keys).masked_fill(key > query, -torch.inf)"
                },
            ),
        ),
    ),
    hints=(
        "Print `causal_mask(3, 3)`. Which keys does the first query see? Which should it?",
        "Row i may see column j when j is not later than the query's own position. Where does "
        "query i stand among the keys, when the last query stands at the last key?",
        "Query i stands at key `i + keys - queries`: that is the diagonal which `tril` keeps.",
    ),
)


def plain_attention(query, key, value, mask=None):
    logits = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    if mask is not None:
        logits = logits.masked_fill(~mask, float("-inf"))
    weights = logits.softmax(dim=-1)
    return weights @ value


def heads_of(generator, queries=4, keys=4, dim=3, value_dim=3, mask=None, dtype=torch.float32):
    """Query, key and value of two rows and three heads; a mask that lets every query look somewhere."""
    inputs = {
        name: 2 * torch.randn(2, 3, length, width, generator=generator, dtype=dtype)
        for name, length, width in (("query", queries, dim), ("key", keys, dim), ("value", keys, value_dim))
    }
    if mask == "causal":
        inputs["mask"] = causal_mask(queries, keys)
    elif mask == "random":
        inputs["mask"] = torch.rand(2, 1, queries, keys, generator=generator) < 0.5
        inputs["mask"][..., 0] = True
        inputs["mask"][..., 0, :] = True  # and every key is seen by someone
    return inputs


def hidden_and_loud(generator):
    """All logits far below zero, and the values of the hidden key so large that any weight of it shows."""
    inputs = heads_of(generator)
    inputs["query"], inputs["key"] = 10 + inputs["query"] / 50, -12 + inputs["key"] / 50
    inputs["value"][..., -1, :] = 1e12
    inputs["mask"] = torch.ones(4, 4, dtype=torch.bool)
    inputs["mask"][:, -1] = False
    return inputs


ATTENTION = Exercise(
    name="attention",
    chapter="llm",
    title="Attention",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
`query` is `[batch, heads, queries, head_dim]`, `key` `[batch, heads, keys, head_dim]`, `value`
`[batch, heads, keys, value_dim]`. Return what each query gathers, `[batch, heads, queries, value_dim]`:

$$\operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}}\right) V$$

with $d$ the `head_dim`. `mask`, if there is one, is bool and broadcasts to
`[batch, heads, queries, keys]`: where it is False, a query gives the key no weight at all. Every query
may look somewhere. Scores may be large, above and below zero.
`query`, `key` and `value` have one dtype, float32 or float64, and the result has it too.
Write the formula; `F.scaled_dot_product_attention` would pass, and teach you nothing.
""",
    starter='''
import torch
import torch.nn.functional as F


def attention(query, key, value, mask=None):
    """What each query gathers: [batch, heads, queries, value_dim]."""
    raise NotImplementedError("write attention")
''',
    reference=attention,
    observe=watch(gradient=("query", "key", "value")),
    cases=(
        Case("4 queries, 4 keys, no mask", lambda g: heads_of(g)),
        Case("a causal mask", lambda g: heads_of(g, mask="causal")),
        Case("2 queries, 6 keys, values of another width", lambda g: heads_of(g, 2, 6, 4, 5)),
        Case("a mask for each row of the batch", lambda g: heads_of(g, 3, 5, 2, 2, mask="random")),
        Case("1 query, 1 key", lambda g: heads_of(g, 1, 1)),
        Case("logits around -200, and a hidden key with values of 1e12", hidden_and_loud),
        Case("float64, 16 features", lambda g: heads_of(g, 5, 5, 16, 16, "causal", torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The logits are not divided by the root of `head_dim`. Sums of many products grow with "
            "the width, the softmax picks one key only, and its gradient dies.",
            slips(plain_attention, {" / query.shape[-1] ** 0.5": ""}),
        ),
        Misconception(
            "The logits are divided by the wrong number: by the *square root* of the features of a "
            "head, which are the last axis of `query`.",
            slips(
                plain_attention,
                {"query.shape[-1] ** 0.5": "query.shape[-1]"},
                {"query.shape[-1] ** 0.5": "key.shape[-2] ** 0.5"},
                {"query.shape[-1] ** 0.5": "query.shape[-2] ** 0.5"},
                {"query.shape[-1] ** 0.5": "value.shape[-1] ** 0.5"},
                {"query.shape[-1] ** 0.5": "(query.shape[1] * query.shape[-1]) ** 0.5"},
            ),
        ),
        Misconception(
            "The logits are multiplied by the root of `head_dim`; divide, so that they shrink.",
            slips(plain_attention, {"/ query": "* query"}),
        ),
        Misconception(
            "The softmax runs over the wrong axis. Each *query* shares out one whole among the keys: rows "
            "sum to 1, so `dim=-1`.",
            slips(
                plain_attention,
                {"dim=-1": "dim=-2"},
                {
                    "dim=-1": "dim=-2",
                    "logits.masked_fill(~mask": "logits + torch.zeros_like(logits).masked_fill(~mask",
                },
                {"dim=-1": "dim=1"},
                {"dim=-1": "dim=0"},
            ),
        ),
        Misconception(
            "The mask comes after the softmax. Hidden keys have taken their share by then, and the "
            "rest sums to less than 1: set their *logits* to `-inf`, before it.",
            slips(
                plain_attention,
                {
                    'logits = logits.masked_fill(~mask, float("-inf"))': "pass",
                    "return weights": "weights = weights if mask is None else weights * mask\n    return weights",
                },
            ),
        ),
        Misconception(
            "Hidden keys have logit 0, and exp(0) is 1: they still get weight. Only `-inf` takes them out.",
            slips(
                plain_attention,
                {'float("-inf")': "0.0"},
                {'logits.masked_fill(~mask, float("-inf"))': "logits * mask"},
            ),
        ),
        Misconception(
            "The mask is read the wrong way round: True is where a query *may* look.",
            slips(plain_attention, {"~mask": "mask"}),
        ),
        Misconception(
            "The mask is not used, or added as a number.",
            slips(
                plain_attention,
                {'logits = logits.masked_fill(~mask, float("-inf"))': "pass"},
                {'logits.masked_fill(~mask, float("-inf"))': "logits + mask"},
            ),
        ),
        Misconception(
            "The weights are not normalized: without the softmax (or with only the exponential) a query "
            "that fits many keys gathers more than one that fits few.",
            slips(
                plain_attention,
                {"logits.softmax(dim=-1)": "logits.exp()"},
                {"logits.softmax(dim=-1)": "logits.sigmoid()"},
            ),
        ),
        Misconception(
            "The exponential of a score far below zero is 0, and 0 / 0 is nan. A softmax does not change when a number is "
            "taken off all scores of a row: subtract the largest first, or use `softmax`, which does.",
            slips(
                plain_attention,
                {"logits.softmax(dim=-1)": "logits.exp() / logits.exp().sum(dim=-1, keepdim=True)"},
            ),
        ),
        Misconception(
            "You return the weights, or gather keys. What a query takes with its weights are the *values*.",
            slips(plain_attention, {"weights @ value": "weights"}, {"weights @ value": "weights @ key"}),
        ),
    ),
    hints=(
        "Three steps: logits `[..., queries, keys]`, a softmax over the keys, a weighted sum of the values.",
        "`query @ key.transpose(-2, -1)` gives all dot products at once; divide by `query.shape[-1] ** 0.5`.",
        '`logits.masked_fill(~mask, float("-inf"))` before `softmax(dim=-1)`, then `@ value`.',
    ),
)
