"""A drawing of the comparison, with the names of its code."""

from fmlib.viz import Diagram


def comparison() -> Diagram:
    """From a budget to the ledger, the same way for every method."""
    d = Diagram("One row of the comparison: the same budget, seed and judges in every row", width=390)
    budget = d.box("Budget", 20, 8, width=90, kind="data")
    method = d.box("method", 150, 8, width=80, kind="data", code="train:method")
    train = d.box("train", 5, 76, width=250)
    seed = d.box("seed", 285, 76, width=70, kind="data", code="train:seed")
    encoder = d.box("encoder", 20, 144, width=90, kind="data", code="measure:encoder")
    labeled = d.box("labeled", 275, 144, width=90)
    probes = d.box("probes", 150, 212, width=225)
    emoji = d.box("gray_emoji", 5, 212, width=84)
    embed = d.box("embed", 5, 280, width=135)
    retrieval = d.box("retrieval", 5, 348, width=135)
    found = d.box("found", 275, 348, width=90, kind="data", code="measure:found")
    write = d.box("ledger.write", 255, 416, width=120)
    d.arrow(budget, train, x=65)
    d.arrow(method, train, x=190)
    d.arrow(seed, train, y=90)
    d.arrow(seed, labeled, x=320)
    d.arrow(train, encoder, x=65)
    d.arrow(encoder, probes, via=[(190, 158)])
    d.arrow(labeled, probes, x=320)
    d.arrow(encoder, embed, x=100)
    d.arrow(emoji, embed, "queries 1 28 28", x=45, label=None)
    d.arrow(embed, retrieval, "queries features", x=72)
    d.arrow(probes, found, x=320)
    d.arrow(retrieval, found, y=362)
    d.arrow(found, write, x=320)
    told = [
        "gray_emoji are [queries, 1, 28, 28].",
        "encoder is a network; Budget, method, seed",
        "and found are plain values.",
        "Runs of one seed form a pair.",
    ]
    d.note("\n".join(told), 5, 484)
    return d
