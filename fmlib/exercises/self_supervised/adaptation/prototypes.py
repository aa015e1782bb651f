"""A classifier without training: nearest_mean."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.self_supervised.adaptation.prototypes import nearest_mean


def plain_nearest_mean(train_features, train_labels, features):
    classes = train_labels.unique()
    means = torch.stack([train_features[train_labels == c].mean(dim=0) for c in classes])
    distances = (features[:, None] - means).square().sum(dim=2)
    return classes[distances.argmin(dim=1)]


def nearest_single(train_features, train_labels, features):
    distances = (features[:, None] - train_features).square().sum(dim=2)
    return train_labels[distances.argmin(dim=1)]


def means_of_every_number(train_features, train_labels, features):
    classes = int(train_labels.max()) + 1
    sums = train_features.new_zeros(classes, train_features.shape[1]).index_add(
        0, train_labels, train_features
    )
    means = sums / torch.bincount(train_labels, minlength=classes).clamp(min=1)[:, None]
    return (features[:, None] - means).square().sum(dim=2).argmin(dim=1)


def nearest_by_angle(train_features, train_labels, features):
    classes = train_labels.unique()
    means = torch.stack([train_features[train_labels == c].mean(dim=0) for c in classes])
    return classes[torch.cosine_similarity(features[:, None], means, dim=2).argmax(dim=1)]


def clouds(generator, train, test, classes, dim=4, dtype=torch.float32):
    """Classes of very different sizes whose means are of very different lengths."""
    centers = 2 * torch.randn(classes, dim, generator=generator, dtype=dtype)
    labels = torch.cat(
        [
            torch.arange(classes),
            torch.randint(classes, (train - classes,), generator=generator) ** 2 % classes,
        ]
    )
    return {
        "train_features": centers[labels] + torch.randn(train, dim, generator=generator, dtype=dtype),
        "train_labels": labels,
        "features": 2.5 * torch.randn(test, dim, generator=generator, dtype=dtype),
    }


def with_a_gap(generator):
    """Class 1 is missing, and the mean of nothing, 0, would be nearest."""
    return {
        "train_features": torch.tensor([[4.0, 0.0], [0.0, 4.0], [0.0, 6.0]]),
        "train_labels": torch.tensor([0, 2, 2]),
        "features": torch.tensor([[0.5, 0.2], [0.1, 0.5], [1.0, 5.0]]),
    }


def between(generator):
    """Exactly halfway between two means, of which the higher class comes first."""
    return {
        "train_features": torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 9.0]]),
        "train_labels": torch.tensor([3, 1, 0]),
        "features": torch.tensor([[0.0, 0.0], [0.0, 1.0]]),
    }


NEAREST_MEAN = Exercise(
    name="nearest_mean",
    chapter="self_supervised",
    title="The nearest mean names the class",
    kind="write",
    difficulty=1,
    minutes=10,
    goal="""
Classify without training. `train_features` is `[n, dim]`, `train_labels` int64 `[n]`: the class of each row, from 0; not
every number need be there, and a class may have a single row. `features` is `[m, dim]`, at least one row, of the same
dtype
as `train_features`, float32 or float64.

Average the labeled features of each class. Return int64 `[m]`: for each row of `features` the class whose mean is
nearest by
Euclidean distance, and the lower class if two are equally near.
""",
    starter='''
import torch


def nearest_mean(train_features, train_labels, features):
    """The class of the nearest class mean: int64 [m]."""
    raise NotImplementedError("write nearest_mean")
''',
    reference=nearest_mean,
    cases=(
        Case("12 labeled rows, 3 classes", lambda g: clouds(g, 12, 9, 3)),
        Case("one row of each class", lambda g: clouds(g, 4, 12, 4)),
        Case("40 labeled rows, 6 classes", lambda g: clouds(g, 40, 60, 6)),
        Case("labels 0 and 2", with_a_gap),
        Case("halfway between two means", between),
        Case("float64", lambda g: clouds(g, 25, 30, 5, 3, torch.float64)),
        Case("one class, one row", lambda g: clouds(g, 1, 1, 1)),
    ),
    misconceptions=(
        Misconception(
            "The nearest single row decides. That is a neighbor, not a mean: average each class first.",
            (nearest_single,),
        ),
        Misconception(
            "Means and features are compared by the angle between them. Euclidean distance also counts how long they "
            "are.",
            (nearest_by_angle,),
        ),
        Misconception(
            "The features of a class are added up, not averaged: a class with many rows has a sum that is far away "
            "from them.",
            slips(plain_nearest_mean, {".mean(dim=0)": ".sum(dim=0)"}),
        ),
        Misconception(
            "A class that no row has gets a mean all the same, 0, and may be the nearest. Use only the classes that "
            "are there.",
            (means_of_every_number,),
        ),
        Misconception(
            "That is the place of the class in the list of means, not its number: look it up.",
            slips(plain_nearest_mean, {"classes[distances.argmin(dim=1)]": "distances.argmin(dim=1)"}),
        ),
        Misconception(
            "You take the farthest mean: a distance is low for what is near.",
            slips(plain_nearest_mean, {"argmin": "argmax"}),
        ),
        Misconception(
            "The largest product of mean and feature wins. A long mean has large products with everything; take "
            "distances.",
            slips(
                plain_nearest_mean, {"(features[:, None] - means).square().sum(dim=2)": "-features @ means.T"}
            ),
        ),
        Misconception(
            "The distances are sums of absolute differences. Euclidean distance is the root of the sum of squares.",
            slips(plain_nearest_mean, {".square()": ".abs()"}),
        ),
    ),
    hints=(
        "`train_labels.unique()` are the classes that are there, in ascending order.",
        "The mean of a class: `train_features[train_labels == c].mean(dim=0)`. Stack them, `[classes, dim]`.",
        "`(features[:, None] - means).square().sum(dim=2)` is `[m, classes]`; its `argmin(dim=1)` is a place in the "
        "list of classes.",
    ),
)
