"""The drawing of the ways to use an encoder says what the code does."""

import pytest
import torch
import torch.nn.functional as F
from drawn import check_drawing, check_every_shape_is_said, check_names, check_shapes, run_quietly
from torch import nn

from fmlib.evaluate import knn_predict
from fmlib.self_supervised.adaptation import diagrams, fine_tuning, probe, prototypes

SIZES = {"batch": 6, "picture": (1, 4, 4), "features": 16, "classes": 3}


def make_encoder():
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 16))
    encoder.feature_dim = 16
    return encoder


@pytest.fixture
def roots():
    return {
        **vars(fine_tuning),
        **vars(probe),
        **vars(prototypes),
        "knn_predict": knn_predict,
        "Frozen": fine_tuning.Frozen(make_encoder()),
        "Classifier": fine_tuning.Classifier(make_encoder(), 3),
        "F": F,
    }


def test_every_name_is_in_the_code(roots):
    check_names(diagrams.ways(), roots)


def test_every_shape_is_what_flows(roots):
    images, labels = torch.rand(6, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1, 2])

    x = torch.rand(6, 2)
    probe.logistic_regression(
        x, labels, 0.1, steps=1
    )  # what torch imports at the first call need not be followed

    def step():
        features = roots["Frozen"](images)
        knn_predict(features, labels, features, k=2)
        prototypes.nearest_mean(features, labels, features)
        known, _ = probe.standardize(features, features)
        probe.logistic_regression(known, labels, 0.1, steps=1)
        F.cross_entropy(roots["Classifier"](images), labels)

    check_shapes(diagrams.ways(), roots, SIZES, run_quietly(step))


def test_the_drawing_can_be_read():
    check_drawing(diagrams.ways())
    check_every_shape_is_said(diagrams.ways())
