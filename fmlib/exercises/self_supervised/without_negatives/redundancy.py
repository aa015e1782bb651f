"""The losses of Barlow Twins and VICReg: barlow_loss and variance_term."""

import torch
import torch.nn.functional as F

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.self_supervised.without_negatives.redundancy import barlow_loss, variance_term


def plain_barlow_loss(z1, z2, off_diagonal=5e-3):
    a = (z1 - z1.mean(dim=0)) / (z1.var(dim=0, unbiased=False) + 1e-5).sqrt()
    b = (z2 - z2.mean(dim=0)) / (z2.var(dim=0, unbiased=False) + 1e-5).sqrt()
    c = a.T @ b / len(z1)
    own = (1 - c.diagonal()).square().sum()
    others = c[~torch.eye(len(c), dtype=torch.bool)].square().sum()
    return own + off_diagonal * others


def two_views(generator, batch, dim, dtype=torch.float32, away=0.0, noise=1.0):
    """Embeddings of two views that agree in part, each feature with a mean and a scale of its own."""
    z1 = torch.randn(batch, dim, generator=generator, dtype=dtype)
    z2 = z1 + noise * torch.randn(batch, dim, generator=generator, dtype=dtype)
    scale = torch.linspace(0.5, 3, dim, dtype=dtype)
    return {"z1": z1 * scale + away, "z2": z2 + away * scale}


BARLOW_LOSS = Exercise(
    name="barlow_loss",
    chapter="self_supervised",
    title="Twins that repeat nothing",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
`z1` and `z2` are `[batch, dim]`, of one dtype, float32 or float64: row i of both comes from picture i; there are at least
two rows. Standardize each feature of each view over the batch: subtract its mean, and divide by
$\sqrt{\text{variance} + 10^{-5}}$, where the variance is the mean square (divided by `batch`, not by `batch - 1`). With
$\hat z$ the standardized embeddings, the cross-correlation is $C = \hat z_1^\top \hat z_2 / \text{batch}$, and the loss

$$\sum_i (1 - C_{ii})^2 + \lambda \sum_i \sum_{j \ne i} C_{ij}^2$$

with $\lambda$ the weight `off_diagonal`. Return it as a scalar tensor of the dtype of `z1`; its gradient reaches both views.
""",
    starter='''
import torch


def barlow_loss(z1, z2, off_diagonal=5e-3):
    """How far the cross-correlation of two views is from the identity: a scalar."""
    raise NotImplementedError("write barlow_loss")
''',
    reference=barlow_loss,
    observe=watch(gradient=("z1", "z2")),
    cases=(
        Case("5 pictures, 3 features, weight 0.5", lambda g: {**two_views(g, 5, 3), "off_diagonal": 0.5}),
        Case("means away from 0, weight 1", lambda g: {**two_views(g, 6, 4, away=2.0), "off_diagonal": 1.0}),
        Case("the default weight", lambda g: two_views(g, 8, 6)),
        Case("2 pictures, the fewest", lambda g: {**two_views(g, 2, 3, noise=0.1), "off_diagonal": 0.3}),
        Case("1 feature", lambda g: {**two_views(g, 4, 1), "off_diagonal": 0.5}),
        Case(
            "features that hardly vary, float64",
            lambda g: {
                **{k: 3e-3 * v for k, v in two_views(g, 7, 4, torch.float64).items()},
                "off_diagonal": 0.2,
            },
        ),
        Case("weight 0", lambda g: {**two_views(g, 5, 3), "off_diagonal": 0.0}),
    ),
    misconceptions=(
        Misconception(
            "You compare pictures, not features: the matrix is `[batch, batch]`. That is what contrastive methods look at; "
            "here C is `[dim, dim]`, the transpose comes first.",
            slips(plain_barlow_loss, {"a.T @ b / len(z1)": "a @ b.T / z1.shape[1]"}),
        ),
        Misconception(
            "The mean is not subtracted, so C is no correlation: a feature that is always large goes with everything.",
            slips(
                plain_barlow_loss,
                {"(z1 - z1.mean(dim=0)) /": "z1 /", "(z2 - z2.mean(dim=0)) /": "z2 /"},
            ),
        ),
        Misconception(
            "You scale each row to length 1. Each *feature* gets mean 0 and variance 1, over the batch: `dim=0`.",
            slips(
                plain_barlow_loss,
                {
                    "(z1 - z1.mean(dim=0)) / (z1.var(dim=0, unbiased=False) + 1e-5).sqrt()": "z1 / z1.norm(dim=1)[:, None]",
                    "(z2 - z2.mean(dim=0)) / (z2.var(dim=0, unbiased=False) + 1e-5).sqrt()": "z2 / z2.norm(dim=1)[:, None]",
                },
            ),
        ),
        Misconception(
            "You standardize each row. Each *feature* gets mean 0 and variance 1, over the batch: `dim=0`.",
            slips(
                plain_barlow_loss,
                {
                    "(z1 - z1.mean(dim=0)) / (z1.var(dim=0,": "(z1 - z1.mean(1, keepdim=True)) / (z1.var(1, keepdim=True,",
                    "(z2 - z2.mean(dim=0)) / (z2.var(dim=0,": "(z2 - z2.mean(1, keepdim=True)) / (z2.var(1, keepdim=True,",
                },
            ),
        ),
        Misconception(
            "The small number under the root is missing; it matters for features that hardly vary.",
            slips(
                plain_barlow_loss,
                {
                    "(z1.var(dim=0, unbiased=False) + 1e-5)": "z1.var(dim=0, unbiased=False)",
                    "(z2.var(dim=0, unbiased=False) + 1e-5)": "z2.var(dim=0, unbiased=False)",
                },
            ),
        ),
        Misconception(
            "The small number is added to the standard deviation. It belongs under the root, to the variance.",
            slips(
                plain_barlow_loss,
                {
                    "(z1.var(dim=0, unbiased=False) + 1e-5).sqrt()": "(z1.var(dim=0, unbiased=False).sqrt() + 1e-5)",
                    "(z2.var(dim=0, unbiased=False) + 1e-5).sqrt()": "(z2.var(dim=0, unbiased=False).sqrt() + 1e-5)",
                },
            ),
        ),
        Misconception(
            "C is divided by `batch - 1`: then a feature that agrees with itself fully has more than 1 on the diagonal.",
            slips(plain_barlow_loss, {" / len(z1)": " / (len(z1) - 1)"}),
        ),
        Misconception(
            "The features are not divided by their standard deviation: the loss could then shrink or grow by their scale.",
            slips(
                plain_barlow_loss,
                {
                    " / (z1.var(dim=0, unbiased=False) + 1e-5).sqrt()": "",
                    " / (z2.var(dim=0, unbiased=False) + 1e-5).sqrt()": "",
                },
            ),
        ),
        Misconception(
            "C is not divided by the number of pictures, so its diagonal would have to be 1 where it can be as large as the "
            "batch.",
            slips(plain_barlow_loss, {" / len(z1)": ""}),
        ),
        Misconception(
            "The variance is divided by `batch - 1`, and C by `batch`: then a feature that agrees with itself "
            "fully has less "
            "than 1 on the diagonal. Here both are divided by `batch`.",
            slips(
                plain_barlow_loss,
                {
                    "z1.var(dim=0, unbiased=False)": "z1.var(dim=0)",
                    "z2.var(dim=0, unbiased=False)": "z2.var(dim=0)",
                },
            ),
        ),
        Misconception(
            "The diagonal is pushed to 0, not to 1: a view should agree with the other in each feature.",
            slips(plain_barlow_loss, {"(1 - c.diagonal())": "c.diagonal()"}),
        ),
        Misconception(
            "The diagonal is among the others, too: it is pulled to 1 and to 0 at once. Leave it out of the second sum.",
            slips(plain_barlow_loss, {"c[~torch.eye(len(c), dtype=torch.bool)]": "c"}),
        ),
        Misconception(
            "The weight is on the wrong sum: the diagonal counts fully, what lies off it counts `off_diagonal`.",
            slips(plain_barlow_loss, {"own + off_diagonal * others": "off_diagonal * own + others"}),
        ),
        Misconception(
            "Sums are wanted where you take a mean.",
            slips(
                plain_barlow_loss,
                {
                    "(1 - c.diagonal()).square().sum()": "(1 - c.diagonal()).square().mean()",
                },
                {"dtype=torch.bool)].square().sum()": "dtype=torch.bool)].square().sum() / len(c)"},
            ),
        ),
        Misconception(
            "Only one view gets a gradient. Barlow Twins has no stop-gradient: both views learn.",
            slips(
                plain_barlow_loss,
                {"c = a.T @ b ": "c = a.T @ b.detach() "},
                {"c = a.T @ b ": "c = a.detach().T @ b "},
            ),
        ),
    ),
    hints=(
        "Five lines: standardize both views, multiply, divide by the batch, and take two sums.",
        "`c.diagonal()` is the diagonal. All squares minus the diagonal's squares are those off it.",
        "`a = (z1 - z1.mean(0)) / (z1.var(0, unbiased=False) + 1e-5).sqrt()`, the same for b; `c = a.T @ b / len(z1)`.",
    ),
)


def plain_variance_term(z):
    deviation = (z.var(dim=0) + 1e-4).sqrt()
    return F.relu(1 - deviation).mean()


def features(generator, rows, *deviations, dtype=torch.float32, away=0.0):
    """Features with exactly these standard deviations."""
    z = torch.randn(rows, len(deviations), generator=generator, dtype=torch.float64)
    z = (z - z.mean(dim=0)) / z.std(dim=0)
    return {"z": (z * torch.tensor(deviations, dtype=torch.float64) + away).to(dtype)}


VARIANCE_TERM = Exercise(
    name="variance_term",
    chapter="self_supervised",
    title="Each feature must vary",
    kind="write",
    difficulty=1,
    minutes=10,
    goal=r"""
VICReg forbids collapse directly: it asks of each feature of `z`, `[batch, dim]`, float32 or float64, with at least two rows,
for a standard deviation of at least 1 over the batch. With $v_j$ the variance of feature j over the batch (divided by
`batch - 1`), return

$$\frac{1}{\text{dim}} \sum_j \max\left(0,\; 1 - \sqrt{v_j + 10^{-4}}\right)$$

as a scalar tensor of the dtype of `z`, through which gradients flow; they must be finite also where a feature is constant.
""",
    starter='''
import torch
import torch.nn.functional as F


def variance_term(z):
    """How much the features' standard deviations fall short of 1: a scalar."""
    raise NotImplementedError("write variance_term")
''',
    reference=variance_term,
    observe=watch(gradient=("z",)),
    cases=(
        Case("deviations 0.5 and 0.2", lambda g: features(g, 6, 0.5, 0.2)),
        Case("deviations 3, 0.5 and 0.1", lambda g: features(g, 8, 3.0, 0.5, 0.1)),
        Case("all vary enough", lambda g: features(g, 5, 2.0, 1.5)),
        Case("a constant feature", lambda g: features(g, 4, 0.0, 0.6)),
        Case("far from 0", lambda g: features(g, 7, 0.3, 0.6, away=5.0)),
        Case("2 pictures", lambda g: features(g, 2, 0.4, 0.8, 0.7)),
        Case("float64", lambda g: features(g, 9, 0.9, 0.05, 1.2, 0.01, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "More than 1 earns something: one feature that varies much can pay for others that vary not at all. Cut each "
            "feature at 0 with `F.relu`, before the mean.",
            slips(
                plain_variance_term,
                {"F.relu(1 - deviation).mean()": "(1 - deviation).mean()"},
                {"F.relu(1 - deviation).mean()": "F.relu((1 - deviation).mean())"},
                {"F.relu(1 - deviation).mean()": "F.relu(1 - deviation.mean())"},
            ),
        ),
        Misconception(
            "What lies above 1 costs, too, and is pulled down: only what falls *short* of 1 costs.",
            slips(plain_variance_term, {"F.relu(1 - deviation)": "(1 - deviation).abs()"}),
        ),
        Misconception(
            "The sign is turned: what lies above 1 costs, and a feature that dies costs nothing.",
            slips(plain_variance_term, {"F.relu(1 - deviation)": "F.relu(deviation - 1)"}),
        ),
        Misconception(
            "You took the variance itself. Its gradient fades as a feature dies; that of the standard deviation does not, "
            "which is why the paper takes the root.",
            slips(plain_variance_term, {"(z.var(dim=0) + 1e-4).sqrt()": "z.var(dim=0) + 1e-4"}),
        ),
        Misconception(
            "The small number under the root is missing: where a feature is constant, the root has no finite gradient, and "
            "torch's own `std` has none at all that would wake it.",
            slips(plain_variance_term, {" + 1e-4": ""}, {"(z.var(dim=0) + 1e-4).sqrt()": "z.std(dim=0)"}),
        ),
        Misconception(
            "The small number is added to the standard deviation. It belongs under the root, to the variance.",
            slips(plain_variance_term, {"(z.var(dim=0) + 1e-4).sqrt()": "z.std(dim=0) + 1e-4"}),
        ),
        Misconception(
            "You look at each row. It is each *feature* that must vary, over the batch: `dim=0`.",
            slips(plain_variance_term, {"z.var(dim=0)": "z.var(dim=1)"}),
        ),
        Misconception(
            "The variance is divided by `batch`; here it is divided by `batch - 1`.",
            slips(plain_variance_term, {"z.var(dim=0)": "z.var(dim=0, unbiased=False)"}),
        ),
        Misconception(
            "The features are added up where their mean is wanted.",
            slips(plain_variance_term, {".mean()": ".sum()"}),
        ),
    ),
    hints=(
        "What should a feature with a standard deviation of 3 cost? And one with 0?",
        "`z.var(dim=0)` divides by `batch - 1`. `F.relu` is max(0, ·).",
        "`F.relu(1 - (z.var(dim=0) + 1e-4).sqrt()).mean()`",
    ),
)
