"""Drawings of attention, of the block and of GPT, with the names of their code."""

from fmlib.viz import Diagram


def attention() -> Diagram:
    """`Attention.forward` with its four projections."""
    d = Diagram("Attention with its four projections", width=386)
    columns = {"query": 60, "key": 193, "value": 326}
    x = d.box("x", 153, 8, width=80, height=26, kind="data", code="Attention.forward:x")
    projections = {
        name: d.box(f"Attention.{name}", middle - 57, 84, width=114, kind="weights")
        for name, middle in columns.items()
    }
    split = d.box("split_heads", 5, 156, width=376)
    look = d.box("attention_map", 5, 256, width=245, height=38, below="causal_mask, softmax")
    gather = d.box("map @ value", 5, 342, width=376, code="")
    merge = d.box("merge_heads", 5, 432, width=376)
    output = d.box("Attention.output", 113, 510, width=160, kind="weights")
    y = d.box("what x gathers", 125, 574, width=136, height=26, kind="data", code="Attention.forward")
    d.group("Attention.attend", [look, gather], pad=4, indent=197)
    cut = ["[batch, heads,", "length, head_dim]"]
    for name, middle in columns.items():
        way = [] if middle == 193 else [(193, 54), (middle, 54)]
        d.arrow(x, projections[name], "batch length dim", via=way, label=None if way else (203, 44))
        first, end = name == "query", gather if name == "value" else look
        lines, side = ["[batch, length,", "heads·head_dim]"], "right" if first else None
        d.arrow(projections[name], split, "batch length heads·head_dim", x=middle, label=side, lines=lines)
        lines, at = [name, *cut] if first else [name], (middle + 7, 209 if first else 194)
        d.arrow(split, end, "batch heads length head_dim", name=name, x=middle, label=at, lines=lines)
    d.arrow(look, gather, "batch heads length length", x=60, lines=["[batch, heads,", "length, length]"])
    d.arrow(gather, merge, "batch heads length head_dim", x=193, label=(200, 404), lines=cut)
    d.arrow(merge, output, "batch length heads·head_dim", lines=["[batch, length,", "heads·head_dim]"])
    d.arrow(output, y, "batch length dim")
    return d


def block() -> Diagram:
    """`Block.forward`, norm first, and what is in its MLP."""
    d = Diagram("The block: two parts that each add something to the residual stream", width=380)
    shape = "batch length dim"
    x = d.box("x", 10, 8, width=60, height=26, kind="data", code="Block.forward:x")
    norm1 = d.box("Block.attention_norm", 90, 58, width=160, kind="weights")
    attend = d.box("Block.attention", 90, 120, width=160, kind="weights")
    dropout = [d.box("Block.dropout", 90, y, width=160) for y in (182, 582)]
    sums = [d.sum(40, y) for y in (228, 628)]
    norm2 = d.box("Block.mlp_norm", 90, 262, width=160, kind="weights")
    expand = d.box(".expand", 90, 374, width=160, kind="weights", code="Block.mlp.expand")
    bend = d.box(".activation", 90, 436, width=160, code="Block.mlp.activation")
    contract = d.box(".contract", 90, 498, width=160, kind="weights", code="Block.mlp.contract")
    end = d.box("x", 10, 666, width=60, height=26, kind="data", code="Block.forward")
    d.group("Block.mlp", [expand, bend, contract], right=376)
    d.arrow(x, norm1, shape, via=[(40, 72)], label=None)
    d.arrow(norm1, attend, shape)
    d.arrow(attend, dropout[0], shape)
    d.arrow(dropout[0], sums[0], shape, via=[(170, 228)], label=(177, 228))
    d.arrow(x, sums[0], shape, thick=True, label=(77, 44))
    d.arrow(sums[0], norm2, shape, via=[(40, 276)], label=None)
    d.arrow(norm2, expand, shape, label=(177, 316))
    d.arrow(expand, bend, "batch length hidden_dim")
    d.arrow(bend, contract, "batch length hidden_dim")
    d.arrow(contract, dropout[1], shape, label=(177, 559))
    d.arrow(dropout[1], sums[1], shape, via=[(170, 628)], label=(177, 628))
    d.arrow(sums[0], sums[1], shape, thick=True, label=None)
    d.arrow(sums[1], end, shape, thick=True)
    return d


def gpt() -> Diagram:
    """`GPT` from tokens to logits."""
    d = Diagram("GPT: embeddings, a stack of blocks, logits", width=376)
    shape = "batch length dim"
    tokens = d.box("tokens", 60, 8, width=80, height=26, kind="data", code="GPT.hidden:tokens")
    positions = d.box("positions", 235, 8, width=90, height=26, kind="data", code="GPT.hidden:positions")
    embedding = d.box("GPT.token_embedding", 22, 68, width=156, kind="weights")
    places = d.box("GPT.position_embedding", 192, 68, width=176, kind="weights")
    total = d.sum(100, 146)
    dropout = d.box("GPT.dropout", 22, 188, width=156)
    blocks = d.box(
        "GPT.blocks", 22, 250, width=156, height=40, kind="weights", below="layers × Block", copies=True
    )
    norm = d.box("GPT.norm", 22, 330, width=156, kind="weights")
    logits = d.box("GPT.logits", 22, 404, width=156)
    end = d.box("logits", 60, 478, width=80, height=26, kind="data", code="GPT.forward")
    d.arrow(tokens, embedding, "batch length")
    d.arrow(positions, places, "1 length")
    d.arrow(embedding, total, shape, label=(107, 116))
    d.arrow(places, total, "1 length dim", via=[(280, 146)], lines=["[1, length,", "dim]"])
    d.arrow(total, dropout, shape)
    d.arrow(dropout, blocks, shape)
    d.arrow(blocks, norm, shape, label=(107, 312))
    d.arrow(norm, logits, shape, label=(107, 372))
    d.arrow(logits, end, "batch length vocab_size", label=(107, 458))
    way = [(9, 82), (9, 418)]
    d.arrow(embedding, logits, "vocab_size dim", name="weight", via=way, label=None, dashed=True)
    d.note("compares with each row\nof token_embedding.weight,\n[vocab_size, dim]", 188, 416)
    return d
