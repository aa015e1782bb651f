"""NT-Xent taken apart: uniformity, and a loss that leaves out false negatives."""

import torch
import torch.nn.functional as F

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.exercises.self_supervised.contrastive.simclr import two_views
from fmlib.self_supervised.contrastive.taken_apart import nt_xent_between_classes, uniformity


def plain_uniformity(z):
    z = F.normalize(z, dim=1)
    distances = (z[:, None] - z[None]).square().sum(dim=2)
    first, second = torch.triu_indices(len(z), len(z), offset=1)
    return (-2 * distances[first, second]).exp().mean().log()


def embeddings(generator, batch, dim, dtype=torch.float32, lengths=False):
    """Rows that lean to one side; on request, of very different lengths."""
    z = torch.randn(batch, dim, generator=generator, dtype=dtype) + 0.5
    return {"z": z * torch.tensor([0.2, 5.0], dtype=dtype).repeat(batch)[:batch, None] if lengths else z}


UNIFORMITY = Exercise(
    name="uniformity",
    chapter="self_supervised",
    title="How evenly do embeddings spread?",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
`z` is `[batch, dim]`, embeddings of at least two different pictures, of any length. Normalize each row to length 1, and
measure how evenly the rows spread over the sphere:

$$\log \, \operatorname*{mean}_{i < j} \, \exp\left(-2 \, \lVert z_i - z_j \rVert^2\right)$$

The mean is over all pairs of two *different* rows. Return a scalar tensor of the dtype of `z` (float32 or float64),
through which gradients flow.
It is 0 when all rows point the same way, and lower the farther apart they are.
""",
    starter='''
import torch
import torch.nn.functional as F


def uniformity(z):
    """log of the mean of exp(-2 · squared distance) over all pairs of rows: a scalar."""
    raise NotImplementedError("write uniformity")
''',
    reference=uniformity,
    observe=watch(gradient=("z",)),
    cases=(
        Case("5 rows", lambda g: embeddings(g, 5, 4)),
        Case("2 rows, the fewest: one pair", lambda g: embeddings(g, 2, 3)),
        Case("lengths 0.2 and 5", lambda g: embeddings(g, 6, 3, lengths=True)),
        Case("float64", lambda g: embeddings(g, 4, 6, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "Each row is also paired with itself, at distance 0, which adds `batch` ones to the mean. Take pairs of two "
            "different rows: those above the diagonal.",
            slips(plain_uniformity, {"(-2 * distances[first, second])": "(-2 * distances)"}),
        ),
        Misconception(
            "The rows are not normalized. Without it, long embeddings are far apart wherever they point: "
            "`F.normalize(z, dim=1)`.",
            slips(plain_uniformity, {"z = F.normalize(z, dim=1)": "z = 1.0 * z"}),
        ),
        Misconception(
            "You normalize columns: `dim=0` runs over the batch. Each picture's embedding, a row, gets length 1: "
            "`dim=1`.",
            slips(plain_uniformity, {"F.normalize(z, dim=1)": "F.normalize(z, dim=0)"}),
        ),
        Misconception(
            "The distances are not squared. The formula has $\\lVert z_i - z_j \\rVert^2$: the sum of the squared "
            "differences, "
            "without a root.",
            slips(plain_uniformity, {".square().sum(dim=2)": ".square().sum(dim=2).clamp(min=1e-12).sqrt()"}),
        ),
        Misconception(
            "The order of logarithm and mean is turned round: the mean of the logarithms is just the mean of -2 · "
            "distance², "
            "which a few far pairs can satisfy. Exponentiate, take the mean, then the logarithm.",
            slips(plain_uniformity, {".exp().mean().log()": ".exp().log().mean()"}),
        ),
        Misconception(
            "The logarithm is missing.",
            slips(plain_uniformity, {".exp().mean().log()": ".exp().mean()"}),
        ),
        Misconception(
            "The pairs are added up where their mean is asked for: the result then grows with the batch.",
            slips(plain_uniformity, {".exp().mean().log()": ".exp().sum().log()"}),
        ),
        Misconception(
            "The sign is wrong: near pairs must count most, exp(-2 · distance²). Yours is dominated by the far ones.",
            slips(
                plain_uniformity,
                {"(-2 * distances[first, second])": "(2 * distances[first, second])"},
                {"return (-2": "return -(-2"},
            ),
        ),
        Misconception(
            "The factor 2 in the exponent is missing or another one.",
            slips(plain_uniformity, {"(-2 * ": "(-1 * "}, {"(-2 * ": "(-4 * "}, {"(-2 * ": "(-0.5 * "}),
        ),
        Misconception(
            "No gradient gets through: `.item()`, `.detach()`, `float()` or NumPy cut the result off from the "
            "embeddings. "
            "Return the tensor itself.",
            slips(
                plain_uniformity,
                {".mean().log()": ".mean().log().detach()"},
                {".mean().log()": ".mean().log().item()"},
            ),
        ),
    ),
    hints=(
        "`z[:, None] - z[None]` has every difference of two rows, `[batch, batch, dim]`.",
        "`torch.triu_indices(batch, batch, offset=1)` gives the places above the diagonal: each pair once, no row "
        "with itself.",
        "In this order: normalize, squared distances, pairs, `exp(-2 * ...)`, `mean`, `log`.",
    ),
)


def plain_between_classes(z1, z2, labels, temperature=0.5):
    batch = len(z1)
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    both = torch.cat([labels, labels])
    partner = (torch.arange(2 * batch) + batch) % (2 * batch)
    left_out = both[:, None] == both[None]
    left_out[torch.arange(2 * batch), partner] = False
    logits = (z @ z.T / temperature).masked_fill(left_out, -torch.inf)
    return F.cross_entropy(logits, partner)


def labeled_views(generator, labels, dim, dtype=torch.float32):
    return {**two_views(generator, len(labels), dim, dtype), "labels": torch.tensor(labels)}


BETWEEN_CLASSES = Exercise(
    name="nt_xent_between_classes",
    chapter="self_supervised",
    title="Negatives that are none",
    kind="write",
    difficulty=3,
    minutes=15,
    goal=r"""
An oracle tells you the class of each picture, and you use it for one thing only: to leave out *false negatives*. `z1`
and `z2` are
`[batch, dim]`, of any length, row i of both from picture i, whose class is `labels[i]` (int64 `[batch]`, any
numbers). As in NT-Xent, each of the
`2 * batch` rows must pick its partner, the other view of its own picture, by the cosine similarity divided by
`temperature`. But its other candidates
are only the rows of pictures of *another* class. The partner stays a candidate, of course, and remains the only right
answer.

Return the mean cross-entropy over all `2 * batch` rows, a scalar tensor of the dtype of `z1` (float32 or float64, the
same for both), through which
gradients flow. If all pictures share one class, each row has
only its partner left, and its loss is 0.
""",
    starter='''
import torch
import torch.nn.functional as F


def nt_xent_between_classes(z1, z2, labels, temperature=0.5):
    """NT-Xent without the negatives of the picture's own class: a scalar."""
    raise NotImplementedError("write nt_xent_between_classes")
''',
    reference=nt_xent_between_classes,
    observe=watch(gradient=("z1", "z2")),
    cases=(
        Case(
            "5 pictures of 2 classes, temperature 0.5",
            lambda g: {**labeled_views(g, [1, 0, 1, 0, 0], 4), "temperature": 0.5},
        ),
        Case(
            "classes -1, 0 and 1000, the default temperature",
            lambda g: labeled_views(g, [1000, -1, 0, -1, 1000], 6),
        ),
        Case(
            "every picture of another class: NT-Xent",
            lambda g: {**labeled_views(g, [2, 0, 1], 5), "temperature": 0.2},
        ),
        Case("one class: no negatives at all", lambda g: labeled_views(g, [4, 4, 4], 3)),
        Case("float64", lambda g: {**labeled_views(g, [0, 1, 1, 2], 6, torch.float64), "temperature": 0.25}),
    ),
    misconceptions=(
        Misconception(
            "The partner was left out with its class: it shows the same picture, so it has the same label. Put it "
            "back, it "
            "is the right answer.",
            slips(
                plain_between_classes,
                {"left_out[torch.arange(2 * batch), partner] = False": "left_out.clone()"},
            ),
        ),
        Misconception(
            "Every other row is still a candidate, but for the row itself: that is NT-Xent, with its false "
            "negatives. Leave out "
            "the rows of the same class.",
            slips(
                plain_between_classes,
                {"both[:, None] == both[None]": "torch.eye(2 * batch, dtype=torch.bool)"},
            ),
        ),
        Misconception(
            "You kept the same class and left out the others: the mask is the wrong way round. Negatives are of "
            "another class.",
            slips(plain_between_classes, {"both[:, None] == both[None]": "both[:, None] != both[None]"}),
        ),
        Misconception(
            "All pictures of the class count as right answers. That is another method, supervised contrastive "
            "learning; here "
            "the labels only take negatives away.",
            slips(
                plain_between_classes,
                {
                    "return F.cross_entropy(logits, partner)": "same = (both[:, None] == "
                    "both[None]).fill_diagonal_(False)\n"
                    "    every = (z @ z.T / temperature).fill_diagonal_(-torch.inf).log_softmax(dim=1)\n"
                    "    return -(every.masked_fill(~same, 0).sum(dim=1) / same.sum(dim=1)).mean()"
                },
            ),
        ),
        Misconception(
            "Rows are left out by setting their similarity to 0, which leaves each with weight exp(0) = 1. Only "
            "`-inf` takes a "
            "candidate out.",
            slips(plain_between_classes, {"-torch.inf": "0.0"}),
        ),
        Misconception(
            "The rows are not normalized: divide each by its length, `F.normalize(z, dim=1)`.",
            slips(plain_between_classes, {"F.normalize(torch.cat([z1, z2]), dim=1)": "torch.cat([z1, z2])"}),
        ),
        Misconception(
            "The temperature is missing or on the wrong side: similarities are divided by it.",
            slips(plain_between_classes, {"/ temperature": "* temperature"}, {"/ temperature": "/ 1.0"}),
        ),
        Misconception(
            "The loss is summed where it should be averaged over all `2 * batch` rows.",
            slips(plain_between_classes, {"(logits, partner)": "(logits, partner, reduction='sum')"}),
        ),
        Misconception(
            "Only one direction counts: average over all `2 * batch` rows, second views look for first views, too.",
            slips(
                plain_between_classes,
                {"(logits, partner)": "(logits[:batch], partner[:batch])"},
                {"(logits, partner)": "(logits[batch:], partner[batch:])"},
            ),
        ),
        Misconception(
            "Only one view gets a gradient, or none. Both views are moved.",
            slips(
                plain_between_classes,
                {"[z1, z2]": "[z1, z2.detach()]"},
                {"[z1, z2]": "[z1.detach(), z2]"},
                {"(logits, partner)": "(logits, partner).detach()"},
                {"(logits, partner)": "(logits, partner).item()"},
            ),
        ),
    ),
    hints=(
        "Begin with your `nt_xent`. What changes is the mask: there it was the diagonal, here it is larger.",
        "With `both = torch.cat([labels, labels])`, `both[:, None] == both` says which rows are of one class, each "
        "with itself included.",
        "Then take the partners out of the mask again, `mask[torch.arange(2 * batch), partner] = False`, and fill "
        "with `-inf`.",
    ),
)
