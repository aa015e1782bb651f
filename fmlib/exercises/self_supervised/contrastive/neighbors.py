"""Judging features by their neighbors: knn_predict."""

import torch
import torch.nn.functional as F

from fmlib.evaluate import knn_predict
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips


def plain_knn_predict(train_features, train_labels, features, k=20, temperature=0.07):
    train = F.normalize(train_features, dim=1)
    similarity = F.normalize(features, dim=1) @ train.T
    nearest = similarity.argsort(dim=1, descending=True)[:, :k]
    weight = (similarity.gather(1, nearest) / temperature).exp()
    labels = train_labels[nearest]
    votes = weight[:, :, None] * F.one_hot(labels, int(train_labels.max()) + 1)
    return votes.sum(dim=1).argmax(dim=1)


def labeled_features(generator, train, test, classes, dim=5):
    """Features of very different lengths whose classes overlap, so that every detail of the vote decides some rows."""
    centers = 0.5 * torch.randn(classes, dim, generator=generator)
    labels = torch.randint(classes, (train,), generator=generator)
    lengths = torch.randn(train + test, 1, generator=generator).exp()
    clouds = torch.randn(train + test, dim, generator=generator)
    return {
        "train_features": (centers[labels] + clouds[:train]) * lengths[:train],
        "train_labels": labels,
        "features": clouds[train:] * lengths[train:],
    }


def tied_votes(generator):
    """Two classes with the same votes: the labels come highest first."""
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return {
        "train_features": features,
        "train_labels": torch.tensor([2, 1, 0]),
        "features": torch.tensor([[3.0, 0.0]]),
        "k": 2,
    }


def labels_with_a_gap(generator):
    """Three classes of which the middle one has no row, and one number above 9."""
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    return {
        "train_features": features,
        "train_labels": torch.tensor([0, 2, 12]),
        "features": torch.tensor([[0.1, 2.0], [1.0, 0.1], [-0.1, 1.0], [0.2, 1.0]]),
        "k": 1,
    }


def one_vote_each(generator):
    """Two neighbors of two classes, of which the nearer one wins by a little."""
    return {
        "train_features": torch.tensor([[1.0, 1.0], [2.0, 1.0], [-1.0, 0.0]]),
        "train_labels": torch.tensor([1, 3, 0]),
        "features": torch.tensor([[5.0, 0.0]]),
        "k": 2,
        "temperature": 4.0,
    }


def twenty_decide(generator):
    """One row more or less, and another class wins."""
    similarity = 1 - 0.0007 * torch.arange(24)
    labels = torch.tensor([1] * 6 + [0] * 7 + [2] * 6 + [1] + [0] * 4)
    return {
        "train_features": torch.stack([similarity, (1 - similarity**2).clamp(min=0).sqrt()], dim=1),
        "train_labels": labels,
        "features": torch.tensor([[1.0, 0.0]]),
    }


KNN_PREDICT = Exercise(
    name="knn_predict",
    chapter="self_supervised",
    title="Nearest neighbors vote",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
Judge features without training: find the `k` rows of `train_features` (`[n, dim]`) with the highest
cosine similarity to each row of `features` (`[m, dim]`), and let them vote for their `train_labels`
(`[n]`, from 0; not every number need be there). A neighbor of similarity $s$ has $\exp(s / \tau)$ votes,
with temperature $\tau$.
Return the class with the most votes for each row, int64 `[m]`; if two tie, the lower one. `k` is at
most `n`.
""",
    starter='''
import torch
import torch.nn.functional as F


def knn_predict(train_features, train_labels, features, k=20, temperature=0.07):
    """The class that the k nearest neighbors vote for: int64 [m]."""
    raise NotImplementedError("write knn_predict")
''',
    reference=knn_predict,
    cases=(
        Case(
            "12 labeled rows, 3 classes, k = 5",
            lambda g: {**labeled_features(g, 12, 8, 3), "k": 5, "temperature": 0.5},
        ),
        Case("the default k and temperature", lambda g: labeled_features(g, 60, 40, 6)),
        Case("k = 1", lambda g: {**labeled_features(g, 15, 10, 4), "k": 1}),
        Case(
            "k = n, temperature 4", lambda g: {**labeled_features(g, 20, 80, 4), "k": 20, "temperature": 4.0}
        ),
        Case(
            "k = 9, temperature 0.3",
            lambda g: {**labeled_features(g, 80, 60, 5, dim=8), "k": 9, "temperature": 0.3},
        ),
        Case("a tie", tied_votes),
        Case("labels 0, 2 and 12", labels_with_a_gap),
        Case("2 neighbors of 2 classes, temperature 4", one_vote_each),
        Case("24 labeled rows, the default k", twenty_decide),
        Case(
            "k = 10, temperature 0.1",
            lambda g: {**labeled_features(g, 40, 30, 5), "k": 10, "temperature": 0.1},
        ),
    ),
    misconceptions=(
        Misconception(
            "The features are not normalized, so long ones win. Cosine similarity compares "
            "directions: `F.normalize(..., dim=1)` on both sides, then a matrix product.",
            slips(
                plain_knn_predict,
                {
                    "F.normalize(train_features, dim=1)": "train_features",
                    "F.normalize(features, dim=1)": "features",
                },
                {"F.normalize(train_features, dim=1)": "train_features"},
                {"F.normalize(features, dim=1)": "features"},
            ),
        ),
        Misconception(
            "Neighbors are found by Euclidean distance between features of any length. Here near "
            "means a small angle: cosine similarity of normalized rows.",
            slips(
                plain_knn_predict,
                {"F.normalize(features, dim=1) @ train.T": "-torch.cdist(features, train_features)"},
                {"similarity.argsort(dim=1, d": "(-torch.cdist(features, train_features)).argsort(dim=1, d"},
                {
                    "F.normalize(features, dim=1) @ train.T": "-torch.cdist(features, train_features)",
                    ".exp()": ".exp() * 0 + 1",
                },
            ),
        ),
        Misconception(
            "Every neighbor has the same vote. The nearer ones count more: weight each with "
            "`exp(similarity / temperature)`.",
            slips(plain_knn_predict, {".exp()": ".exp() * 0 + 1"}),
        ),
        Misconception(
            "The votes are the similarities themselves; the exponential is missing: "
            "`exp(similarity / temperature)`.",
            slips(plain_knn_predict, {".exp()": ""}),
        ),
        Misconception(
            "The temperature is on the wrong side: similarities are divided by it, so that a "
            "low one sharpens the vote.",
            slips(plain_knn_predict, {"/ temperature": "* temperature"}),
        ),
        Misconception(
            "The temperature is not used: a neighbor has `exp(similarity / temperature)` votes.",
            slips(plain_knn_predict, {"/ temperature": "/ 1.0"}),
        ),
        Misconception(
            "You take the farthest rows. Similarity is high for near ones: sort descending, or "
            "`topk` of the similarities.",
            slips(plain_knn_predict, {"descending=True": "descending=False"}),
        ),
        Misconception(
            "Only the very nearest row decides; all `k` should vote.",
            slips(plain_knn_predict, {"[:, :k]": "[:, :1]"}),
        ),
        Misconception(
            "All labeled rows vote; only the `k` nearest should.",
            slips(plain_knn_predict, {"[:, :k]": ""}),
        ),
        Misconception(
            "Those are row numbers of neighbors. Look up what they are labeled: `train_labels[neighbors]`.",
            slips(plain_knn_predict, {"return votes.sum(dim=1).argmax(dim=1)": "return nearest[:, 0]"}),
        ),
        Misconception(
            "You average class numbers, as if class 2 lay between 1 and 3. Classes are names: add "
            "up votes for each one.",
            slips(
                plain_knn_predict,
                {
                    "votes.sum(dim=1).argmax(dim=1)": "((weight * labels).sum(1) / weight.sum(1)).round().long()"
                },
                {"votes.sum(dim=1).argmax(dim=1)": "labels.float().mean(dim=1).round().long()"},
            ),
        ),
    ),
    hints=(
        "First all similarities, `[m, n]`: normalize both and multiply. Then the `k` highest "
        "of each row: `topk` gives their values and their columns.",
        "`train_labels[columns]` are the neighbors' labels, `[m, k]`. Each adds its "
        "`exp(similarity / temperature)` to the votes of its class.",
        "`votes = torch.zeros(m, classes)`, with one class more than the highest label, then "
        "`votes.scatter_add_(1, labels, weights)`, "
        "then `argmax(dim=1)`, which takes the first of equal ones.",
    ),
)
