"""SimCLR's loss: positive_indices and nt_xent."""

import torch
import torch.nn.functional as F

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.contrastive.simclr import nt_xent, positive_indices


def plain_positive_indices(batch):
    first = torch.arange(batch)
    return torch.cat([first + batch, first])


POSITIVE_INDICES = Exercise(
    name="positive_indices",
    chapter="self_supervised",
    title="Who is whose partner",
    kind="write",
    difficulty=1,
    minutes=5,
    goal="""
SimCLR stacks two views of a batch: rows 0 to `batch - 1` are the first views of pictures 0 to
`batch - 1`, and the next `batch` rows are their second views. Write a function from `batch` (at least
1) to an int64 tensor of length `2 * batch` that says for every row in which row its partner stands: the
other view of the same picture.
""",
    starter='''
import torch


def positive_indices(batch):
    """The row of each row's partner: int64 [2 * batch]."""
    raise NotImplementedError("write positive_indices")
''',
    reference=positive_indices,
    cases=tuple(
        Case(f"batch = {batch}", lambda generator, batch=batch: {"batch": batch}) for batch in (3, 2, 1, 8)
    ),
    misconceptions=(
        Misconception(
            "Every row points at itself. The partner of a row is the other view of its picture, "
            "`batch` rows away.",
            slips(plain_positive_indices, {"first + batch, first": "first, first + batch"}),
        ),
        Misconception(
            "You pair neighbors (0 with 1, 2 with 3), as if the two views of a picture lay side "
            "by side. They are stacked: all first views, then all second views, so partners are "
            "`batch` rows apart.",
            (lambda batch: torch.arange(2 * batch) ^ 1,),
        ),
        Misconception(
            "The second half runs past the last row. Rows `batch` and up find their partners back "
            "at row 0: add `batch` and wrap round at `2 * batch`.",
            (lambda batch: torch.arange(batch, 3 * batch),),
        ),
        Misconception(
            "Both halves have the same answer. It is right for one of them only: first views "
            "point forward to their second views, second views point back.",
            slips(
                plain_positive_indices,
                {"first + batch, first": "first, first"},
                {"first + batch, first": "first + batch, first + batch"},
            ),
        ),
        Misconception(
            "Only the first half is there. Second views look for their partners too: `2 * batch` "
            "rows, `2 * batch` answers.",
            (
                lambda batch: torch.arange(batch, 2 * batch),
                lambda batch: torch.arange(batch),
            ),
        ),
        Misconception(
            "You are off by one: count from 0. Row 0 and row `batch` are partners.",
            (
                lambda batch: torch.arange(2 * batch).roll(-batch + 1),
                lambda batch: torch.arange(2 * batch).roll(-batch - 1),
                lambda batch: torch.arange(2 * batch).roll(-batch) + 1,
            ),
        ),
        Misconception(
            "The order is reversed: row i of both halves is the same picture, so the second half "
            "is read from its start.",
            (lambda batch: torch.arange(2 * batch).flip(0),),
        ),
    ),
    hints=(
        "Write the answer down for `batch = 3`: the rows are a0 a1 a2 b0 b1 b2. Where is the "
        "partner of a0? Of b0?",
        "The answer is two ranges, one after the other: one starts at `batch`, the other at 0.",
        "`torch.arange` makes a range; `torch.cat` joins two, or `.roll(-batch)` turns one of "
        "length `2 * batch`.",
    ),
)


def plain_nt_xent(z1, z2, temperature=0.5):
    batch = len(z1)
    z = F.normalize(torch.cat([z1, z2]), dim=1)
    logits = z @ z.T / temperature
    logits = logits.masked_fill(torch.eye(2 * batch, dtype=torch.bool), -torch.inf)
    partner = (torch.arange(2 * batch) + batch) % (2 * batch)
    return F.cross_entropy(logits, partner)


def two_views(generator, batch, dim, dtype=torch.float32, lengths=False):
    """Embeddings of two views that agree in part; on request, of very different lengths."""
    z1 = torch.randn(batch, dim, generator=generator, dtype=dtype)
    z2 = z1 + torch.randn(batch, dim, generator=generator, dtype=dtype)
    if lengths:
        z1 = z1 * torch.tensor([0.2, 5.0], dtype=dtype).repeat(batch)[:batch, None]
    return {"z1": z1, "z2": z2}


NT_XENT = Exercise(
    name="nt_xent",
    chapter="self_supervised",
    title="The NT-Xent loss",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
`z1` and `z2` are `[batch, dim]`, of any length: row i of both comes from picture i, and there are at
least two pictures. Stack them, normalize each row, and let every one of the `2 * batch` rows pick its
partner among the other `2 * batch - 1` rows:

$$\ell_i = -\log \frac{\exp(s_{i,p(i)} / \tau)}{\sum_{k \ne i} \exp(s_{i,k} / \tau)}$$

where $s_{i,k}$ is the cosine similarity of rows $i$ and $k$, $p(i)$ the partner of $i$, and $\tau$ the
temperature. Return the mean of $\ell_i$ as a scalar tensor of the dtype of `z1`, through which gradients
flow. `z1` and `z2` have one dtype, float32 or float64.
""",
    starter='''
import torch
import torch.nn.functional as F


def nt_xent(z1, z2, temperature=0.5):
    """Mean cross-entropy of finding each row's partner: a scalar."""
    raise NotImplementedError("write nt_xent")
''',
    reference=nt_xent,
    observe=watch(gradient=("z1", "z2")),
    cases=(
        Case("3 pictures, temperature 0.5", lambda g: {**two_views(g, 3, 4), "temperature": 0.5}),
        Case("2 pictures, the fewest, temperature 0.2", lambda g: {**two_views(g, 2, 3), "temperature": 0.2}),
        Case("the default temperature", lambda g: two_views(g, 4, 8)),
        Case(
            "lengths 0.2 and 5, temperature 1",
            lambda g: {**two_views(g, 5, 4, lengths=True), "temperature": 1.0},
        ),
        Case("float64", lambda g: {**two_views(g, 4, 6, torch.float64), "temperature": 0.25}),
    ),
    misconceptions=(
        Misconception(
            "Self-similarity is left in: each row may pick itself, with the highest similarity "
            "there is, and the partner can never win. Set the diagonal of the similarities to "
            "`-inf` before the softmax.",
            slips(plain_nt_xent, {"torch.eye(2 * batch, dtype=torch.bool)": "torch.tensor(False)"}),
        ),
        Misconception(
            "The diagonal is set to 0, which leaves every row in its own denominator with weight "
            "exp(0) = 1. Only `-inf` takes it out.",
            slips(plain_nt_xent, {"-torch.inf": "0.0"}),
        ),
        Misconception(
            "The rows are not normalized. Without it the loss can shrink by making embeddings "
            "long rather than alike: divide each row by its length, `F.normalize(z, dim=1)`.",
            slips(plain_nt_xent, {"F.normalize(torch.cat([z1, z2]), dim=1)": "torch.cat([z1, z2])"}),
        ),
        Misconception(
            "You normalize columns: `dim=0` runs over the batch. Each picture's embedding, a row, "
            "gets length 1: `dim=1`.",
            slips(
                plain_nt_xent,
                {"dim=1": "dim=0"},
                {
                    "F.normalize(torch.cat([z1, z2]), dim=1)": "torch.cat([F.normalize(z, dim=0) for z in (z1, z2)])"
                },
            ),
        ),
        Misconception(
            "The temperature is on the wrong side: similarities are divided by it. A low "
            "temperature must sharpen the softmax, yours flattens it.",
            slips(plain_nt_xent, {"/ temperature": "* temperature"}),
        ),
        Misconception(
            "The temperature is not used. Divide the similarities by it before the softmax.",
            slips(plain_nt_xent, {"/ temperature": "/ 1.0"}),
        ),
        Misconception(
            "Each row is told to find itself rather than its partner. The target of row i is row "
            "i + batch, and back.",
            slips(
                plain_nt_xent,
                {"+ batch)": "+ 0)"},
                {"+ batch)": "+ 0)", "torch.eye(2 * batch, dtype=torch.bool)": "torch.tensor(False)"},
            ),
        ),
        Misconception(
            "The positives are off: you pair neighboring rows (0 with 1), but views are stacked, "
            "so partners are `batch` apart.",
            slips(
                plain_nt_xent,
                {"(torch.arange(2 * batch) + batch) % (2 * batch)": "torch.arange(2 * batch) ^ 1"},
            ),
        ),
        Misconception(
            "The loss is summed where it should be averaged over all `2 * batch` rows: as a sum, "
            "the step grows with the batch.",
            slips(
                plain_nt_xent,
                {"(logits, partner)": "(logits, partner, reduction='sum')"},
            ),
        ),
        Misconception(
            "The loss is off by a factor of two. It is the mean over all `2 * batch` rows, both directions together.",
            slips(
                plain_nt_xent,
                {"(logits, partner)": "(logits, partner) * 2"},
                {"(logits, partner)": "(logits, partner) / 2"},
            ),
        ),
        Misconception(
            "Only one direction counts: first views look for second views, but second views never "
            "look for first ones. Average over all `2 * batch` rows.",
            slips(
                plain_nt_xent,
                {"(logits, partner)": "(logits[:batch], partner[:batch])"},
                {"(logits, partner)": "(logits[batch:], partner[batch:])"},
            ),
        ),
        Misconception(
            "Negatives come from the other view only. In SimCLR the other pictures' embeddings of "
            "the same view are negatives too: compare all `2 * batch` rows with all.",
            slips(
                plain_nt_xent,
                {"(logits, partner)": "(logits[:batch, batch:], torch.arange(batch))"},
                {
                    "torch.eye(2 * batch, dtype=torch.bool)": "torch.kron(torch.eye(2), torch.ones(batch, batch)).bool()"
                },
            ),
        ),
        Misconception(
            "The positive is missing from the denominator. The sum runs over all rows but row i "
            "itself, the partner included, as in any softmax.",
            slips(
                plain_nt_xent,
                {
                    "F.cross_entropy(logits, partner)": "(logits.scatter(1, partner[:, None], -torch.inf).logsumexp(1)"
                    " - logits.gather(1, partner[:, None])[:, 0]).mean()"
                },
            ),
        ),
        Misconception(
            "The sign is wrong: that is the log-probability of the partner, to be made large. A "
            "loss is its negative.",
            slips(plain_nt_xent, {"return F": "return -F"}),
        ),
        Misconception(
            "No gradient gets through: `.item()`, `.detach()`, `float()` or NumPy cut the loss "
            "off from the embeddings. Return the tensor itself.",
            slips(
                plain_nt_xent,
                {"(logits, partner)": "(logits, partner).detach()"},
                {"(logits, partner)": "(logits, partner).item()"},
            ),
        ),
        Misconception(
            "Only one view gets a gradient. SimCLR has no stop-gradient: both views are moved "
            "towards each other.",
            slips(plain_nt_xent, {"[z1, z2]": "[z1, z2.detach()]"}, {"[z1, z2]": "[z1.detach(), z2]"}),
        ),
    ),
    hints=(
        "Four steps: stack and normalize to `[2 * batch, dim]`; all similarities `[2 * batch, "
        "2 * batch]`; make it impossible to pick oneself; a cross-entropy whose target is "
        "the partner's row.",
        "The sum in the denominator is that of a softmax over a row of similarities, so "
        "`F.cross_entropy(similarities / temperature, target)` does the logarithm, the sum "
        "and the mean.",
        "`similarities.fill_diagonal_(float('-inf'))` takes each row out of its own softmax. "
        "The target of row i is the row of its partner: `positive_indices` of the exercise before, also in the library.",
    ),
)
