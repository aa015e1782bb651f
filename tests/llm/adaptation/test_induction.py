import pytest
import torch

from fmlib.llm.adaptation.in_context import Recipe, make_reader
from fmlib.llm.adaptation.induction import (
    HeadScores,
    induction_score,
    previous_token_score,
    repeated_texts,
    score_heads,
    without_heads,
)

RECIPE = Recipe(dim=16, heads=4)
PERIOD = 6


def hard_maps(place, length=2 * PERIOD):
    """One head that looks at one place only: position -> place."""
    maps = torch.zeros(1, 1, length, length)
    for i in range(length):
        maps[0, 0, i, max(0, place(i))] = 1
    return maps


def texts():
    return repeated_texts(RECIPE, 3, torch.Generator().manual_seed(0))


def test_a_head_that_continues_what_it_has_seen_scores_one():
    assert induction_score(hard_maps(lambda i: i - PERIOD + 1), PERIOD).tolist() == [1.0]


@pytest.mark.parametrize("place", [lambda i: i - PERIOD, lambda i: i - 1, lambda i: i, lambda i: 0])
def test_heads_that_look_elsewhere_score_nothing(place):
    assert induction_score(hard_maps(place), PERIOD).item() == 0.0


def test_only_the_positions_that_ask_are_counted():
    maps = hard_maps(lambda i: i - PERIOD + 1 if i % 2 == 0 else i)
    assert induction_score(maps, PERIOD, every=2).tolist() == [1.0]
    assert induction_score(maps, PERIOD).tolist() == [0.5]


def test_the_first_half_says_nothing():
    maps = hard_maps(lambda i: i - PERIOD + 1)
    maps[:, :, :PERIOD] = 1 / PERIOD
    assert induction_score(maps, PERIOD).tolist() == [1.0]


def test_a_head_that_looks_one_back_is_told_from_the_others():
    assert previous_token_score(hard_maps(lambda i: i - 1)).tolist() == [1.0]
    assert previous_token_score(hard_maps(lambda i: i - 1 if i % 2 else i), every=2).tolist() == [1.0]
    assert previous_token_score(hard_maps(lambda i: i)).item() == 0.0


def test_scores_are_kept_apart_by_head():
    maps = torch.cat([hard_maps(lambda i: i - PERIOD + 1), hard_maps(lambda i: i - 1)], dim=1)
    assert induction_score(maps, PERIOD).tolist() == [1.0, 0.0]
    assert previous_token_score(maps).tolist()[1] == 1.0


def test_a_text_that_does_not_repeat_itself_is_refused(refuses):
    with refuses(ValueError, r"maps are of 12 tokens and period is 5"):
        induction_score(hard_maps(lambda i: i), 5)
    with refuses(ValueError, "every is 0"):
        induction_score(hard_maps(lambda i: i), PERIOD, every=0)


def test_repeated_texts_show_every_key_once_and_again():
    for text in texts():
        first, second = text.chunk(2)
        assert torch.equal(first, second)
        assert sorted(first[::2].tolist()) == list(range(RECIPE.keys))
        assert (first[1::2] >= RECIPE.keys).all()


def test_the_best_heads_come_first():
    scores = HeadScores(torch.tensor([[0.1, 0.0], [0.3, 0.9]]), torch.tensor([[0.2, 0.8], [0.0, 0.1]]))
    assert scores.best(2) == [(1, 1), (1, 0)]
    assert scores.best_previous() == [(0, 1)]


def test_every_head_of_every_layer_gets_its_scores():
    scores = score_heads(make_reader(RECIPE, 0).eval(), texts())
    assert scores.induction.shape == scores.previous.shape == (2, 4)
    assert ((scores.induction >= 0) & (scores.induction <= 1)).all()


def test_a_head_that_is_off_gathers_nothing_and_the_others_what_they_did():
    model, seen = make_reader(RECIPE, 0).eval(), []
    note = model.blocks[0].attention.output.register_forward_hook(lambda m, given, out: seen.append(given[0]))
    with torch.no_grad():
        model(texts())
        with without_heads(model, [(0, 1), (0, 3)]):
            late = model.blocks[0].attention.output.register_forward_hook(
                lambda m, given, out: seen.append(given[0])
            )
            model(texts())
            late.remove()
    note.remove()
    whole, cut = (part.unflatten(-1, (4, 4)) for part in (seen[0], seen[-1]))
    assert (cut[..., [1, 3], :] == 0).all()
    assert torch.equal(cut[..., [0, 2], :], whole[..., [0, 2], :])


def test_a_head_off_by_its_mean_tells_no_texts_or_places_apart():
    model, seen = make_reader(RECIPE, 0).eval(), []
    with torch.no_grad(), without_heads(model, [(1, 2)], mean=True):
        note = model.blocks[1].attention.output.register_forward_hook(
            lambda m, given, out: seen.append(given[0])
        )
        model(texts())
        note.remove()
    off = seen[0].unflatten(-1, (4, 4))[..., 2, :]
    assert torch.equal(off, off[:1, :1].expand_as(off))
    assert off.abs().sum() > 0


def test_a_model_is_what_it_was_afterwards_even_when_something_fails():
    model = make_reader(RECIPE, 0).eval()
    with torch.no_grad():
        before = model(texts())
        with without_heads(model, [(0, 0), (1, 2)]):
            assert not torch.equal(model(texts()), before)
        with pytest.raises(IndexError), without_heads(model, [(0, 0), (1, 2)]):
            raise IndexError
        assert torch.equal(model(texts()), before)


def test_turning_off_all_heads_is_a_model_without_attention():
    model = make_reader(RECIPE, 0).eval()
    everything = [(layer, head) for layer in range(2) for head in range(4)]
    changed = texts()
    changed[:, 0] = (changed[:, 0] + 1) % RECIPE.keys
    with torch.no_grad(), without_heads(model, everything):
        assert torch.equal(model(texts())[:, 5], model(changed)[:, 5])


def test_a_head_that_is_not_there_is_refused(refuses):
    with refuses(ValueError, r"no head \(2, 0\)"), without_heads(make_reader(RECIPE, 0), [(2, 0)]):
        pass
