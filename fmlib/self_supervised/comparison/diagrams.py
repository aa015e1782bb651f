"""A drawing of the comparison, with the names of its code."""

from fmlib.viz import Diagram


def comparison() -> Diagram:
    """From a budget to the ledger, the same way for every method."""
    d = Diagram("One row of the comparison: only the method changes", width=390)
    budget = d.box("Budget", 20, 8, width=90, kind="data", code="Budget")
    method = d.box("method", 150, 8, width=80, kind="data", code="train:method")
    seed = d.box("seed", 285, 8, width=70, kind="data", code="train:seed")
    train = d.box("train", 5, 76, width=370)
    encoder = d.box("encoder", 20, 144, width=90, kind="data", code="measure:encoder")
    labeled = d.box("labeled", 275, 144, width=90)
    clothes = d.box("probes", 150, 244, width=225)
    drawings = d.box("retrieval", 5, 312, width=225)
    emoji = d.box("gray_emoji", 5, 380, width=120)
    found = d.box("found", 275, 312, width=90, kind="data", code="measure:found")
    write = d.box("ledger.write", 255, 380, width=120)
    d.arrow(budget, train, x=65)
    d.arrow(method, train, x=190)
    d.arrow(seed, train, x=320)
    d.arrow(train, encoder, x=65)
    d.arrow(train, labeled, x=320, dashed=True)
    d.arrow(encoder, clothes, via=[(190, 158)], dashed=False)
    d.arrow(labeled, clothes, "count 1 28 28", x=320, label=(312, 208, "end"))
    d.arrow(encoder, drawings, x=40)
    d.arrow(emoji, drawings, "queries 1 28 28", x=65, label=(72, 360, "start"))
    d.arrow(clothes, found, x=320)
    d.arrow(drawings, found, y=326)
    d.arrow(found, write, x=320)
    d.note("The seed also draws the labels:\\nruns of one seed form a pair.".replace("\\\\n", "\\n"), 5, 436)
    return d
