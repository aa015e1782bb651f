"""How good are frozen features? Nearest neighbors, a linear probe, retrieval.

Every measure here takes features, not models: pixels, random weights and a trained network are judged by the same code.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import (
    FLOAT,
    WHOLE,
    check_number,
    check_range,
    check_tensors,
    check_whole,
    check_whole_numbers,
)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """No dropout inside; afterwards every part of the model is in the mode that it was in."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@torch.no_grad()
def embed(
    encoder: nn.Module,
    images: Tensor,
    batch_size: int = 512,
    device: torch.device | str | None = None,
) -> Float[Tensor, "pictures features"]:
    """Features of many pictures from an encoder that is left as it was.

    Args:
        encoder: from float pictures [batch, channels, height, width] to features; run in evaluation mode.
        images: uint8 [pictures, channels, height, width] (scaled to [0, 1] here), or float already in [0, 1].
        batch_size: pictures at a time.
        device: where to run; by default where the encoder's parameters are.

    Returns:
        float32 [pictures, features], on the CPU.

    Raises:
        TypeError: pictures that are no tensor of numbers.
        ValueError: no pictures, or a batch size below 1.
    """
    kind = FLOAT if isinstance(images, Tensor) and images.is_floating_point() else WHOLE
    check_tensors(("images", images, kind, "batch channels height width"))
    check_whole("batch_size", batch_size)
    if device is None:
        device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    parts = []
    with evaluating(encoder):
        for batch in images.split(batch_size):
            batch = batch.to(device)
            parts.append(encoder(batch if batch.is_floating_point() else batch.float() / 255).float().cpu())
    return torch.cat(parts)


def knn_predict(
    train_features: Float[Tensor, "train dim"],
    train_labels: Int64[Tensor, "train"],
    features: Float[Tensor, "test dim"],
    k: int = 20,
    temperature: float = 0.07,
) -> Int64[Tensor, "test"]:
    """Let the k nearest labeled neighbors vote, the nearer ones louder.

    Args:
        train_features: features with known labels, any scale: neighbors are by cosine similarity.
        train_labels: their classes, from 0.
        features: what to classify.
        k: neighbors that vote, 1 <= k <= train.
        temperature: a neighbor of similarity s has exp(s / temperature) votes.

    Returns:
        The class with the most votes for each row; the lowest one if they tie.

    Raises:
        TypeError: features that are no floats, labels that are no whole numbers.
        ValueError: shapes that do not fit, features that are nan or infinite, or k or temperature outside its range.

    Source: Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", section 3.4.
    """
    _check_labeled(train_features, train_labels, features)
    check_whole("k", k, most=len(train_features), hint="the number of labeled features")
    check_number("temperature", temperature, above=0)
    classes = int(train_labels.max()) + 1
    train = F.normalize(_exact(train_features), dim=1)
    predictions = []
    for rows in F.normalize(_exact(features), dim=1).split(1024):  # [rows, train] similarities at a time
        similarity, neighbors = (rows @ train.T).topk(k, dim=1)
        # Votes relative to the nearest's: exp(1 / temperature) itself would be infinite from 0.011 on.
        loudness = ((similarity - similarity[:, :1]) / temperature).exp()
        votes = rows.new_zeros(len(rows), classes)
        votes.scatter_add_(1, train_labels.long()[neighbors], loudness)
        predictions.append(votes.argmax(dim=1))
    return torch.cat(predictions)


def knn_accuracy(
    train_features: Float[Tensor, "train dim"],
    train_labels: Int64[Tensor, "train"],
    features: Float[Tensor, "test dim"],
    labels: Int64[Tensor, "test"],
    k: int = 20,
    temperature: float = 0.07,
) -> float:
    """Per cent of rows that `knn_predict` gets right; what that refuses, and labels that are not one a row, it refuses."""
    check_tensors(("features", features, FLOAT, "test dim"), ("labels", labels, WHOLE, "test"))
    predicted = knn_predict(train_features, train_labels, features, k, temperature)
    return 100 * (predicted == labels).double().mean().item()


STRENGTHS = (1e-3, 1e-2, 1e-1)  # of scikit-learn's C: smaller keeps the weights closer to zero


def linear_probe(
    train_features: Float[Tensor, "train dim"],
    train_labels: Int64[Tensor, "train"],
    features: Float[Tensor, "test dim"],
    labels: Int64[Tensor, "test"],
    strengths: tuple[float, ...] = STRENGTHS,
    seed: int = 0,
) -> float:
    """Accuracy of logistic regression on frozen features, the standard question to a representation.

    Features are centered and divided by one number, the labeled ones' deviation over all features. (Scaling each feature
    by itself, as one also sees, blows up those that hardly vary in a few labeled rows, such as the pixels of a corner.)
    How strongly to regularize is chosen by the cross-validated log-loss among the labeled features alone, so that raw
    pixels and a network each get what suits them and the test set chooses nothing.

    Args:
        train_features, train_labels: the labeled features.
        features, labels: what to test on.
        strengths: candidates for scikit-learn's C; a single one is taken without cross-validation.
        seed: of the folds.

    Returns:
        Per cent of the test rows that are classified right.

    Raises:
        TypeError: features that are no floats, labels that are no whole numbers.
        ValueError: shapes that do not fit, features that are nan or infinite, fewer than two classes, or strengths that are
            not above 0.

    Source: Chen et al. 2020, section 2.3; Kornblith et al. 2019 for choosing the regularization.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    _check_labeled(train_features, train_labels, features)
    check_tensors(("features", features, FLOAT, "test dim"), ("labels", labels, WHOLE, "test"))
    if not isinstance(strengths, (tuple, list)) or not strengths:
        raise ValueError(f"strengths are {strengths!r}: expected at least one candidate for C, in a tuple")
    for strength in strengths:
        check_number("strengths", strength, above=0)
    counts = torch.bincount(train_labels)
    if int((counts > 0).sum()) < 2:
        raise ValueError("train_labels has one class: expected at least two")
    mean = train_features.mean(dim=0)
    deviation = (train_features - mean).std()
    deviation = torch.where(deviation > 1e-6, deviation, 1)
    x, test_x = ((train_features - mean) / deviation).numpy(), ((features - mean) / deviation).numpy()
    y = train_labels.numpy()

    def fit(strength: float, rows: np.ndarray) -> LogisticRegression:
        return LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(x[rows], y[rows])

    def surprise(probe: LogisticRegression, rows: np.ndarray) -> float:
        return log_loss(y[rows], probe.predict_proba(x[rows]), labels=probe.classes_)

    def choose() -> float:
        folds = min(5, int(counts[counts > 0].min()))
        if len(strengths) == 1 or folds < 2:
            return strengths[0]
        splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, y))
        if len(x) > 2000:
            splits = splits[:1]  # with many labels one fold tells as much
        return min(strengths, key=lambda c: np.mean([surprise(fit(c, a), b) for a, b in splits]))

    # On few rows the threads of the linear algebra cost more than they bring.
    with threadpool_limits(limits=1 if len(x) <= 2000 else None):
        return 100 * float(fit(choose(), np.arange(len(x))).score(test_x, labels.numpy()))


def retrieval(
    queries: Float[Tensor, "queries dim"],
    gallery: Float[Tensor, "gallery dim"],
    targets: Int64[Tensor, "queries"],
    ranks: tuple[int, ...] = (1, 5),
) -> dict[int, float]:
    """How often the right gallery row is among the nearest ones.

    Args:
        queries, gallery: features, any scale: compared by cosine similarity.
        targets: the right gallery row of each query.
        ranks: how many nearest rows count.

    Returns:
        rank -> per cent of the queries whose target is among that many nearest.

    Raises:
        TypeError: features that are no floats, targets that are no whole numbers.
        ValueError: shapes that do not fit, features that are nan or infinite, targets outside the gallery, a rank below 1.
    """
    check_tensors(
        ("queries", queries, FLOAT, "queries dim"),
        ("gallery", gallery, FLOAT, "gallery dim"),
        ("targets", targets, WHOLE, "queries"),
        finite=True,
    )
    check_range("targets", targets.cpu(), 0, len(gallery) - 1)
    if not check_whole_numbers("ranks", ranks, 1):
        raise ValueError("ranks are empty: expected at least one")
    queries, gallery = F.normalize(_exact(queries), dim=1), F.normalize(_exact(gallery), dim=1)
    similarity = queries @ gallery.T  # [queries, gallery]
    right = similarity.gather(1, targets.long()[:, None])
    # Rows that tie with the target count against it half the time: a constant feature must not look perfect.
    better = (similarity > right).sum(dim=1) + ((similarity == right).sum(dim=1) - 1) / 2
    return {rank: 100 * (better < rank).double().mean().item() for rank in ranks}


def _check_labeled(train_features: Tensor, train_labels: Tensor, features: Tensor) -> None:
    check_tensors(
        ("train_features", train_features, FLOAT, "train dim"),
        ("train_labels", train_labels, WHOLE, "train"),
        ("features", features, FLOAT, "test dim"),
        finite=True,
    )
    if int(train_labels.min()) < 0:
        raise ValueError(f"train_labels has {int(train_labels.min())}: expected classes from 0")


def _exact(features: Tensor) -> Tensor:
    """In 32 bits at least: squares of half precision overflow at 256."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def bits_per_character(nats: float, characters: int) -> float:
    """A model's loss in a unit that does not depend on its tokens.

    Nats per token cannot be compared between tokenizers: a token that stands for more characters is harder to guess. What
    the whole text costs can be.

    Args:
        nats: the loss of all tokens of a text together (not their mean), -ln of the text's probability.
        characters: how many the text has; 1 or more.

    Returns:
        nats / (characters · ln 2).

    Raises:
        ValueError: no characters, or a loss below 0.
    """
    check_whole("characters", characters, hint="the text's length")
    if nats != math.inf:  # a model that thinks a token impossible
        check_number("nats", nats, least=0, hint="the sum of all tokens' losses")
    return nats / (characters * math.log(2))
