import pytest
import torch
from torch import nn

from fmlib.evaluate import embed, knn_accuracy, knn_predict, linear_probe, retrieval


def blobs(n=60, classes=3, dim=5, spread=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centers = 3 * torch.randn(classes, dim, generator=torch.Generator().manual_seed(9))
    labels = torch.arange(n) % classes
    return centers[labels] + spread * torch.randn(n, dim, generator=generator), labels


def test_neighbors_equal_scikit_learns_weighted_vote():
    from sklearn.neighbors import KNeighborsClassifier

    x, y = blobs(spread=3.0)
    test, _ = blobs(spread=3.0, seed=1)
    weigh = lambda distance: torch.exp(torch.as_tensor(1 - distance) / 0.07).numpy()  # noqa: E731
    theirs = (
        KNeighborsClassifier(7, metric="cosine", weights=weigh)
        .fit(x.numpy(), y.numpy())
        .predict(test.numpy())
    )
    assert knn_predict(x, y, test, k=7).tolist() == theirs.tolist()


def test_the_nearest_neighbor_of_a_labeled_point_is_itself():
    x, y = blobs()
    assert knn_accuracy(x, y, x, y, k=1) == 100.0


def test_a_tie_goes_to_the_lowest_class():
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert knn_predict(x, torch.tensor([1, 0]), x[:1], k=2).tolist() == [0]


def test_near_neighbors_outvote_many_far_ones():
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    assert knn_predict(x, torch.tensor([0, 1, 1]), torch.tensor([[1.0, 0.1]]), k=3).tolist() == [0]


def test_a_linear_probe_separates_what_is_separable():
    x, y = blobs(300)
    test, labels = blobs(90, seed=1)
    assert linear_probe(x, y, test, labels) > 98


def test_a_linear_probe_of_noise_is_at_chance():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(200, 8, generator=generator), torch.arange(200) % 4
    test, labels = torch.randn(2000, 8, generator=generator), torch.arange(2000) % 4
    assert 18 < linear_probe(x, y, test, labels) < 32


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_a_linear_probe_does_not_care_about_scale_and_origin(scale):
    x, y = blobs(90, spread=2.0)
    test, labels = blobs(90, spread=2.0, seed=1)
    assert linear_probe(x, y, test, labels) == linear_probe(x * scale + 5, y, test * scale + 5, labels)


def test_a_linear_probe_is_not_led_astray_by_a_feature_that_hardly_varies():
    x, y = blobs(30, spread=2.0)
    test, labels = blobs(200, spread=2.0, seed=1)
    clean = linear_probe(x, y, test, labels)
    faint = [
        torch.cat((f, 1e-3 * torch.randn(len(f), 200, generator=torch.Generator().manual_seed(i))), 1)
        for i, f in enumerate((x, test))
    ]
    kept = linear_probe(faint[0], y, faint[1], labels)
    blown_up = linear_probe(faint[0] / faint[0].std(0), y, faint[1] / faint[0].std(0), labels)
    assert kept > clean - 5 > blown_up + 20


def test_the_probe_chooses_how_strongly_to_regularize_among_its_labels_alone():
    x, y = blobs(60, spread=4.0)
    test, labels = blobs(200, spread=4.0, seed=1)
    chosen = linear_probe(x, y, test, labels, strengths=(1e-6, 0.1))
    assert chosen == linear_probe(x, y, test, labels, strengths=(0.1,))
    assert chosen != linear_probe(x, y, test, labels, strengths=(1e-6,))


def test_a_linear_probe_survives_dead_features():
    x, y = blobs(90)
    x[:, 0] = 0
    assert linear_probe(x, y, x, y) > 95


def test_retrieval_counts_ranks():
    gallery = torch.eye(4)
    queries = torch.tensor([[1.0, 0.5, 0, 0], [1.0, 0.5, 0, 0]])
    assert retrieval(queries, gallery, torch.tensor([0, 1]), ranks=(1, 2)) == {1: 50.0, 2: 100.0}


def test_a_constant_feature_retrieves_nothing():
    same = torch.ones(10, 3)
    assert retrieval(same, same, torch.arange(10), ranks=(1,))[1] == 0.0


def test_features_are_those_of_evaluation_mode_and_the_encoder_is_left_as_it_was():
    encoder = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4))
    images = torch.randint(0, 256, (5, 1, 2, 2), dtype=torch.uint8)
    features = embed(encoder, images, batch_size=2)
    assert encoder.training
    assert encoder[1].num_batches_tracked == 0
    assert torch.allclose(features, images.flatten(1) / 255 / (1 + 1e-5) ** 0.5, atol=1e-6)
    assert not features.requires_grad


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: knn_predict(*blobs(), torch.zeros(2, 4)),
            "features have shape .* where dim is 5 as in train_features",
        ),
        (lambda: knn_predict(*blobs(), blobs()[0], k=0), "k is 0"),
        (lambda: knn_predict(*blobs(), blobs()[0], k=61), "k is 61"),
        (lambda: knn_predict(blobs()[0], blobs()[1] - 1, blobs()[0]), "classes from 0"),
        (lambda: knn_predict(*blobs(), torch.zeros(0, 5)), "not empty"),
        (
            lambda: linear_probe(*blobs(), blobs()[0], torch.zeros(3).long()),
            "labels have shape .* where test is 60 as in features",
        ),
        (lambda: linear_probe(blobs()[0], torch.zeros(60).long(), *blobs()), "one class"),
        (lambda: linear_probe(*blobs(), *blobs(), strengths=()), r"strengths are \(\)"),
        (
            lambda: retrieval(torch.eye(3), torch.eye(4), torch.arange(3)),
            "gallery has shape .* where dim is 3 as in queries",
        ),
        (
            lambda: retrieval(torch.eye(3), torch.eye(3), torch.tensor([0, 1, 3])),
            "targets go from 0 to 3: expected 0 to 2",
        ),
        (lambda: retrieval(torch.eye(3), torch.eye(3), torch.arange(3), ranks=(0,)), "ranks have 0"),
        (lambda: embed(nn.Flatten(), torch.zeros(0, 1, 2, 2)), "images have shape .*not empty"),
    ],
)
def test_what_does_not_fit_is_refused(call, says, refuses):
    with refuses(ValueError, says):
        call()
