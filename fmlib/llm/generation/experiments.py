"""What the lesson measures besides samplers: what a repetition costs, and what a blank at the end of a prompt costs."""

import re
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.llm.generation.measure import surprise
from fmlib.llm.tokens.tokenizer import BPETokenizer

WORD = re.compile(r"(?<=[a-z,;]) [a-z]+\b")  # a word inside a line, with the blank before it


def cost_of_repeats(
    model: nn.Module, phrases: Int64[Tensor, "count length"], times: int
) -> Float[Tensor, "times"]:
    """Say each phrase again and again: how unexpected is it the first time, the second, ...?

    Args:
        model: a language model.
        phrases: one a row, of two or more tokens. A phrase's first token is not counted, since the very first has
            nothing before it.
        times: how often each is said, 2 or more.

    Returns:
        Nats per token of each repetition, the mean over the phrases.

    Raises:
        ValueError: phrases of a single token, or times below 2; see also `GPT.forward`.

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", figure 4.
    """
    length = phrases.shape[1]
    if length < 2 or times < 2:
        raise ValueError(f"phrases have {length} tokens, said {times} times: expected 2 or more of both")
    costs = surprise(model, phrases.repeat(1, times))  # [count, times · length - 1]
    costs = torch.nn.functional.pad(costs, (1, 0)).unflatten(1, (times, length))
    return costs[:, :, 1:].mean(dim=(0, 2))


class WordCosts(NamedTuple):
    """Nats of each word after a prompt that ends before its blank, and after one that ends behind it."""

    before: Float[Tensor, "count"]
    behind: Float[Tensor, "count"]


def word_costs(
    model: nn.Module, tokenizer: BPETokenizer, text: str, count: int, generator: torch.Generator
) -> WordCosts:
    """Does a prompt that ends in a blank make the next word cheaper, since the blank is given, or more expensive?

    Args:
        model: a GPT.
        tokenizer: of the model, with tokens that begin with a blank.
        text: the words are drawn from its lines.
        count: how many words.
        generator: draws them.

    Returns:
        -log p of the word in both cases: of " word" after the text before it, and of "word" after that text and a blank.
        The second does not count the blank: it stands in the prompt.

    Raises:
        ValueError: fewer words in the text.
    """
    found = [match for match in WORD.finditer(text) if match.start() >= 2]
    if not 1 <= count <= len(found):
        raise ValueError(f"count is {count} and the text has {len(found)} words: expected 1 to as many")
    drawn = torch.randperm(len(found), generator=generator)[:count].tolist()
    costs: list[tuple[float, float]] = []
    for match in (found[i] for i in drawn):
        known, word = text[max(0, match.start() - 4 * model.config.max_length) : match.start()], match.group()
        pair = []
        for prompt, rest in ((known, word), (known + " ", word[1:])):
            tail = tokenizer.encode(rest)
            tokens = (tokenizer.encode(prompt) + tail)[-model.config.max_length :]
            pair.append(surprise(model, torch.tensor([tokens]))[0, -len(tail) :].sum().item())
        costs.append((pair[0], pair[1]))
    return WordCosts(*torch.tensor(costs).T)
