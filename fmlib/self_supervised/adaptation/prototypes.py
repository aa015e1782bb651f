"""The nearest class mean: a classifier that has nothing to train.

Source: Snell et al. 2017, "Prototypical Networks for Few-shot Learning".
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from fmlib.checks import FLOAT, WHOLE, check_tensors


def class_means(
    features: Float[Tensor, "known dim"], labels: Int64[Tensor, "known"]
) -> tuple[Float[Tensor, "classes dim"], Int64[Tensor, "classes"]]:
    """The mean of each class's features, its prototype.

    Args:
        features: of labeled pictures, any scale.
        labels: their classes; numbers that no row has are left out.

    Returns:
        The means, and whose they are, in ascending order.

    Raises:
        TypeError: features that are no floats, labels that are no whole numbers.
        ValueError: shapes that do not fit, or features that are nan or infinite.

    Source: Snell et al. 2017, eq. 1, with the encoder's features as they are.
    """
    check_tensors(("features", features, FLOAT, "known dim"), ("labels", labels, WHOLE, "known"), finite=True)
    classes, place, counts = labels.long().unique(return_inverse=True, return_counts=True)
    sums = features.new_zeros(len(classes), features.shape[1]).index_add(0, place, features)
    return sums / counts[:, None], classes


def nearest_mean(
    train_features: Float[Tensor, "train dim"],
    train_labels: Int64[Tensor, "train"],
    features: Float[Tensor, "test dim"],
) -> Int64[Tensor, "test"]:
    """The class whose mean is nearest, by Euclidean distance.

    Args:
        train_features, train_labels: the labeled features.
        features: what to classify.

    Returns:
        The class of the nearest mean for each row; the lowest one if two are equally near.

    Raises:
        TypeError, ValueError: see `class_means`.

    Source: Snell et al. 2017, eq. 2: the largest of the softmax is the nearest.
    """
    check_tensors(
        ("train_features", train_features, FLOAT, "train dim"),
        ("train_labels", train_labels, WHOLE, "train"),
        ("features", features, FLOAT, "test dim"),
        finite=True,
    )
    means, classes = class_means(train_features, train_labels)
    # Through a matrix product, as cdist does it by itself for many rows, equal distances come out unequal.
    distances = torch.cdist(features, means, compute_mode="donot_use_mm_for_euclid_dist")
    return classes[distances.argmin(dim=1)]
