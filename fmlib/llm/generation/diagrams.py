"""A drawing of attention with a cache, with the names of its code."""

from fmlib.viz import Diagram


def kv_cache() -> Diagram:
    """`Attention.forward` where there is a `KVCache`."""
    d = Diagram(
        "Attention with a cache: only new tokens come in, all keys and values are looked at", width=380
    )
    x = d.box("x", 66, 8, width=80, height=26, kind="data", code="Attention.forward:x")
    project = d.box("Attention.project", 5, 70, width=202, kind="weights")
    append = d.box("KVCache.append", 79, 150, width=128, height=64)
    keys = d.box("KVCache.keys", 246, 150, width=120, kind="memory")
    values = d.box("KVCache.values", 246, 186, width=120, kind="memory")
    attend = d.box("Attention.attend", 5, 304, width=202)
    merge = d.box("merge_heads", 5, 380, width=202)
    output = d.box("Attention.output", 26, 458, width=160, kind="weights")
    y = d.box("what x gathers", 38, 522, width=136, height=26, kind="data", code="Attention.forward")
    few, every = "batch heads new head_dim", "batch heads length head_dim"
    few_lines = ["[batch, heads,", "new, head_dim]"]
    d.arrow(x, project, "batch new dim")
    d.arrow(project, attend, few, name="query", x=40, label=(47, 109), lines=["query"])
    d.arrow(project, append, few, name="key", x=106, label=(113, 109), lines=["key"])
    d.arrow(project, append, few, name="value", x=172, label=(179, 124), lines=["value", *few_lines])
    d.arrow(append, keys, few, name="key", label=None)
    d.arrow(append, values, few, name="value", label=None)
    d.arrow(append, attend, every, name="key", x=106, label=None)
    d.arrow(
        append,
        attend,
        every,
        name="value",
        x=172,
        label=(179, 281),
        lines=["[batch, heads,", "length, head_dim]"],
    )
    d.arrow(attend, merge, few, x=106, lines=few_lines)
    d.arrow(merge, output, "batch new heads·head_dim", lines=["[batch, new,", "heads·head_dim]"])
    d.arrow(output, y, "batch new dim")
    d.note("room for [batch,\nheads, max_length,\nhead_dim]", 246, 240)
    d.note("length = what was in\nthe cache + new", 218, 318)
    return d
