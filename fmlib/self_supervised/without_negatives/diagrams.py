"""Drawings of BYOL and DINO, with the names of their code."""

from fmlib.viz import Diagram


def byol() -> Diagram:
    """`BYOL` from two views to the loss, and what follows after a step."""
    d = Diagram("BYOL: the online network predicts what its slow copy says of the other view", width=390)
    view1 = d.box("view1", 16, 8, width=80, height=26, kind="data", code="BYOL.forward:view1")
    view2 = d.box("view2", 283, 8, width=80, height=26, kind="data", code="BYOL.forward:view2")
    join = d.box("torch.cat", 5, 82, width=380)
    encoder = d.box("encoder", 5, 160, width=102, height=30, kind="weights", code="BYOL.encoder")
    projector = d.box("projector", 5, 240, width=102, height=30, kind="weights", code="BYOL.projector")
    predictor = d.box("predictor", 5, 320, width=102, height=30, kind="weights", code="BYOL.predictor")
    slow = {"width": 124, "height": 30, "kind": "memory"}
    target_encoder = d.box("target_encoder", 261, 160, code="BYOL.target_encoder", **slow)
    target_projector = d.box("target_projector", 261, 240, code="BYOL.target_projector", **slow)
    follow = [d.box("momentum_update", 125, y, width=118, height=30) for y in (160, 240)]
    loss = d.box("prediction_loss", 5, 400, width=380)
    number = d.box("loss", 16, 458, width=80, kind="data", code="BYOL.loss")
    for x, view, side in ((56, view1, "right"), (323, view2, "left")):
        d.arrow(view, join, "batch *picture", x=x, label=side, lines=["[batch,", "*picture]"])
    for x, side, column in (
        (56, "right", (join, encoder, projector, predictor, loss)),
        (323, "left", (join, target_encoder, target_projector, loss)),
    ):
        sizes = ("*picture", "feature_dim", *["output_dim"] * (len(column) - 3))
        for start, end, size in zip(column, column[1:], sizes, strict=False):
            d.arrow(start, end, f"2·batch {size}", x=x, label=side, lines=["[2·batch,", f"{size}]"])
    for fast, update, copy in (
        (encoder, follow[0], target_encoder),
        (projector, follow[1], target_projector),
    ):
        d.arrow(fast, update, dashed=True)
        d.arrow(update, copy, dashed=True)
    d.arrow(loss, number, "", x=56)
    d.note(
        "The target gets the views the other way round.\nDashed: BYOL.update after each step, no gradients.",
        5,
        510,
    )
    return d


def dino() -> Diagram:
    """`DINO` from pictures to the loss, and what moves after a step."""
    d = Diagram("DINO: the student sees all views, the teacher the large ones", width=390)
    crops = d.box("MultiCrop", 5, 8, width=380)
    encoder = d.box("encoder", 5, 98, width=102, height=30, kind="weights", code="DINO.encoder")
    head = d.box("head", 5, 178, width=102, height=30, kind="weights", code="DINO.head")
    slow = {"width": 124, "height": 30, "kind": "memory"}
    teacher_encoder = d.box("teacher_encoder", 261, 98, code="DINO.teacher_encoder", **slow)
    teacher_head = d.box("teacher_head", 261, 178, code="DINO.teacher_head", **slow)
    follow = [d.box("momentum_update", 125, y, width=118, height=30) for y in (98, 178)]
    cut = d.box("Tensor.chunk", 5, 258, width=102, height=30)
    teacher_cut = d.box("Tensor.chunk", 261, 258, width=124, height=30)
    loss = d.box("dino_loss", 5, 338, width=238, height=30)
    number = d.box("loss", 16, 418, width=80, kind="data", code="DINO.loss")
    center = d.box("center", 125, 418, width=118, kind="memory", code="DINO.center")
    move = d.box("moved_center", 261, 418, width=124)
    d.arrow(crops, encoder, "large·batch *picture", x=24, label=None)
    d.arrow(
        crops, encoder, "small·batch *crop", x=98, lines=["[small·batch,", "*crop]"], label=(105, 58, "start")
    )
    d.arrow(
        crops,
        teacher_encoder,
        "large·batch *picture",
        x=323,
        label="left",
        lines=["[large·batch,", "*picture]"],
    )
    for x, side, column in (
        (56, "right", (encoder, head, cut)),
        (323, "left", (teacher_encoder, teacher_head, teacher_cut)),
    ):
        for start, end, size in zip(column, column[1:], ("feature_dim", "prototypes"), strict=False):
            d.arrow(start, end, f"large·batch {size}", x=x, label=side, lines=["[large·batch,", f"{size}]"])
    d.arrow(
        cut, loss, "batch prototypes", name="student", x=56, lines=["student, each", "[batch, prototypes]"]
    )
    d.arrow(
        teacher_cut,
        loss,
        "batch prototypes",
        name="teacher",
        via=[(290, 353)],
        label=(283, 318, "end"),
        lines=["teacher"],
    )
    d.arrow(teacher_cut, move, "large·batch prototypes", x=350, label=None, dashed=True)
    d.arrow(move, center, "prototypes", label=None, dashed=True)
    d.arrow(center, loss, "prototypes", x=184, lines=["[prototypes]"])
    for fast, update, copy in ((encoder, follow[0], teacher_encoder), (head, follow[1], teacher_head)):
        d.arrow(fast, update, dashed=True)
        d.arrow(update, copy, dashed=True)
    d.arrow(loss, number, "", x=56)
    d.note("The small views go through encoder and head alike.\nDashed: DINO.update after each step.", 5, 474)
    return d
