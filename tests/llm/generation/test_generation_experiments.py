import math

import pytest
import torch
from torch import nn

from fmlib.checkpoints import load_shakespeare_gpt
from fmlib.llm.generation.experiments import cost_of_repeats, word_costs

VOCAB, PERIOD = 7, 4
TEXT = "\nthe king, my lord, is come; what says the king to me\n"


class Echo(nn.Module):
    """Expects what stood one period ago; before that it has no opinion."""

    def forward(self, tokens):
        logits = torch.zeros(*tokens.shape, VOCAB)
        if tokens.shape[1] >= PERIOD:
            ago = tokens[:, : tokens.shape[1] - PERIOD + 1]
            logits[:, PERIOD - 1 :] = 50.0 * nn.functional.one_hot(ago, VOCAB)
        return logits


@pytest.fixture(scope="module")
def shipped():
    return load_shakespeare_gpt()


def test_who_echoes_is_surprised_by_the_first_repetition_only():
    phrases = torch.randint(0, VOCAB, (5, PERIOD), generator=torch.Generator().manual_seed(0))
    costs = cost_of_repeats(Echo(), phrases, 3)
    assert costs.tolist() == pytest.approx([math.log(VOCAB), 0, 0], abs=1e-6)


@pytest.mark.parametrize(("length", "times"), [(1, 3), (4, 1)])
def test_nothing_to_repeat_is_refused(refuses, length, times):
    with refuses(ValueError, f"phrases have {length} tokens, said {times} times: expected 2 or more of both"):
        cost_of_repeats(Echo(), torch.zeros(1, length, dtype=torch.long), times)


def test_both_costs_are_those_of_the_same_word(shipped):
    model, tokenizer = shipped
    found = word_costs(model, tokenizer, "\nO my lord", 1, torch.Generator().manual_seed(0))

    def nats(prompt, rest):
        tokens = tokenizer.encode(prompt) + tokenizer.encode(rest)
        with torch.no_grad():
            known = model(torch.tensor([tokens[:-1]]))[0].log_softmax(-1)
        return -sum(known[i - 1, tokens[i]].item() for i in range(len(tokenizer.encode(prompt)), len(tokens)))

    assert found.before.item() == pytest.approx(nats("\nO my", " lord"), abs=1e-4)
    assert found.behind.item() == pytest.approx(nats("\nO my ", "lord"), abs=1e-4)


def test_a_blank_at_the_end_of_the_prompt_makes_the_word_more_expensive(shipped):
    found = word_costs(*shipped, TEXT * 3, 15, torch.Generator().manual_seed(0))
    assert found.behind.mean() > 1.3 * found.before.mean()


def test_the_same_generator_draws_the_same_words(shipped):
    first, second = (word_costs(*shipped, TEXT, 4, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first.before, second.before)


@pytest.mark.parametrize("count", [0, 50])
def test_more_words_than_there_are_are_refused(refuses, shipped, count):
    with refuses(ValueError, f"count is {count} and the text has 11 words"):
        word_costs(*shipped, TEXT, count, torch.Generator())
