"""Drawings of the two methods, with the names of their code."""

from fmlib.viz import Diagram


def simclr() -> Diagram:
    """`SimCLR` from pictures to the loss."""
    d = Diagram("SimCLR: two views of each picture go through one encoder and one head", width=360)
    images = d.box("images", 130, 8, width=100, kind="data", code="two_views:images")
    views = d.box("two_views", 20, 66, width=320)
    join = d.box("torch.cat", 20, 138, width=320)
    encoder = d.box("SimCLR.encoder", 20, 200, width=140, height=34, kind="weights")
    head = d.box("SimCLR.head", 20, 268, width=140, height=34, kind="weights")
    cut = d.box("Tensor.chunk", 20, 336, width=320)
    loss = d.box("nt_xent", 20, 408, width=320)
    number = d.box("loss", 50, 466, width=80, kind="data", code="SimCLR.loss")
    d.arrow(images, views, "batch *picture")
    for x, name in ((44, "view1"), (204, "view2")):
        d.arrow(views, join, "batch *picture", name=name, x=x)
    d.arrow(join, encoder, "2·batch *picture", x=90)
    d.arrow(encoder, head, "2·batch feature_dim", name="h", lines=["h [2·batch, feature_dim]"])
    d.arrow(head, cut, "2·batch output_dim", name="z", lines=["z [2·batch, output_dim]"], x=90)
    for x, name in ((44, "z1"), (204, "z2")):
        d.arrow(cut, loss, "batch output_dim", name=name, x=x)
    d.arrow(loss, number, "", x=90)
    d.note("kept: its features h\nare what you want", 174, 217)
    d.note("thrown away after\nthe training", 174, 285)
    return d


def moco() -> Diagram:
    """`MoCo` from two views to the loss, and what happens between two steps."""
    d = Diagram(
        "MoCo: queries from an encoder that learns, keys from a slow copy, old keys in a queue", width=390
    )
    view1 = d.box("view1", 16, 8, width=80, height=26, kind="data", code="MoCo.forward:view1")
    view2 = d.box("view2", 283, 8, width=80, height=26, kind="data", code="MoCo.forward:view2")
    encoder = d.box("MoCo.encoder", 5, 74, width=102, height=30, kind="weights")
    head = d.box("MoCo.head", 5, 154, width=102, height=30, kind="weights")
    key_encoder = d.box("MoCo.key_encoder", 261, 74, width=124, height=30, kind="memory")
    key_head = d.box("MoCo.key_head", 261, 154, width=124, height=30, kind="memory")
    follow = [d.box("momentum_update", 125, y, width=118, height=30) for y in (74, 154)]
    scale1 = d.box("F.normalize", 5, 234, width=102, height=30)
    scale2 = d.box("F.normalize", 261, 234, width=124, height=30)
    loss = d.box("info_nce", 5, 314, width=238, height=30)
    number = d.box("loss", 16, 394, width=80, kind="data", code="MoCo.loss")
    queue = d.box("MoCo.queue", 125, 394, width=118, kind="memory")
    insert = d.box("enqueue", 261, 394, width=124)
    for side, x, boxes in (
        ("right", 56, (view1, encoder, head, scale1)),
        ("left", 323, (view2, key_encoder, key_head, scale2)),
    ):
        for i, size in enumerate(("*picture", "feature_dim", "output_dim")):
            lines = ["[batch,", f"{size}]"]
            d.arrow(boxes[i], boxes[i + 1], f"batch {size}", x=x, label=side, lines=lines)
    for fast, update, slow in ((encoder, follow[0], key_encoder), (head, follow[1], key_head)):
        d.arrow(fast, update, dashed=True)
        d.arrow(update, slow, dashed=True)
    shape = "batch output_dim"
    d.arrow(scale1, loss, shape, name="query", x=56, lines=["query [batch,", "output_dim]"])
    d.arrow(
        scale2,
        loss,
        shape,
        name="keys",
        via=[(300, 329)],
        label="left",
        lines=["keys [batch,", "output_dim]"],
    )
    d.arrow(scale2, insert, shape, name="keys", x=346, label=None, dashed=True)
    d.arrow(insert, queue, "queue_size output_dim", label=None, dashed=True)
    d.arrow(queue, loss, "queue_size output_dim", x=184, lines=["[queue_size,", "output_dim]"])
    d.arrow(loss, number, "", x=56)
    d.note("Dashed: MoCo.update after each step, no gradients.", 5, 446)
    return d
