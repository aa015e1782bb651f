import math
import re

import pytest
import torch
import torch.nn.functional as F

from fmlib import scale
from fmlib.examples import language_modeling_example
from fmlib.llm.__main__ import main as quick_start
from fmlib.llm.gpt.config import GPTConfig, flops_per_token
from fmlib.llm.pretraining.training import (
    Recipe,
    bits_from_perplexity,
    inputs_and_targets,
    make_gpt,
    make_optimizer,
    surprise_of_text,
    text_bits_per_character,
    train_gpt,
)
from fmlib.llm.tokens.characters import ByteTokenizer
from fmlib.llm.tokens.tokenizer import BPETokenizer

TEXT = "to be, or not to be: that is the question. " * 60


def small(**more):
    return Recipe(
        **(
            {"model": GPTConfig(256, max_length=16, layers=1, heads=2, dim=32), "steps": 60, "batch_size": 8}
            | more
        )
    )


def test_it_learns_a_text_by_heart():
    tokens = torch.tensor(ByteTokenizer().encode(TEXT))
    before = text_bits_per_character(make_gpt(small().model, 0), ByteTokenizer(), TEXT)
    model, history = train_gpt(tokens, small(), progress=False, device="cpu")
    assert before > 7
    assert text_bits_per_character(model, ByteTokenizer(), TEXT) < 0.5 * before
    assert len(history) == 60


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_run_in_two_parts_is_the_run_in_one(tmp_path, name):
    tokens = torch.tensor(ByteTokenizer().encode(TEXT))
    model = GPTConfig(256, max_length=16, layers=1, heads=2, dim=32, dropout=0.1)
    recipe = small(steps=12, optimizer=name, model=model)
    whole, expected = train_gpt(tokens, recipe, progress=False, device="cpu")
    file, calls = tmp_path / "run.safetensors", []

    def stop(model, extra):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt

    options = {"progress": False, "device": "cpu", "checkpoint": file, "checkpoint_every": 4}
    with pytest.raises(KeyboardInterrupt):
        train_gpt(tokens, recipe, after_step=stop, **options)
    resumed, history = train_gpt(tokens, recipe, resume=True, **options)
    assert history.loss == expected.loss
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_every_parameter_is_trained_once_and_only_matrices_decay(name):
    model = make_gpt(small().model, 0)
    recipe = small(optimizer=name)
    groups = make_optimizer(recipe, model)(model.parameters()).param_groups
    seen = [id(p) for group in groups for p in group["params"]]
    assert sorted(seen) == sorted(id(p) for p in model.parameters())
    for group in groups:
        assert {p.ndim for p in group["params"]} == ({2} if group["weight_decay"] else {1})


def test_an_unknown_optimizer_or_schedule_is_refused_at_once(refuses):
    with refuses(ValueError, "optimizer is 'sgd'"):
        small(optimizer="sgd")
    with refuses(ValueError, "schedule is 'square': expected one of cosine, linear"):
        small(schedule="square")


@pytest.mark.parametrize("length", [2, 5, 8, 9, 10, 12, 13, 16, 17, 33, 100])
def test_every_token_is_judged_once_with_at_least_half_a_window_before_it(length):
    window = 8
    model = make_gpt(GPTConfig(50, max_length=window, layers=2, heads=2, dim=16), 0).eval()
    tokens = torch.randint(50, (length,), generator=torch.Generator().manual_seed(length))
    expected = []
    for i in range(length - 1):  # the token at i + 1, from the window that is asked for it
        start = 0 if i < window else (i - window // 2) // (window // 2) * (window // 2)
        logits = model(tokens[start : i + 1][None])[:, -1]
        expected.append(F.cross_entropy(logits, tokens[i + 1 : i + 2]))
        assert i - start >= min(i, window // 2)
    found = surprise_of_text(model, tokens, batch_size=3)
    assert torch.allclose(found, torch.stack(expected), atol=1e-5)


@pytest.mark.parametrize("size", [0, -1])
def test_no_windows_at_a_time_are_refused(size, refuses):
    with refuses(ValueError, f"batch_size is {size}: expected a whole number of at least 1"):
        surprise_of_text(make_gpt(small().model, 0), torch.arange(9), batch_size=size)


def test_a_model_that_knows_nothing_needs_the_logarithm_of_the_vocabulary():
    model = make_gpt(small().model, 0)
    with torch.no_grad():
        model.token_embedding.weight.zero_()
    assert text_bits_per_character(model, ByteTokenizer(), "hello there") == pytest.approx(math.log2(256))


def test_bits_per_character_count_characters_not_tokens():
    tokenizer = BPETokenizer.train(TEXT, 276)
    model = make_gpt(GPTConfig(276, max_length=16, layers=1, heads=2, dim=32), 0)
    with torch.no_grad():
        model.token_embedding.weight.zero_()
    expected = len(tokenizer.encode(TEXT)) * math.log2(276) / len(TEXT)
    assert text_bits_per_character(model, tokenizer, TEXT) == pytest.approx(expected, rel=1e-5)


def test_measuring_leaves_the_model_in_its_mode():
    model = make_gpt(small().model, 0).train()
    surprise_of_text(model, torch.arange(20))
    assert model.training


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        (torch.arange(1), "expected one row of at least 2"),
        (torch.zeros(2, 3, dtype=torch.long), r"tokens have shape \(2, 3\): expected \[text\]"),
    ],
)
def test_what_is_no_text_is_refused(refuses, tokens, says):
    with refuses(ValueError, says):
        surprise_of_text(make_gpt(small().model, 0), tokens)


def test_a_text_shorter_than_a_piece_is_refused(refuses):
    with refuses(ValueError, "the text has 5 tokens"):
        train_gpt(torch.arange(5), small(), progress=False)


def test_the_shakespeare_recipe_says_how_many_tokens_it_sees():
    recipe = Recipe.shakespeare()
    assert recipe.tokens == recipe.steps * recipe.batch_size * recipe.model.max_length


@pytest.mark.parametrize("make", [Recipe.shakespeare, Recipe.quick, Recipe.short])
def test_at_scale_gpu_a_run_fits_a_small_card(monkeypatch, make):
    monkeypatch.setattr(scale, "name", lambda: "gpu")
    operations = make().tokens * flops_per_token(make().model)
    assert operations < 10 * 60 * 2e12  # ten minutes of a quarter of what a T4 can do in float32


def test_a_step_tells_its_loss():
    losses = []
    _, history = train_gpt(
        torch.tensor(ByteTokenizer().encode(TEXT)),
        small(steps=3),
        after_step=lambda model, loss: losses.append(loss.item()),
        progress=False,
        device="cpu",
    )
    assert losses == history.loss


def test_the_example_gives_a_model_and_a_text():
    model, text = language_modeling_example(steps=2, progress=False)
    assert model.config.vocab_size == 2048
    assert len(text) > 5
    assert language_modeling_example(steps=2, progress=False)[1] == text


def test_the_quick_start_says_how_good_the_gpt_is(capsys):
    assert quick_start([]) == 0
    said = capsys.readouterr().out
    assert "parameters and writes" in said
    for name in ("this GPT", "5-grams of characters", "xz, with the plays as its context"):
        assert re.search(rf"^ +\d\.\d\d {name}$", said, re.MULTILINE)


def test_the_quick_start_refuses_no_steps(capsys):
    with pytest.raises(SystemExit):
        quick_start(["--steps", "0"])
    assert "--steps is 0" in capsys.readouterr().err


def test_a_target_is_the_token_that_comes_next():
    text = torch.arange(100)
    inputs, targets = inputs_and_targets(text, torch.tensor([0, 40, 94]), 5)
    assert inputs.tolist() == [[0, 1, 2, 3, 4], [40, 41, 42, 43, 44], [94, 95, 96, 97, 98]]
    assert torch.equal(targets, inputs + 1)


def test_perplexity_says_the_same_as_nats():
    model = make_gpt(small().model, 0)
    tokens = torch.tensor(ByteTokenizer().encode("über Nacht"))
    nats = surprise_of_text(model, tokens).double()
    assert bits_from_perplexity(nats.mean().exp().item(), len(nats), 10) == pytest.approx(
        nats.sum().item() / 10 / math.log(2)
    )


def test_no_perplexity_is_below_one(refuses):
    with refuses(ValueError, "perplexity is 0.5"):
        bits_from_perplexity(0.5, 10, 10)
