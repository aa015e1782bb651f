import pytest
import torch

from fmlib.llm.adaptation.fine_tuning import Tuning, average_weights, fine_tune, replay_batch
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.pretraining.training import make_gpt, text_bits_per_character
from fmlib.llm.tokens.characters import ByteTokenizer

OLD = "to be, or not to be: that is the question. " * 60
NEW = "IT IS A TRUTH UNIVERSALLY ACKNOWLEDGED " * 60
TOKENIZER = ByteTokenizer()
CONFIG = GPTConfig(256, max_length=16, layers=1, heads=2, dim=32)
QUIET = {"progress": False, "device": "cpu"}
HELD_OUT = {"old": OLD[:500], "new": NEW[:500]}


def as_tokens(text):
    return torch.tensor(TOKENIZER.encode(text))


def tuned(model, text, **numbers):
    tuning = Tuning(**({"steps": 60, "rate": 1e-2} | numbers))
    return fine_tune(model, TOKENIZER, as_tokens(text), tuning, HELD_OUT, as_tokens(OLD), points=3, **QUIET)


@pytest.fixture(scope="module")
def pretrained():
    model = make_gpt(CONFIG, 0)
    tuned(model, OLD)
    return model.state_dict()


@pytest.fixture
def model(pretrained):
    fresh = make_gpt(CONFIG, 1)
    fresh.load_state_dict(pretrained)
    return fresh


def test_tuning_gains_on_the_new_text_and_forgets_the_old_one(model):
    found = tuned(model, NEW).measured
    assert found["new"][60] < 0.6 * found["new"][0]
    assert found["old"][60] > 1.3 * found["old"][0]


def test_replay_forgets_less_and_still_learns(model, pretrained):
    plain = tuned(model, NEW).measured
    model.load_state_dict(pretrained)
    replayed = tuned(model, NEW, replay=0.5).measured
    assert replayed["old"][60] < 0.7 * plain["old"][60]
    assert replayed["new"][60] < 0.7 * replayed["new"][0]


def test_a_lower_rate_forgets_less(model, pretrained):
    plain = tuned(model, NEW).measured["old"][60]
    model.load_state_dict(pretrained)
    assert tuned(model, NEW, rate=1e-3).measured["old"][60] < plain


def test_the_curve_begins_before_the_first_step_and_ends_at_the_last(model):
    before = {name: text_bits_per_character(model, TOKENIZER, text) for name, text in HELD_OUT.items()}
    found = tuned(model, NEW, steps=6).measured
    assert list(found["old"]) == [0, 2, 4, 6]
    assert {name: curve[0] for name, curve in found.items()} == before


def test_without_replay_the_old_text_is_not_read(model, pretrained):
    tuning = Tuning(steps=3)
    first = fine_tune(model, TOKENIZER, as_tokens(NEW), tuning, HELD_OUT, **QUIET).loss
    model.load_state_dict(pretrained)
    assert (
        first == fine_tune(model, TOKENIZER, as_tokens(NEW), tuning, HELD_OUT, as_tokens(OLD), **QUIET).loss
    )


@pytest.mark.parametrize(("share", "old"), [(0.0, 0), (0.25, 2), (0.3, 2), (0.45, 4), (1.0, 8)])
def test_a_batch_keeps_its_size_and_has_the_share_of_old_pieces(share, old):
    new, before = torch.zeros(8, 3, dtype=torch.long), torch.ones(8, 3, dtype=torch.long)
    mixed = replay_batch(new, before, share)
    assert mixed.shape == new.shape
    assert mixed[:, 0].tolist() == [0] * (8 - old) + [1] * old


def test_between_two_models_lies_one_for_each_share(model):
    other = make_gpt(CONFIG, 5)
    for share, expected in ((0.0, model), (1.0, other)):
        mixed = average_weights(model, other, share)
        assert all(
            torch.allclose(a, b) for a, b in zip(mixed.parameters(), expected.parameters(), strict=True)
        )
    weight = average_weights(model, other, 0.25).token_embedding.weight
    assert torch.allclose(weight, 0.75 * model.token_embedding.weight + 0.25 * other.token_embedding.weight)


def test_averaging_leaves_both_models_as_they_are(model):
    other = make_gpt(CONFIG, 5)
    before = other.token_embedding.weight.detach().clone()
    average_weights(model, other, 0.5).token_embedding.weight.data.zero_()
    assert torch.equal(other.token_embedding.weight, before)
    assert model.token_embedding.weight.abs().sum() > 0


def test_what_cannot_be_is_refused(refuses, model):
    pieces = torch.zeros(4, 3, dtype=torch.long)
    with refuses(ValueError, "share is 1.5: expected"):
        replay_batch(pieces, pieces, 1.5)
    with refuses(ValueError, r"old has shape \(2, 3\): expected .* batch is 4 as in new"):
        replay_batch(pieces, pieces[:2], 0.5)
    with refuses(ValueError, "replay is -1: expected .* share of the batch"):
        Tuning(steps=1, replay=-1)
    with refuses(ValueError, "old_tokens is None: expected the text to replay"):
        fine_tune(model, TOKENIZER, as_tokens(NEW), Tuning(steps=1, replay=0.5), HELD_OUT, **QUIET)
    with refuses(ValueError, "points is 0"):
        fine_tune(model, TOKENIZER, as_tokens(NEW), Tuning(steps=1), HELD_OUT, points=0, **QUIET)
    with refuses(ValueError, "of other sizes"):
        average_weights(model, make_gpt(GPTConfig.tiny(), 0), 0.5)
    with refuses(ValueError, "share is 2: expected"):
        average_weights(model, model, 2)
