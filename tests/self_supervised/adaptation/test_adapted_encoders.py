"""What learns, what stands still, and what is left alone."""

import copy

import pytest
import torch
from torch import nn

from fmlib.augment import Augmentation
from fmlib.data import load_fashion_mnist
from fmlib.nn.resnet import ResNetConfig, SmallResNet
from fmlib.self_supervised.adaptation import experiments, label_efficiency, watching
from fmlib.self_supervised.adaptation.fine_tuning import (
    Classifier,
    Frozen,
    StillNorms,
    Tuning,
    fine_tune,
    parameter_groups,
    parts_of,
    train_classifier,
)
from fmlib.self_supervised.contrastive.training import Recipe

SHORT = Tuning(steps=3, batch_size=8, rate=1e-2)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setenv("FMLIB_SCALE", "smoke")
    label_efficiency.judged.cache_clear()
    yield
    label_efficiency.judged.cache_clear()


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    network = SmallResNet(ResNetConfig(widths=(8, 16)))
    with torch.no_grad():
        network(torch.rand(64, 1, 28, 28))  # running statistics of some data
    return network.eval()


@pytest.fixture
def known(generator):
    return load_fashion_mnist("validation").sample(2, generator)


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_fine_tuning_leaves_the_given_encoder_alone(encoder, known):
    before, modes = state(encoder), [m.training for m in encoder.modules()]
    model, _ = fine_tune(encoder, known, SHORT)
    assert not changed(before, state(encoder))
    assert modes == [m.training for m in encoder.modules()]
    assert not any(p.grad is not None for p in encoder.parameters())
    assert {name for name, _ in encoder.named_parameters()} <= changed(before, state(model.encoder))


def test_fine_tuning_is_a_function_of_its_seed(encoder, known):
    weights = [fine_tune(encoder, known, SHORT, seed)[0].head.weight for seed in (0, 0, 1)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_given_head_is_where_training_begins_and_is_left_alone(encoder, known):
    head = nn.Linear(encoder.feature_dim, 10)
    before = state(head)
    model, _ = fine_tune(encoder, known, Tuning(steps=1, batch_size=8, rate=1e-6), head=head)
    assert not changed(before, state(head))
    torch.testing.assert_close(model.head.weight, head.weight, atol=1e-5, rtol=0)


def test_a_head_of_zeros_gives_all_classes_the_same_chance(encoder):
    logits = Classifier(encoder, 10)(torch.rand(3, 1, 28, 28))
    assert torch.equal(logits, torch.zeros(3, 10))


def test_a_head_of_another_size_is_refused(encoder, refuses):
    with refuses(ValueError, "head takes 5 features to 10 classes"):
        Classifier(encoder, 10, nn.Linear(5, 10))


def test_a_frozen_encoder_changes_in_nothing_while_the_head_learns(encoder, known):
    model = Classifier(Frozen(encoder), 10)
    before = state(model)
    train_classifier(model, known, SHORT)
    assert changed(before, state(model)) == {"head.weight", "head.bias"}
    assert model.train().encoder.training
    assert not any(m.training for m in model.encoder.encoder.modules())


def test_without_gradients_alone_only_the_statistics_of_batch_norm_move(encoder, known):
    model = Classifier(copy.deepcopy(encoder).requires_grad_(False), 10)
    before = state(model)
    train_classifier(model, known, SHORT)
    moved = changed(before, state(model)) - {"head.weight", "head.bias"}
    assert moved
    assert all(
        name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked") for name in moved
    )


def test_still_norms_learn_and_keep_their_statistics(encoder, known):
    model = Classifier(StillNorms(copy.deepcopy(encoder)), 10)
    before = state(model)
    train_classifier(model, known, SHORT)
    moved = changed(before, state(model))
    assert not any("running" in name for name in moved)
    assert {f"encoder.encoder.{name}" for name, _ in encoder.named_parameters()} <= moved


def test_groups_have_every_weight_once_and_rates_that_fall_toward_the_input(encoder):
    model = Classifier(encoder, 10)
    groups = parameter_groups(parts_of(model), 0.1, 0.5)
    assert [group["lr"] for group in groups] == pytest.approx([0.0125, 0.025, 0.05, 0.1])
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters())


def test_a_frozen_part_is_in_no_group_and_counts_as_a_step(encoder):
    model = Classifier(encoder, 10)
    encoder.stages[1].requires_grad_(False)
    groups = parameter_groups(parts_of(model), 1.0, 0.1)
    assert [group["lr"] for group in groups] == pytest.approx([1e-3, 1e-2, 1.0])


def test_layer_wise_rates_move_the_first_part_less(encoder, known):
    moves = []
    for decay in (1.0, 0.1):
        model, _ = fine_tune(encoder, known, Tuning(steps=3, batch_size=8, rate=1e-2, decay=decay))
        moves.append((model.encoder.stem[0].weight - encoder.stem[0].weight).norm().item())
    assert moves[1] < moves[0] / 10


@pytest.mark.parametrize(
    "wrong", [{"rate": 0.0}, {"decay": 0.0}, {"decay": 1.5}, {"steps": 0}, {"weight_decay": -1.0}]
)
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        Tuning(**wrong)


def test_it_learns(encoder):
    two = load_fashion_mnist("train")
    two = two.subset((two.labels == 1) | (two.labels == 8)).subset(range(80))  # trousers and bags
    model, history = fine_tune(encoder, two, Tuning(steps=25, batch_size=16, rate=1e-2))
    assert history.loss[-1] < 0.5 < history.loss[0]
    assert label_efficiency.accuracy(model, two) > 90


@pytest.mark.parametrize("way", experiments.WAYS)
def test_every_way_of_adapting_measures_what_it_says(way, encoder):
    found = experiments.adapted(way, encoder, SHORT)
    assert set(found) == {"right", "moved", "drift"}
    frozen = way in ("head alone, by gradient", "linear probe")
    assert (found["drift"][0] == pytest.approx(0, abs=1e-4)) == frozen


def test_an_unknown_way_is_refused(encoder):
    with pytest.raises(ValueError, match="there is no way 'magic'"):
        experiments.adapted("magic", encoder, SHORT)


def test_batches_of_one_class_mislead_batch_norm_in_training_mode(encoder):
    pictures = load_fashion_mnist("validation").subset(torch.arange(300))
    model = experiments.head_on(encoder, False, Tuning(steps=40, batch_size=50, rate=1e-2)).eval()
    before = state(model)
    mixed = experiments.accuracy_in_training_mode(model, pictures, by_class=False)
    alike = experiments.accuracy_in_training_mode(model, pictures, by_class=True)
    assert alike < mixed - 5
    assert not changed(before, state(model))
    assert not model.training


@pytest.mark.parametrize("name", label_efficiency.ROWS)
def test_every_curve_has_a_number_for_each_draw(name, encoder):
    row = label_efficiency.ROWS[name]
    given = nn.Flatten() if row.encoder == "pixels" else encoder
    found = label_efficiency.curve(row, given, "validation")
    assert set(found) == set(label_efficiency.counts())
    assert all(len(values) == label_efficiency.draws() and min(values) >= 0 for values in found.values())


def test_the_encoders_on_the_way_are_those_of_the_run():
    recipe = Recipe(steps=4, batch_size=8, augment=Augmentation(crop=0.5))
    run = watching.pretrain(recipe, checkpoints=2, progress=False)
    assert list(run.encoders) == [2, 4]
    last = run.encoders[4].state_dict()
    assert not changed(last, state(run.model.encoder))
    assert changed(last, run.encoders[2].state_dict())


def test_signals_say_when_an_encoder_has_collapsed(encoder):
    class Same(nn.Module):
        def forward(self, images):
            return torch.ones(len(images), 8) + 0 * images.mean()

    dead, alive = watching.signals(Same(), 40), watching.signals(encoder, 40)
    assert dead["spread"] == pytest.approx(0, abs=1e-6)
    assert dead["uniformity"] == pytest.approx(0, abs=1e-6)
    assert dead["directions"] < alive["directions"]
    assert alive["spread"] > 0
