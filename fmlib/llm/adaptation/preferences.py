"""Preferences: of several answers that a model gives, which one is better, said by a rule in place of people."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from fmlib.llm.adaptation.instructions import Answer, write_answers
from fmlib.llm.generation.sampling import Sampling
from fmlib.llm.tokens.tokenizer import BPETokenizer

COURTESIES = re.compile(
    r"\b(sir|madam|please|pray|prithee|thanks?|gentle|my (?:good |gracious |noble )?(?:lord|lady|liege))\b",
    re.I,
)


def courtesies(text: str) -> int:
    """How often a text is polite: "sir", "my lord", "pray", "thank" and the like. The rule that stands in for people.

    Example:
        >>> courtesies("I pray you, my good lord, be gone.")
        2
    """
    return len(COURTESIES.findall(text))


@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt.

    Args:
        prompt: the instruction.
        chosen, rejected: the better and the worse.
    """

    prompt: str
    chosen: Answer
    rejected: Answer


def sample_pairs(
    model: nn.Module,
    tokenizer: BPETokenizer,
    prompts: Sequence[str],
    score: Callable[[str], float],
    seed: int = 0,
    answers: int = 4,
    finished: bool = True,
) -> list[Pair]:
    """Pairs from the model itself: of some answers to each prompt, the best and the worst by a rule.

    Args:
        model, tokenizer: as tuned on instructions.
        prompts: one pair for each at most.
        score: of an answer's text; higher is preferred.
        seed: of the draws.
        answers: drawn for each prompt, 2 or more.
        finished: leave out answers that were cut off.

    Returns:
        The pairs; a prompt whose answers all score the same gives none.

    Raises:
        ValueError: fewer than two answers a prompt.
    """
    if answers < 2:
        raise ValueError(f"answers is {answers}: expected 2 or more, to prefer one")
    repeated = [prompt for prompt in prompts for _ in range(answers)]
    written = write_answers(model, tokenizer, repeated, seed, Sampling())
    pairs = []
    for i, prompt in enumerate(prompts):
        own = [a for a in written[i * answers : (i + 1) * answers] if a.stopped or not finished]
        ranked = sorted(own, key=lambda a: score(a.text))
        if len(ranked) > 1 and score(ranked[-1].text) > score(ranked[0].text):
            pairs.append(Pair(prompt, ranked[-1], ranked[0]))
    return pairs
