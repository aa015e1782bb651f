from dataclasses import replace

import pytest
import torch
from neighbors import accuracy_by_neighbors
from torch import nn

from fmlib.augment import Augmentation
from fmlib.data import load_emoji, load_fashion_mnist
from fmlib.nn.resnet import ResNetConfig, SmallResNet
from fmlib.self_supervised.contrastive import ablations, emoji_views, label_efficiency
from fmlib.self_supervised.contrastive.simclr import SimCLR
from fmlib.self_supervised.contrastive.training import Recipe, train_moco, train_simclr


def recipe(**more):
    return Recipe(
        **({"steps": 60, "batch_size": 64, "augment": Augmentation(crop=0.3), "queue_size": 256} | more)
    )


@pytest.mark.slow
@pytest.mark.parametrize("train", [train_simclr, train_moco])
def test_it_learns_features_that_name_classes_better_than_before(train):
    train_set, held_out = load_fashion_mnist("train"), load_fashion_mnist("validation")
    known = train_set.sample(30, torch.Generator().manual_seed(0))

    def accuracy(encoder):
        return accuracy_by_neighbors(encoder, known, held_out)

    before = accuracy(SmallResNet(ResNetConfig(widths=(16, 32))))
    torch.manual_seed(0)
    model, history = train(
        train_set.images, recipe(), encoder=SmallResNet(ResNetConfig(widths=(16, 32))), progress=False
    )
    # MoCo's first queue is random and easy to tell from a key: its loss rises before it falls.
    assert sum(history.loss[-10:]) < 0.95 * sum(history.loss[5:15])
    assert accuracy(model.encoder) > before + 2


def test_the_same_seed_gives_the_same_model():
    images = load_fashion_mnist("validation").images
    weights = []
    for seed in (0, 0, 1):
        model, _ = train_simclr(images, recipe(steps=3), seed, progress=False)
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_moco_moves_its_keys_and_turns_its_queue_in_training():
    model, _ = train_moco(load_fashion_mnist("validation").images, recipe(steps=5), progress=False)
    assert model.oldest == 5 * 64 % 256
    slow = torch.cat([p.flatten() for p in model.key_encoder.parameters()])
    fast = torch.cat([p.detach().flatten() for p in model.encoder.parameters()])
    assert 0 < (slow - fast).norm() < fast.norm()


def test_every_row_of_the_comparison_is_one_change():
    short = Recipe.short()
    for row in [*ablations.TEMPERATURES, *ablations.AUGMENTATIONS]:
        changed = ablations.changed(row)
        different = [name for name in vars(short) if getattr(short, name) != getattr(changed, name)]
        assert len(different) <= 1
    for row in ablations.BATCH_SIZES:
        changed = ablations.changed(row)
        assert changed.temperature == short.temperature
        assert changed.steps * changed.batch_size <= short.steps * short.batch_size


def test_the_rows_of_the_optimizers_train_with_them():
    images = load_fashion_mnist("validation").images
    trained = {}
    for row, (name, rate) in ablations.OPTIMIZERS.items():
        changed = replace(ablations.changed(row), steps=2)
        assert (changed.optimizer, changed.rate) == (name, rate)
        trained[row], _ = train_simclr(images, changed, progress=False)
    first, second = (model.encoder.stem[0].weight for model in trained.values())
    assert not torch.allclose(first, second, atol=1e-4)


def test_a_recipe_refuses_an_optimizer_that_it_does_not_know():
    with pytest.raises(ValueError, match="optimizer is 'sgd': expected"):
        recipe(optimizer="sgd")


def test_an_unknown_row_is_refused():
    with pytest.raises(ValueError, match="no row 'views_upside_down'"):
        ablations.changed("views_upside_down")


def test_labeled_pictures_are_balanced_and_differ_by_seed():
    first, second = label_efficiency.labeled(100, 0), label_efficiency.labeled(100, 1)
    assert torch.bincount(first.labels).tolist() == [10] * 10
    assert not torch.equal(first.images, second.images)


def test_the_emoji_task_asks_for_what_was_never_seen():
    task = emoji_views.emoji_task()
    queries, gallery = load_emoji("held_out_both"), load_emoji("held_out_emoji", artists=("noto",))
    assert len(task.queries) == len(task.targets) <= len(queries)
    seen = set(load_emoji("train").emoji_index.tolist())
    asked = gallery.emoji_index[task.targets]
    assert not seen & set(asked.tolist())
    assert set(asked.tolist()) <= set(queries.emoji_index.tolist())
    assert task.moved.min() >= 0
    assert not torch.allclose(task.moved, task.queries)


def test_neighboring_emoji_recipes_differ_in_the_colors_or_in_the_place_and_not_in_both():
    color, place = {"jitter", "strength", "gray"}, {"crop", "degrees", "shift", "fill"}

    def differ(a, b):
        one, other = (vars(emoji_views.EMOJI_VIEWS[f"emoji_{name}"]) for name in (a, b))
        return {field for field in one if one[field] != other[field]}

    assert differ("crops", "colors") == differ("moves", "both") == color
    assert differ("crops", "moves") == differ("colors", "both") == place
    assert list(emoji_views.TITLES) == list(emoji_views.EMOJI_VIEWS)


def test_what_needs_no_training_is_measured_as_the_rows_are():
    levels = ablations.without_learning()
    assert list(levels) == ["raw pixels", "random weights"]
    assert levels["raw pixels"] == sum(ablations.validation_draws(nn.Flatten())) > 50  # of ten classes


def test_the_best_of_several_strengths_is_taken():
    each = [ablations.validation_draws(nn.Flatten(), 100, (c,)) for c in (1e-6, 0.03)]
    assert sum(each[0]) != sum(each[1])
    assert ablations.validation_draws(nn.Flatten(), 100, (1e-6, 0.03)) == max(each, key=sum)


def test_the_head_is_compared_with_what_it_is_fed():
    torch.manual_seed(0)
    model = SimCLR(SmallResNet(ResNetConfig(widths=(8, 16))))
    compared = ablations.head_comparison(model, (50, 100))
    assert list(compared) == [50, 100]
    assert compared[100]["features"] == ablations.validation_draws(model.encoder)
    model.head = nn.Identity()
    again = ablations.head_comparison(model, (100,))[100]
    assert again["features"] == compared[100]["features"]
    assert sum(again["embeddings"]) >= sum(again["features"])  # the same, with a choice of strengths


def test_the_encoder_gives_as_many_features_as_it_says_and_refuses_other_pictures(refuses):
    for config in (ResNetConfig(), ResNetConfig(channels=3, widths=(8, 16), blocks=2, stem_stride=1, grid=1)):
        encoder = SmallResNet(config)
        assert encoder(torch.rand(2, config.channels, 28, 28)).shape == (2, encoder.feature_dim)
    with refuses(ValueError, r"\(2, 1, 28, 28\)"):
        encoder(torch.rand(2, 1, 28, 28))


@pytest.mark.parametrize(
    "bad", [{"channels": 2}, {"widths": ()}, {"blocks": 0}, {"stem_stride": 3}, {"grid": 0}]
)
def test_the_encoder_refuses_bad_sizes(bad, refuses):
    with refuses(ValueError, "expected"):
        ResNetConfig(**bad)
