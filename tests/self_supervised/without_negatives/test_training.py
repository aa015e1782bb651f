"""Every method learns from pictures alone, and the same seed gives the same model."""

import pytest
import torch

from fmlib.augment import Augmentation
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import embed, knn_accuracy
from fmlib.nn.resnet import ResNetConfig, SmallResNet
from fmlib.nn.vit import ViT, ViTConfig
from fmlib.self_supervised.contrastive.training import Recipe
from fmlib.self_supervised.without_negatives import collapse, experiments
from fmlib.self_supervised.without_negatives.multi_crop import MultiCrop
from fmlib.self_supervised.without_negatives.training import (
    train_barlow_twins,
    train_byol,
    train_dino,
    train_vicreg,
)

TRAINERS = [train_byol, train_barlow_twins, train_vicreg, train_dino]


def recipe(**more):
    return Recipe(**({"steps": 60, "batch_size": 64, "augment": Augmentation(crop=0.3)} | more))


def network():
    torch.manual_seed(0)
    return SmallResNet(ResNetConfig(widths=(16, 32)))


@pytest.mark.slow
@pytest.mark.parametrize("train", TRAINERS)
def test_it_learns_features_that_name_classes_better_than_before(train):
    train_set = load_fashion_mnist("train")
    held_out = load_fashion_mnist("validation").subset(torch.arange(1000))
    known = train_set.sample(30, torch.Generator().manual_seed(0))

    def accuracy(encoder):
        features = (
            embed(encoder, known.images),
            known.labels,
            embed(encoder, held_out.images),
            held_out.labels,
        )
        return knn_accuracy(*features, k=10)

    steps = 150 if train is train_byol else 60  # BYOL begins slowly
    model, _ = train(train_set.images, recipe(steps=steps, batch_size=32), encoder=network(), progress=False)
    assert accuracy(model.encoder) > accuracy(network()) + 1


@pytest.mark.parametrize("train", TRAINERS)
def test_the_same_seed_gives_the_same_model(train):
    images = load_fashion_mnist("validation").images
    weights = []
    for seed in (0, 0, 1):
        model, _ = train(images, recipe(steps=2, batch_size=16), seed, encoder=network(), progress=False)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_slow_networks_move_in_training_and_rest_at_the_end():
    images = load_fashion_mnist("validation").images
    byol, _ = train_byol(images, recipe(steps=3, batch_size=16), encoder=network(), progress=False)
    dino, _ = train_dino(images, recipe(steps=3, batch_size=16), encoder=network(), progress=False)
    for model, slow in ((byol, byol.target_encoder), (dino, dino.teacher_encoder)):
        assert (model.done.item(), model.config.steps) == (3, 3)
        moved = [(a - b).abs().max() for a, b in zip(slow.parameters(), network().parameters(), strict=True)]
        assert max(moved) > 0
    assert dino.center.abs().max() > 0


def test_a_vision_transformer_learns_from_large_and_small_crops():
    images = load_fashion_mnist("validation").images[:64]
    vit = ViT(ViTConfig(layers=1, heads=2, dim=16))
    before = vit.class_token.detach().clone()
    crops = MultiCrop(small=2, small_size=12)
    _, history = train_dino(
        images, recipe(steps=2, batch_size=16, rate=1e-3), encoder=vit, crops=crops, progress=False
    )
    assert len(history.loss) == 2
    assert not torch.equal(vit.class_token, before)


@pytest.mark.parametrize("row", collapse.BYOL_ROWS)
def test_a_row_of_byol_runs_and_is_watched(row):
    run = collapse.byol_run(row, recipe(steps=2, batch_size=16), progress=False)
    assert set(run.measured) == {"spread", "directions"}
    assert list(run.measured["spread"]) == [0, 1, 2]


@pytest.mark.parametrize("row", collapse.DINO_ROWS)
def test_a_row_of_dino_runs_and_is_watched(row):
    run = collapse.dino_run(row, recipe(steps=2, batch_size=16), progress=False)
    assert set(run.measured) == {"entropy", "divergence"}
    assert (run.model.center.abs().max() == 0) == (row == "no centering")


def test_unknown_rows_are_refused():
    for run in (collapse.byol_run, collapse.dino_run, experiments.method_probes):
        with pytest.raises(ValueError, match=r"there is no (row )?'x'"):
            run("x", recipe())


def test_each_method_and_each_baseline_is_probed(monkeypatch):
    monkeypatch.setattr(experiments, "make_encoder", lambda channels, seed: network())
    found = experiments.method_probes("raw pixels", recipe())
    assert list(found) == [100]
    assert 40 < found[100] < 90
