import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GPT2Config, GPT2LMHeadModel

from fmlib.llm.adaptation.dpo import dpo_loss, drift, pair_log_probs, sequence_log_probs, train_dpo
from fmlib.llm.adaptation.instructions import Answer, add_special_tokens, pad_examples
from fmlib.llm.adaptation.preferences import Pair, courtesies, sample_pairs
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.model import load_gpt2
from fmlib.llm.pretraining.training import make_gpt
from fmlib.llm.tokens.tokenizer import BPETokenizer

QUIET = {"progress": False, "device": "cpu"}
LOG_PROBS = st.lists(st.floats(-200, 0), min_size=4, max_size=4)


def four(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (-20 + 5 * torch.randn(4, count, generator=generator, dtype=torch.float64)).unbind()


def talker(seed=0):
    tokenizer = BPETokenizer.train("good sir, pray tell me who is there? nobody. " * 20, 280)
    return add_special_tokens(
        make_gpt(GPTConfig(280, max_length=32, layers=1, heads=2, dim=32), seed), tokenizer
    )


# ---- the loss


@given(LOG_PROBS, st.floats(0.01, 2))
def test_the_loss_is_the_formula_of_the_paper(values, beta):
    chosen, rejected, reference_chosen, reference_rejected = values
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    expected = math.log1p(math.exp(-margin)) if margin > -30 else -margin  # -log sigmoid
    found = dpo_loss(*(torch.tensor([v], dtype=torch.float64) for v in values), beta)
    assert found.item() == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_the_gradient_is_the_one_of_the_paper():
    parts = [part.clone().requires_grad_() for part in four(6)]
    dpo_loss(*parts, beta=0.3).backward()
    with torch.no_grad():
        margin = 0.3 * ((parts[0] - parts[2]) - (parts[1] - parts[3]))
        weight = 0.3 * torch.sigmoid(-margin) / 6  # a pair counts the more, the more wrong its order is
    assert torch.allclose(parts[0].grad, -weight, atol=1e-10)
    assert torch.allclose(parts[1].grad, weight, atol=1e-10)


def test_the_reference_gets_no_gradient():
    parts = [part.clone().requires_grad_() for part in four(3)]
    dpo_loss(*parts, beta=0.1).backward()
    assert parts[2].grad is None
    assert parts[3].grad is None


def test_the_loss_is_log_2_where_the_model_is_the_reference():
    chosen, rejected, *_ = four(5)
    for beta in (0.01, 0.1, 10):
        assert dpo_loss(chosen, rejected, chosen, rejected, beta).item() == pytest.approx(math.log(2))


def test_the_loss_stays_finite_far_from_the_reference():
    far = torch.tensor([-1e5])
    assert dpo_loss(far, 0 * far, 0 * far, far, 1.0).item() == pytest.approx(2e5)


def test_what_is_no_batch_of_pairs_is_refused(refuses):
    good = torch.zeros(3)
    with refuses(ValueError, r"expected \[batch\]"):
        dpo_loss(good, good, good, good[:2], 0.1)
    with refuses(ValueError, r"expected \[batch\]"):
        dpo_loss(good[:0], good[:0], good[:0], good[:0], 0.1)
    with refuses(ValueError, "beta is 0: expected a number above 0"):
        dpo_loss(good, good, good, good, 0)


# ---- log-probabilities of answers


def test_log_probs_equal_those_of_transformers(tmp_path):
    config = GPT2Config(vocab_size=13, n_positions=16, n_embd=8, n_layer=2, n_head=2)
    theirs = GPT2LMHeadModel(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = load_gpt2(tmp_path).double()
    theirs = theirs.double()
    examples = [([1, 2], [3, 4, 9]), ([5], [9]), ([6, 7, 8], [3, 9])]
    found = sequence_log_probs(ours, *pad_examples(examples))
    for (prompt, answer), value in zip(examples, found, strict=True):
        total = 0.0
        for i, token in enumerate(answer):
            seen = torch.tensor([prompt + answer[:i]])
            total += theirs(seen).logits[0, -1].log_softmax(dim=-1)[token].item()
        assert value.item() == pytest.approx(total, abs=1e-10)


def test_neither_prompt_nor_padding_counts():
    model, _ = talker()
    short = pad_examples([([5, 6], [7, 8])])
    padded = pad_examples([([5, 6], [7, 8]), ([5, 6], [7, 8, 9, 9, 9])], pad=3)
    assert torch.allclose(sequence_log_probs(model, *short)[0], sequence_log_probs(model, *padded)[0])


def test_an_answer_without_a_prompt_is_refused(refuses):
    model, _ = talker()
    with refuses(ValueError, "begins at the first position"):
        sequence_log_probs(model, torch.zeros(1, 3, dtype=torch.long), torch.ones(1, 3, dtype=torch.bool))
    with refuses(ValueError, "answers has shape|answers have shape"):
        sequence_log_probs(model, torch.zeros(1, 3, dtype=torch.long), torch.ones(1, 2, dtype=torch.bool))


# ---- training


def as_answer(tokenizer, text):
    end = tokenizer.special_tokens["<|end|>"]
    return Answer(text, (*tokenizer.encode(text), end), True)


def some_pairs(tokenizer):
    better, worse = as_answer(tokenizer, "good sir."), as_answer(tokenizer, "nobody.")
    return [Pair(prompt, better, worse) for prompt in ("who", "there", "tell me", "is")] * 2


def margin(model, tokenizer, pairs):
    from fmlib.llm.adaptation.instructions import encode_prompt

    prompts = [encode_prompt(tokenizer, p.prompt) for p in pairs]
    both = [list(p.chosen.tokens) for p in pairs], [list(p.rejected.tokens) for p in pairs]
    with torch.no_grad():
        c, r = (sequence_log_probs(model, *pad_examples(list(zip(prompts, s, strict=True)))) for s in both)
    return (c - r).mean().item()


def test_training_raises_the_chosen_above_the_rejected_and_a_small_beta_goes_further():
    model, tokenizer = talker()
    pairs = some_pairs(tokenizer)
    start, margins = margin(model, tokenizer, pairs), {}
    for beta in (0.05, 5.0):
        tuned = copy.deepcopy(model)
        history = train_dpo(tuned, tokenizer, pairs, 30, batch_size=8, beta=beta, rate=3e-3, **QUIET)
        margins[beta] = margin(tuned.cpu(), tokenizer, pairs)
        assert history.loss[0] == pytest.approx(math.log(2), rel=1e-4)
        assert history.loss[-1] < history.loss[0]
    assert start < margins[5.0] < margins[0.05]


def test_the_log_probs_of_pairs_are_those_of_their_answers_in_any_batch():
    model, tokenizer = talker()
    pairs = some_pairs(tokenizer)
    found, alone = (pair_log_probs(model, tokenizer, pairs, batch_size) for batch_size in (128, 3))
    assert len(found.chosen) == len(found.rejected) == len(pairs)
    assert torch.allclose(found.chosen, alone.chosen)
    assert torch.allclose(found.rejected, alone.rejected)
    assert (found.chosen - found.rejected).mean().item() == pytest.approx(margin(model, tokenizer, pairs))


def test_too_few_pairs_are_refused(refuses):
    model, tokenizer = talker()
    with refuses(ValueError, "batch_size is 16 and there are 8 pairs"):
        train_dpo(model, tokenizer, some_pairs(tokenizer), 1, **QUIET)


def test_a_model_has_not_left_itself_and_another_one_has():
    model, tokenizer = talker()
    answers = [as_answer(tokenizer, "good sir.")] * 2
    assert drift(model, copy.deepcopy(model), tokenizer, ["who", "is"], answers) == 0
    assert drift(model, talker(seed=1)[0], tokenizer, ["who", "is"], answers) != 0


# ---- preferences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("I pray you, my good lord, be gone.", 2),
        ("Sir, SIR! Gentle sir", 4),
        ("My lordship desires", 0),
        ("", 0),
    ],
)
def test_courtesies_are_counted_as_whole_words(text, count):
    assert courtesies(text) == count


def test_pairs_are_the_best_and_the_worst_of_finished_answers(monkeypatch):
    texts = ["sir", "sir sir", "no", "cut sir sir sir", "no", "no", "no", "no"]
    drawn = [Answer(text, (1,), not text.startswith("cut")) for text in texts]
    monkeypatch.setattr("fmlib.llm.adaptation.preferences.write_answers", lambda *_: drawn)
    pairs = sample_pairs(*talker(), ["a", "b"], courtesies, answers=4)
    assert [(p.prompt, p.chosen.text, p.rejected.text) for p in pairs] == [("a", "sir sir", "no")]


def test_one_answer_is_no_choice(refuses):
    with refuses(ValueError, "answers is 1: expected 2 or more"):
        sample_pairs(*talker(), ["a"], courtesies, answers=1)


def test_answers_that_were_cut_off_count_only_when_told_to(monkeypatch):
    drawn = [Answer("sir", (1,), False), Answer("no", (1,), False)]
    monkeypatch.setattr("fmlib.llm.adaptation.preferences.write_answers", lambda *_: drawn)
    assert sample_pairs(*talker(), ["a"], courtesies, answers=2) == []
    assert len(sample_pairs(*talker(), ["a"], courtesies, answers=2, finished=False)) == 1
