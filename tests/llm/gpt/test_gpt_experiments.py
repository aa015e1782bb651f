import math

import pytest
import torch

from fmlib.data import load_shakespeare
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.experiments import (
    Recipe,
    as_it_is,
    leaking,
    load_letters,
    make_gpt,
    mean_weight_at_distance,
    post_norm,
    share_moved,
    silenced,
    stream_sizes,
    train_gpt,
    unscaled,
    without_positions,
)
from fmlib.llm.gpt.model import GPT
from fmlib.nn.attention import attention_maps


def text():
    return load_letters().validation[:64].view(4, 16)


def same_before(model, place=9):
    """Whether a later letter leaves the earlier logits alone."""
    other = text().clone()
    other[:, place] = (other[:, place] + 1) % 60
    with torch.no_grad():
        return torch.allclose(model(text())[:, :place], model(other)[:, :place], atol=1e-6)


def test_the_letters_of_all_plays_come_back():
    letters = load_letters()
    assert letters.tokenizer.decode(letters.test.tolist()) == load_shakespeare("test").text
    for split in (letters.train, letters.validation, letters.test):
        assert 0 <= int(split.min()) <= int(split.max()) < letters.tokenizer.vocab_size


@pytest.mark.parametrize("recipe", [Recipe.main(), Recipe.short(), Recipe.deep()])
@pytest.mark.parametrize("change", [as_it_is, post_norm, without_positions, leaking])
def test_every_experiment_trains_at_smoke_scale(recipe, change):
    model = change(make_gpt(recipe, seed=0))
    history = train_gpt(model, recipe, seed=0, progress=False)
    assert len(history) == recipe.steps
    assert math.isfinite(history.loss[-1])
    assert not model.training


def test_the_seed_makes_the_weights_and_leaves_the_readers_random_numbers_alone():
    before = torch.get_rng_state()
    first, again, other = (make_gpt(Recipe.short(), seed).token_embedding.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_only_the_leaking_one_sees_the_future():
    assert same_before(make_gpt(Recipe.short(), 0))
    assert same_before(post_norm(make_gpt(Recipe.short(), 0)))
    assert not same_before(leaking(make_gpt(Recipe.short(), 0)))


def test_without_positions_one_block_does_not_know_the_order():
    torch.manual_seed(0)
    model = GPT(GPTConfig(80, max_length=16, layers=1, heads=2, dim=16)).double()
    mixed = text()[:, [*torch.randperm(15).tolist(), 15]]
    with torch.no_grad():
        assert not torch.allclose(model(text())[:, -1], model(mixed)[:, -1], atol=1e-9)
        without_positions(model)
        assert torch.allclose(model(text())[:, -1], model(mixed)[:, -1], atol=1e-9)


def test_positions_that_are_taken_out_stay_out():
    model = without_positions(make_gpt(Recipe.short(), 0))
    train_gpt(model, Recipe.short(), seed=0, progress=False)
    assert model.position_embedding.weight.abs().sum() == 0


def test_the_scaled_start_keeps_the_stream_as_large_at_any_depth():
    ends = {}
    for change in (as_it_is, unscaled):
        for layers in (4, 16):
            torch.manual_seed(0)
            model = change(GPT(GPTConfig(80, max_length=16, layers=layers, heads=2, dim=64)))
            sizes = stream_sizes(model, text())
            assert len(sizes) == layers + 1
            ends[change, layers] = sizes[-1]
    assert math.isclose(ends[as_it_is, 4], ends[as_it_is, 16], rel_tol=0.15)
    assert ends[unscaled, 16] > 1.5 * ends[unscaled, 4]


def test_unscaled_weights_have_one_size():
    torch.manual_seed(0)
    model = unscaled(GPT(GPTConfig(80, layers=4, dim=128)))
    assert math.isclose(model.blocks[0].mlp.contract.weight.std().item(), 0.02, rel_tol=0.05)


def test_a_head_that_looks_one_back_is_found():
    maps = torch.zeros(2, 2, 5, 5)
    maps[:, 0] = torch.eye(5)
    maps[:, 1, range(1, 5), range(4)] = 1.0
    assert mean_weight_at_distance(maps, 0).tolist() == [1.0, 0.0]
    assert mean_weight_at_distance(maps, 1).tolist() == [0.0, 1.0]


def test_a_distance_that_cannot_be_is_refused(refuses):
    with refuses(ValueError, "distance is 5: expected a whole number from 0 to 4"):
        mean_weight_at_distance(torch.zeros(1, 1, 5, 5), 5)


def test_the_maps_of_a_trained_model_are_causal():
    model = make_gpt(Recipe.short(), 0)
    with torch.no_grad(), attention_maps(model) as maps:
        model(text())
    assert all((m.triu(1) == 0).all() for m in maps)


def test_a_silenced_head_hands_on_nothing_and_speaks_again_afterwards():
    model = make_gpt(Recipe.short(), 0)
    every = [(block, head) for block in range(model.config.layers) for head in range(model.config.heads)]
    with torch.no_grad():
        before = model(text())
        with silenced(model, [(1, 2)]):
            one = model(text())
        with silenced(model, every):
            none = model(text())
        assert not torch.allclose(one, before, atol=1e-6)
        assert torch.equal(model(text()), before)
        # Without attention a position knows its own letter and place only.
        other = text().clone()
        other[:, :-1] = 0
        with silenced(model, every):
            assert torch.allclose(model(other)[:, -1], none[:, -1], atol=1e-6)


def test_heads_come_back_after_an_error_too_and_those_that_are_not_there_are_refused(refuses):
    model = make_gpt(Recipe.short(), 0)
    before = model.blocks[0].attention.output.weight.clone()
    with pytest.raises(KeyError), silenced(model, [(0, 0), (0, 1)]):
        raise KeyError
    assert torch.equal(model.blocks[0].attention.output.weight, before)
    with refuses(ValueError, "head 9 of block 0: expected blocks 0 to 1"), silenced(model, [(0, 1), (0, 9)]):
        pass


def test_how_far_a_letter_moves_the_prediction_depends_on_what_sees_it():
    def moved(model, distance):
        return share_moved(model, text(), distance, torch.Generator().manual_seed(0))

    model = make_gpt(Recipe.short(), 0)
    every = [(block, head) for block in range(model.config.layers) for head in range(model.config.heads)]
    assert moved(model, 0) > moved(model, 1) > 0
    with silenced(model, every):
        assert moved(model, 0) > 0
        assert moved(model, 1) == 0


def test_a_letter_before_the_text_cannot_be_exchanged(refuses):
    with refuses(ValueError, "distance is 16: expected 0 to 15"):
        share_moved(make_gpt(Recipe.short(), 0), text(), 16, torch.Generator())
