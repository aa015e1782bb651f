"""A drawing of the ways to use an encoder, with the names of their code."""

from fmlib.viz import Diagram


def ways() -> Diagram:
    """`Frozen` features for three classifiers on the left, a `Classifier` that learns as a whole on the right."""
    d = Diagram("Frozen features for simple classifiers, or one network that learns as a whole", width=390)
    images = d.box("images", 45, 8, width=110, kind="data", code="Frozen.forward:images")
    frozen = d.box("Frozen.encoder", 30, 76, width=140, height=34, kind="memory")
    neighbors = d.box("knn_predict", 5, 176, width=92)
    means = d.box("nearest_mean", 103, 176, width=100)
    scale = d.box("standardize", 5, 244, width=198)
    probe = d.box("logistic_regression", 5, 312, width=198)
    pictures = d.box("images", 245, 8, width=110, kind="data", code="Classifier.forward:images")
    encoder = d.box("Classifier.encoder", 230, 76, width=140, height=34, kind="weights")
    head = d.box("Classifier.head", 230, 176, width=140, height=34, kind="weights")
    loss = d.box("F.cross_entropy", 230, 312, width=140)
    d.arrow(images, frozen, "batch *picture", x=100)
    d.arrow(pictures, encoder, "batch *picture", x=300, lines=["[batch,", "*picture]"])
    d.arrow(encoder, head, "batch features", x=300, lines=["[batch,", "features]"])
    d.arrow(head, loss, "batch classes", x=300, lines=["[batch,", "classes]"])
    d.arrow(frozen, neighbors, "batch features", x=50, label=None)
    d.arrow(frozen, means, "batch features", x=150, lines=["[batch,", "features]"])
    d.arrow(frozen, scale, "batch features", x=100, label=None)
    d.arrow(scale, probe, "batch features", x=104)
    d.note("Filled once from the labels;\nthe encoder stands still.", 5, 362)
    d.note("Gradients reach\nhead and encoder.", 230, 362)
    return d
