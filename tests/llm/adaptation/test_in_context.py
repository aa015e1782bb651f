import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from fmlib.llm.adaptation.few_shot import (
    CAPITALS,
    OPPOSITES,
    answer_log_probabilities,
    few_shot_accuracy,
    few_shot_prompt,
)
from fmlib.llm.adaptation.in_context import (
    Recipe,
    accuracy_by_examples,
    best_possible,
    draw_keys,
    draw_mappings,
    draw_texts,
    in_context_batch,
    is_held_out,
    make_reader,
    train_reader,
)
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.model import GPT

RECIPE = Recipe()
SMALL = Recipe(dim=16, steps=3, batch_size=4)


class PerfectReader(nn.Module):
    """Answers every key that was shown before with its value, others with value 0."""

    def __init__(self, recipe):
        super().__init__()
        self.recipe, self.nothing = recipe, nn.Parameter(torch.zeros(()))

    def forward(self, texts):
        logits = torch.zeros(*texts.shape, self.recipe.vocab_size)
        for b, text in enumerate(texts.tolist()):
            known = {}
            for i in range(0, len(text), 2):
                logits[b, i, known.get(text[i], self.recipe.keys)] = 1
                known[text[i]] = text[i + 1]
        return logits


def encode(text):
    return list(text.encode())


def byte_gpt():
    torch.manual_seed(0)
    return GPT(GPTConfig(256, max_length=128, layers=2, heads=2, dim=16)).double().eval()


def test_a_text_shows_each_key_and_then_its_value():
    texts = in_context_batch(torch.tensor([[2, 0, 1], [1, 1, 3]]), torch.tensor([[0, 2], [2, 1]]))
    assert texts.tolist() == [[0, 5, 2, 4], [2, 6, 1, 4]]


def test_no_mapping_of_the_test_is_ever_trained_on(generator):
    assert not is_held_out(draw_mappings(RECIPE, 2000, generator), RECIPE.values).any()
    assert is_held_out(draw_mappings(RECIPE, 2000, generator, held_out=True), RECIPE.values).all()


def test_one_mapping_in_eight_is_held_out_whatever_its_values(generator):
    drawn = torch.randint(16, (20_000, 6), generator=generator)
    out = is_held_out(drawn, 16)
    assert math.isclose(out.float().mean().item(), 1 / 8, abs_tol=0.01)
    for key in range(6):
        for value in range(0, 16, 5):
            assert math.isclose(out[drawn[:, key] == value].float().mean().item(), 1 / 8, abs_tol=0.05)


def test_a_key_is_mostly_followed_by_its_usual_follower(generator):
    keys = draw_keys(RECIPE, 2000, generator)
    usual = (keys[:, 1:] == (keys[:, :-1] + 1) % RECIPE.keys).float().mean().item()
    assert math.isclose(usual, 0.75 + 0.25 / 6, abs_tol=0.01)


def test_without_a_habit_any_key_may_follow(generator):
    keys = draw_keys(replace(RECIPE, habit=0.0), 4000, generator)
    pairs = torch.bincount((keys[:, 3] * 6 + keys[:, 4]), minlength=36) / 4000
    assert (pairs - 1 / 36).abs().max() < 0.012


def test_the_same_seed_gives_the_same_texts():
    first, again, other = (draw_texts(RECIPE, 5, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_given_mappings_are_the_only_ones_used(generator):
    mapping = draw_mappings(RECIPE, 1, generator)
    texts = draw_texts(RECIPE, 20, generator, mappings=mapping)
    assert torch.equal(texts[:, 1::2], mapping[0][texts[:, ::2]] + RECIPE.keys)


def test_a_perfect_reader_reaches_the_best_possible_and_no_more(generator):
    texts = draw_texts(RECIPE, 1500, generator, held_out=True)
    reached = accuracy_by_examples(PerfectReader(RECIPE), texts, RECIPE.keys)
    best = best_possible(texts, RECIPE.values)
    assert torch.allclose(reached, best, atol=0.025)
    assert best[0].item() == pytest.approx(1 / 16)
    assert best[-1] > 0.95


def test_accuracy_looks_at_the_answer_to_each_key_alone(generator):
    texts = draw_texts(RECIPE, 50, generator)

    class Knowing(nn.Module):
        def __init__(self):
            super().__init__()
            self.nothing = nn.Parameter(torch.zeros(()))

        def forward(self, tokens):
            following = texts.roll(-1, 1)
            return nn.functional.one_hot(following, RECIPE.vocab_size).float()

    assert accuracy_by_examples(Knowing(), texts, RECIPE.keys).tolist() == [1.0] * RECIPE.pairs


def test_training_changes_the_weights_and_leaves_the_model_ready_to_use():
    model = make_reader(SMALL, seed=0)
    before = model.token_embedding.weight.detach().clone()
    history = train_reader(model, SMALL, seed=0, progress=False)
    assert len(history) == 3
    assert math.isfinite(history.loss[-1])
    assert not model.training
    assert not torch.equal(model.token_embedding.weight, before)


def test_the_seed_makes_the_weights_and_leaves_the_readers_random_numbers_alone():
    before = torch.get_rng_state()
    first, again, other = (make_reader(SMALL, seed).token_embedding.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"keys": 1}, "keys is 1: expected a whole number of at least 2"),
        ({"habit": 1.5}, r"habit is 1\.5: expected .* share"),
        ({"keys": 9}, "16 values for 9 keys make more than"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(refuses, change, says):
    with refuses(ValueError, says):
        Recipe(**change)


def test_a_prompt_shows_examples_and_leaves_the_answer_open():
    assert few_shot_prompt(OPPOSITES[:2], "up") == "hot -> cold\nbig -> small\nup ->"
    assert few_shot_prompt([], "up") == "up ->"


def test_an_answers_log_probability_is_that_of_reading_it_in_one_go():
    model, prompt = byte_gpt(), "hot -> cold\nup ->"
    answers = ["down", "a", "under"]
    with torch.no_grad():
        for answer, got in zip(
            answers, answer_log_probabilities(model, encode, prompt, answers), strict=True
        ):
            tokens = torch.tensor([encode(f"{prompt} {answer}")])
            logs = model(tokens).log_softmax(-1)[0, :-1].gather(1, tokens[0, 1:, None])
            assert torch.isclose(got.double(), logs[len(prompt) - 1 :].sum(), atol=1e-5)


def test_the_question_is_never_among_its_examples(monkeypatch, generator):
    seen = []

    def note(model, encode, prompt, answers):
        seen.append(prompt.split("\n"))
        return torch.zeros(len(answers))

    monkeypatch.setattr("fmlib.llm.adaptation.few_shot.answer_log_probabilities", note)
    assert few_shot_accuracy(nn.Identity(), encode, CAPITALS, 19, generator) == 1 / 20
    for *examples, question in seen:
        assert len(examples) == 19
        assert not any(line.startswith(question) for line in examples)


def test_too_many_examples_are_refused(refuses, generator):
    with refuses(ValueError, "shots is 20: expected 0 to 19"):
        few_shot_accuracy(byte_gpt(), encode, CAPITALS, 20, generator)


def test_an_empty_answer_is_refused(refuses):
    with refuses(ValueError, "none of them empty"):
        answer_log_probabilities(byte_gpt(), encode, "up ->", ["down", ""])


@pytest.mark.parametrize("items", [CAPITALS, OPPOSITES])
def test_items_have_questions_and_answers_of_their_own(items):
    assert len({question for question, _ in items}) == len({answer for _, answer in items}) == 20
