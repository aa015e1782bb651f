"""Training and measuring in the lesson on masked prediction: what changes, what stays, what is counted."""

import math

import pytest
import torch

from fmlib.augment import Augmentation
from fmlib.data import load_fashion_mnist
from fmlib.llm.family.bert import BertConfig
from fmlib.nn.vit import ViTConfig, patchify
from fmlib.self_supervised.masked import experiments
from fmlib.self_supervised.masked.hiding import split_patches
from fmlib.self_supervised.masked.mae import MAE, MAEConfig
from fmlib.self_supervised.masked.plays import ask, load_plays
from fmlib.self_supervised.masked.training import (
    BertRecipe,
    MAERecipe,
    MeanOfPatches,
    TuneRecipe,
    fine_tune,
    make_bert,
    make_vit,
    masked_and_next,
    masked_only,
    pair_batch,
    train_bert,
    train_mae,
)

SMALL = ViTConfig(layers=1, heads=2, dim=16, sines=True)
TINY = MAEConfig(SMALL, decoder_heads=2, decoder_dim=16)


@pytest.fixture(scope="module")
def pictures():
    return load_fashion_mnist("validation").subset(torch.arange(40))


def test_a_run_is_a_function_of_its_seed(pictures):
    recipe = MAERecipe(TINY, steps=2, batch_size=8)
    losses = [train_mae(pictures.images, recipe, seed, progress=False)[1].loss for seed in (0, 0, 1)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_fixed_positions_stay_and_all_else_moves(pictures):
    torch.manual_seed(0)
    before = MAE(TINY).state_dict()
    after = train_mae(pictures.images, MAERecipe(TINY, steps=2, batch_size=8), 0, progress=False)[
        0
    ].state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {"encoder.position_embedding", "decoder_positions"}


def test_tuning_leaves_the_encoder_alone_and_changes_its_copy(pictures):
    encoder = make_vit(SMALL, 0)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    tuned = fine_tune(encoder, pictures, TuneRecipe(steps=2, batch_size=8), progress=False)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not torch.equal(tuned[0].encoder.blocks[0].mlp.expand.weight, encoder.blocks[0].mlp.expand.weight)
    assert tuned(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_both_of_a_seed_differ_in_their_first_weights_only(monkeypatch, pictures):
    seen = []

    def watch(encoder, known, recipe, seed, **options):
        seen.append((encoder, known.source_index.tolist(), recipe, seed))
        return fine_tune(encoder, known, TuneRecipe(steps=1, augment=Augmentation()), seed, **options)

    monkeypatch.setattr(experiments, "fine_tune", watch)
    encoder = make_vit(SMALL, 7)
    found = experiments.tuned_accuracies(encoder, (3, 4), pictures=pictures)
    assert {name: len(runs) for name, runs in found.items()} == {"MAE": 2, "scratch": 2}
    for mae, scratch in (seen[:2], seen[2:]):
        assert mae[1:] == scratch[1:]
        assert mae[0] is encoder
        assert scratch[0].config == encoder.config
    assert seen[0][1] != seen[2][1]


def test_features_are_the_mean_over_patches_without_the_class_token(pictures):
    encoder, images = make_vit(SMALL, 0), pictures.images[:2].float() / 255
    assert torch.allclose(MeanOfPatches(encoder)(images), encoder.tokens(images)[:, 1:].mean(1))


# ---- paintings


def test_what_is_seen_stays_in_the_painting(pictures):
    torch.manual_seed(0)
    model, images = MAE(TINY), pictures.images[:5].float() / 255
    seen, painted, completed = experiments.paintings(model, images, keep=10, seed=3)
    _, hidden, _ = split_patches(experiments.draw_noise(5, 49, 3), 10)
    assert torch.equal(patchify(completed, 4)[~hidden], patchify(images, 4)[~hidden])
    assert torch.allclose(patchify(completed, 4)[hidden], patchify(painted, 4)[hidden])
    assert (patchify(seen, 4)[hidden] == 0.5).all()


def test_the_simple_painters_err_as_much_as_they_must():
    torch.manual_seed(0)
    model, images = MAE(TINY), torch.rand(4, 1, 1, 1).expand(4, 1, 28, 28).contiguous()
    errors = experiments.painting_errors(model, images, torch.full((1, 1, 28, 28), 0.5), keep=12)
    assert errors["nearest patch"] < 1e-6  # every picture is of one gray
    assert errors["one gray"] < 1e-6
    assert errors["mean picture"] == pytest.approx(
        (images[:, 0, 0, 0] - 0.5).square().mean().sqrt().item(), rel=1e-4
    )
    assert errors["MAE"] > 0.05


def test_errors_of_normalized_targets_are_refused(refuses):
    model = MAE(MAEConfig(SMALL, decoder_heads=2, decoder_dim=16, normalize=True))
    with refuses(ValueError, "model has normalized targets"):
        experiments.painting_errors(model, torch.rand(1, 1, 28, 28), torch.rand(1, 1, 28, 28), 4)


def test_out_of_place_is_another_painting_of_the_same_tokens(pictures):
    torch.manual_seed(0)
    model, images = MAE(TINY), pictures.images[:3].float() / 255
    torch.nn.init.normal_(model.mask_token)
    painted = experiments.paintings(model, images, TINY.keep, seed=1)[1]
    lost = experiments.painted_out_of_place(model, images, seed=1)
    assert lost.shape == painted.shape
    assert not torch.allclose(lost, painted, atol=1e-4)


def test_the_encoder_needs_about_as_many_operations_as_it_reads_tokens():
    model = MAE(MAEConfig(ViTConfig(sines=True)))
    ratio = experiments.encoder_operations(model, 49, 2) / experiments.encoder_operations(model, 12, 2)
    assert 3.5 < ratio < 4.2


# ---- letters


def small_bert():
    _, vocabulary = load_plays()
    return BertRecipe(
        BertConfig(vocabulary.size, max_length=23, layers=1, heads=2, dim=16), steps=2, batch_size=4
    )


def test_no_half_is_torn_where_all_follow_and_about_half_else(generator):
    plays, vocabulary = load_plays()
    pieces = plays.train[:2000].view(100, 20)
    read, _, targets, labels = pair_batch(pieces, vocabulary, 1.0, generator)
    asked = targets != -100
    text = torch.cat([pieces[:, :10], pieces[:, 10:]], dim=1)
    assert (labels == 0).all()
    assert torch.equal(torch.where(asked, targets, read)[:, [*range(1, 11), *range(12, 22)]], text)
    assert 30 < pair_batch(pieces, vocabulary, 0.5, generator)[3].sum() < 70


def test_masked_letters_alone_leave_the_second_head_alone_and_both_tasks_move_it():
    plays, vocabulary = load_plays()
    recipe, start = small_bert(), make_bert(small_bert().model, 0)
    for task, moves in ((masked_only(vocabulary), False), (masked_and_next(vocabulary), True)):
        model, _ = train_bert(plays.train, recipe, task, 0, progress=False)
        assert (not torch.equal(model.next_sentence.bias, start.next_sentence.bias)) == moves
        assert not torch.equal(model.bert.head.bias, start.bert.head.bias)


def test_surprise_is_counted_for_the_asked_letters_in_the_order_of_their_places(generator):
    plays, vocabulary = load_plays()
    model = make_bert(small_bert().model, 0)
    asked = ask(plays.test, 20, vocabulary, 5, generator=generator)
    found = experiments.asked_nats(model, asked, batch_size=2)
    row, column = (asked.targets != -100).nonzero()[4].tolist()
    logits, _ = model(asked.read[row : row + 1], types=asked.types[row : row + 1])
    expected = -logits[0, column].log_softmax(-1)[plays.test[asked.places[4]]]
    assert found.shape == asked.places.shape
    assert found[4].item() == pytest.approx(expected.item(), rel=1e-4)
    assert abs(found.mean() - math.log(vocabulary.size)) < 0.3  # nothing is learned yet


def test_a_model_that_says_always_the_same_gets_half_of_the_pairs():
    plays, vocabulary = load_plays()
    model = make_bert(small_bert().model, 0)
    torch.nn.init.zeros_(model.next_sentence.weight)
    torch.nn.init.constant_(model.next_sentence.bias[:1].data, 1.0)
    right = experiments.pair_accuracy(model, plays.test, 20, vocabulary, 400)
    assert 42 < right < 58


def test_blanks_are_filled_and_all_else_stays():
    plays, vocabulary = load_plays()
    model = make_bert(small_bert().model, 0)
    torch.nn.init.zeros_(model.bert.head.bias)
    model.bert.head.bias.data[plays.tokenizer.encode("e")[0]] = 50.0
    filled, found = experiments.fill_in(model, "th_ s_a is whit_", plays.tokenizer, vocabulary)
    assert filled == "the sea is white"
    assert [letter for letter, _ in found] == ["e"] * 3
    assert all(p > 0.99 for _, p in found)


def test_what_has_no_blanks_or_two_unequal_halves_is_refused(refuses):
    plays, vocabulary = load_plays()
    model = make_bert(small_bert().model, 0)
    for text in ("whole", "a_b", "whol"):
        with refuses(ValueError, "expected an even number, and a blank"):
            experiments.fill_in(model, text, plays.tokenizer, vocabulary)


def test_a_length_without_two_equal_halves_is_refused(refuses):
    with refuses(ValueError, "max_length is 22: expected an odd number from 5"):
        BertRecipe(BertConfig(85, max_length=22), steps=1)
