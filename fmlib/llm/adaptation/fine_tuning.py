"""Fine-tuning: a trained model goes on with another author's text. What it gains there, what it forgets, two remedies.

*Replay* keeps a share of the old text in every batch; averaging the weights before and after needs no training at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64, Integer
from torch import Tensor, nn

from fmlib.checks import LONG, check_number, check_tensors
from fmlib.llm.gpt.model import GPT
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.llm.pretraining.training import text_bits_per_character
from fmlib.llm.tokens.characters import Tokenizer
from fmlib.training.batches import TextBatches
from fmlib.training.fit import fit
from fmlib.training.history import History


@dataclass(frozen=True)
class Tuning:
    """Numbers of a fine-tuning run.

    Args:
        steps, batch_size: pieces of as many tokens as the model knows positions.
        rate: highest learning rate; below that of pretraining, as a rule.
        replay: share of each batch that is old text, 0 to 1.

    Raises:
        ValueError: replay outside of [0, 1].
    """

    steps: int
    batch_size: int = 8
    rate: float = 1e-3
    replay: float = 0.0

    def __post_init__(self) -> None:
        check_number("replay", self.replay, least=0, most=1, hint="a share of the batch")


def replay_batch(
    new: Int64[Tensor, "batch length"], old: Int64[Tensor, "batch length"], share: float
) -> Int64[Tensor, "batch length"]:
    """Old text takes the place of some of the new, so that what was learned stays in demand.

    Args:
        new: pieces of the new text.
        old: as many pieces of the old one.
        share: how much of the batch is old, 0 to 1; rounded to whole pieces.

    Returns:
        The first pieces of `new`, behind them the first of `old`; as many as came.

    Raises:
        TypeError: pieces that are not torch.long.
        ValueError: shapes that differ, or a share outside of [0, 1].

    Source: Robins 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal".
    """
    check_tensors(("new", new, LONG, "batch length"), ("old", old, LONG, "batch length"))
    check_number("share", share, least=0, most=1)
    kept = len(new) - round(share * len(new))
    return torch.cat([new[:kept], old[: len(new) - kept]])


def fine_tune(
    model: GPT,
    tokenizer: Tokenizer,
    tokens: Integer[Tensor, "text"],
    tuning: Tuning,
    held_out: Mapping[str, str],
    old_tokens: Integer[Tensor, "old_text"] | None = None,
    points: int = 5,
    seed: int = 0,
    **options: Any,
) -> History:
    """Go on training with another text, and measure on the way.

    Args:
        model: trained in place.
        tokenizer: of the model.
        tokens: the new text.
        tuning: the numbers.
        held_out: name -> a text on which bits per character are measured.
        old_tokens: the text that the model was trained on; needed with replay.
        points: how often to measure, besides before the first step.
        seed: of the batches.
        **options: passed to `fit`.

    Returns:
        The history; `measured[name][step]` are bits per character, from step 0 on.

    Raises:
        ValueError: replay without an old text, points below 1; see also `TextBatches` and `fit`.
    """
    if tuning.replay > 0 and old_tokens is None:
        raise ValueError(f"replay is {tuning.replay} and old_tokens is None: expected the text to replay")
    if points < 1:
        raise ValueError(f"points is {points}: expected 1 or more measurements")
    length = model.config.max_length + 1
    new = TextBatches(tokens, length, tuning.batch_size, seed)
    old = TextBatches(old_tokens, length, tuning.batch_size, seed) if tuning.replay > 0 else None

    def batches(step: int, generator: torch.Generator) -> Tensor:
        return new(step) if old is None else replay_batch(new(step), old(step), tuning.replay)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        return next_token_loss(model(batch[:, :-1]), batch, overwrite=True)

    def measure(model: GPT) -> dict[str, float]:
        return {name: text_bits_per_character(model, tokenizer, text) for name, text in held_out.items()}

    before = measure(model)
    history = fit(
        model,
        batches,
        loss,
        steps=tuning.steps,
        rate=tuning.rate,
        seed=seed,
        measure=measure,
        measure_every=max(1, tuning.steps // points),
        **options,
    )
    history.measured = {name: {0: bits} | history.measured[name] for name, bits in before.items()}
    return history


def average_weights(before: GPT, after: GPT, share: float) -> GPT:
    """A model between two: every weight a straight mix of theirs. It works since fine-tuning does not go far.

    Args:
        before, after: of the same sizes, the second tuned from the first; both are left as they are.
        share: of the second, 0 to 1.

    Raises:
        ValueError: other sizes, or a share outside of [0, 1].

    Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", section 2.
    """
    if before.config != after.config:
        raise ValueError(
            f"the models are of other sizes, {before.config} and {after.config}: expected the same"
        )
    check_number("share", share, least=0, most=1)
    with torch.random.fork_rng(devices=[]):
        mixed = GPT(before.config)
    start, end = before.state_dict(), after.state_dict()
    mixed.load_state_dict({name: start[name].lerp(end[name].to(start[name].device), share) for name in start})
    return mixed.train(before.training)
