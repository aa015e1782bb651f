"""Drawings of the masked autoencoder and of BERT's pretraining, with the names of their code."""

from fmlib.viz import Diagram


def mae() -> Diagram:
    """`MAE` from pictures to the loss."""
    d = Diagram("MAE: the encoder reads what is visible, a light decoder paints everything", width=390)
    images = d.box("images", 30, 8, width=90, kind="data", code="MAE.forward:images")
    noise = d.box("noise", 262, 8, width=90, kind="data", code="MAE.forward:noise")
    embed = d.box("MAE.encoder.embed", 5, 84, width=140)
    split = d.box("split_patches", 232, 84, width=150)
    choose = d.box("pick", 5, 166, width=270)
    read = d.box("MAE.encoder.read", 5, 234, width=140)
    decode = d.box("MAE.decode", 5, 302, width=320)
    loss = d.box("mae_loss", 5, 370, width=377)
    target = d.box("patch_targets", 5, 438, width=140)
    true = d.box("images", 30, 514, width=90, kind="data", code="patch_targets:images")
    number = d.box("loss", 302, 438, width=80, kind="data", code="mae_loss")
    picture = "batch channels size size"
    d.arrow(images, embed, picture, lines=["[batch,", "channels,", "size, size]"])
    d.arrow(noise, split, "batch patches", label="left")
    d.arrow(embed, choose, "batch patches dim", x=75, label=(82, 130, "start"))
    d.arrow(split, choose, "batch keep", name="visible", x=255, label=None)
    d.arrow(choose, read, "batch keep dim", x=75)
    d.arrow(read, decode, "batch tokens dim", x=75)
    d.arrow(split, decode, "batch patches", name="restore", x=300, label=None)
    d.arrow(decode, loss, "batch patches patch_dim", name="painted", x=75)
    d.arrow(split, loss, "batch patches", name="hidden", x=360, label=None)
    d.arrow(target, loss, "batch patches patch_dim", name="target", x=75)
    d.arrow(true, target, picture, label=None)
    d.arrow(loss, number, "", x=342)
    d.note("visible", 250, 156, "end")
    d.note("restore", 293, 216, "end")
    d.note("hidden", 353, 256, "end")
    d.note("visible is [batch, keep];\nrestore and hidden\nare [batch, patches].", 160, 520)
    return d


def bert() -> Diagram:
    """`BertPretraining` from pieces of text to the loss."""
    d = Diagram("BERT's pretraining: hidden tokens, and whether the second half follows", width=390)
    pieces = d.box("pieces", 20, 8, width=90, kind="data", code="sentence_pairs:pieces")
    others = d.box("others", 150, 8, width=90, kind="data", code="sentence_pairs:others")
    follows = d.box("follows", 285, 8, width=90, kind="data", code="sentence_pairs:follows")
    pairs = d.box("sentence_pairs", 5, 76, width=380)
    hide = d.box("mask_tokens", 5, 144, width=150)
    model = d.box("BertPretraining.forward", 5, 212, width=290)
    loss = d.box("pretraining_loss", 5, 288, width=380)
    number = d.box("loss", 35, 346, width=80, kind="data", code="pretraining_loss")
    text = "batch length"
    d.arrow(pieces, pairs, text, x=65)
    d.arrow(others, pairs, text, x=195, label=None)
    d.arrow(follows, pairs, "batch", x=330)
    joined = "batch joined"
    d.arrow(pairs, hide, joined, name="tokens", x=65)
    d.arrow(pairs, model, joined, name="types", x=225)
    d.arrow(hide, model, joined, name="read", x=65)
    d.arrow(model, loss, "asked vocab", name="logits", x=65)
    d.arrow(model, loss, "batch 2", name="relation", x=225)
    d.arrow(pairs, loss, "batch", name="labels", x=350, label="left")
    d.arrow(loss, number, "", x=75)
    d.note("mask_tokens also gives the loss its targets.", 5, 396)
    return d
