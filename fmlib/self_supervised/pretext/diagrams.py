"""Drawings of the networks, with the names of their code."""

from fmlib.viz import Diagram


def jigsaw() -> Diagram:
    """`JigsawNet` from pictures to the order of their tiles."""
    d = Diagram(
        "A puzzle: each tile goes through one encoder by itself, the head sees all of them", width=350
    )
    images = d.box("images", 10, 8, width=130, kind="data", code="cut_tiles:images")
    steps = [
        d.box(name, 10, 66 + 58 * i, width=150)
        for i, name in enumerate(("cut_tiles", "normalize_tiles", "shuffle_tiles", "Tensor.flatten"))
    ]
    cut, normalize, shuffle, flatten = steps
    encoder = d.box("JigsawNet.encoder", 10, 298, width=150, kind="weights")
    join = d.box("Tensor.reshape", 10, 356, width=150)
    head = d.box("JigsawNet.head", 10, 414, width=150, kind="weights")
    loss = d.box("F.cross_entropy", 10, 472, width=150)
    which = d.box("which", 230, 182, width=100, kind="data", code="shuffle_tiles:which")
    tiles = "batch tiles channels tile tile"
    d.arrow(images, cut, "batch channels size size", x=75)
    d.arrow(cut, normalize, tiles, x=75)
    d.arrow(normalize, shuffle, tiles, x=75, label=None)
    d.arrow(shuffle, flatten, tiles, x=75, label=None)
    d.arrow(
        flatten,
        encoder,
        "batch·tiles channels tile tile",
        x=75,
        lines=["[batch·tiles,", "channels, tile, tile]"],
    )
    d.arrow(encoder, join, "batch·tiles feature_dim", x=75, lines=["[batch·tiles,", "feature_dim]"])
    d.arrow(join, head, "batch tiles·feature_dim", x=75, lines=["[batch,", "tiles·feature_dim]"])
    d.arrow(head, loss, "batch orders", x=75)
    d.arrow(which, shuffle, "batch", label=None)
    d.arrow(which, loss, "batch", via=[(260, 486)])
    d.note("which order", 230, 172)
    return d


def cpc() -> Diagram:
    """`CPC` from recordings to the loss of the first step ahead."""
    d = Diagram("CPC: the context of what was heard must pick the frame that comes k later", width=380)
    waves = d.box("waves", 10, 8, width=120, kind="data", code="CPC.forward:waves")
    channel = d.box("waves[:, None]", 10, 66, width=120, code="")
    encoder = d.box("CPC.encoder", 10, 124, width=120, kind="weights")
    swap = d.box("Tensor.transpose", 10, 182, width=130)
    z = d.box("z", 10, 240, width=130, kind="data", code="CPC.forward:z")
    future = d.box("z[:, k:]", 10, 306, width=130, code="")
    memory = d.box("CPC.memory", 210, 240, width=150, kind="weights")
    past = d.box("c[:, :-k]", 210, 306, width=150, code="")
    predict = d.box("CPC.predictors.0", 210, 364, width=150, kind="weights")
    groups = [d.box("other_recordings", x, 422, width=150 if x > 100 else 130) for x in (10, 210)]
    loss = d.box("pick_own", 10, 488, width=350)
    d.arrow(waves, channel, "batch samples", x=70)
    d.arrow(channel, encoder, "batch 1 samples", x=70)
    d.arrow(encoder, swap, "batch dim frames", x=70)
    frames = "batch frames dim"
    d.arrow(swap, z, frames, x=70)
    d.arrow(z, future, frames, x=70, label=None)
    d.arrow(z, memory, frames, label=None)
    d.arrow(
        memory,
        past,
        "batch frames context_dim",
        name="c",
        x=285,
        label="left",
        lines=["c [batch,", "frames, context_dim]"],
    )
    d.arrow(
        past, predict, "batch past context_dim", x=285, label="left", lines=["[batch, past,", "context_dim]"]
    )
    d.arrow(predict, groups[1], "batch past dim", x=285, label="left", lines=["[batch,", "past, dim]"])
    d.arrow(future, groups[0], "batch past dim", x=70, label=None)
    d.arrow(groups[0], loss, "past batch dim", x=70)
    d.arrow(groups[1], loss, "past batch dim", x=285, label=None)
    return d
