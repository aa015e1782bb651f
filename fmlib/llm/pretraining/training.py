"""Pretraining: a GPT learns to guess the next token of a text.

Everything that a run depends on is in a `Recipe`; the lesson, the embedded checkpoint and the command line use the same one.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from fmlib import scale
from fmlib.data import load_shakespeare
from fmlib.evaluate import bits_per_character
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.model import GPT
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.llm.tokens.tokenizer import BPETokenizer
from fmlib.training.batches import TextBatches
from fmlib.training.fit import fit
from fmlib.training.history import History
from fmlib.training.optimizers import by_name
from fmlib.training.schedules import Schedule, check_schedule


@dataclass(frozen=True)
class Recipe:
    """Numbers of a pretraining run.

    Args:
        model: sizes of the GPT; it is trained on pieces of max_length + 1 tokens.
        steps, batch_size: tokens seen are steps · batch_size · max_length.
        rate: highest learning rate.
        weight_decay: of matrices and embeddings.
        betas: AdamW's; the second forgets faster than the default, as is usual for language models.
        optimizer: "muon" (the matrices of the blocks by Muon, the rest by AdamW) or "adamw".
        schedule: how the rate falls, "cosine" or "linear"; see `fit`.

    Raises:
        ValueError: an optimizer or a schedule of another name.
    """

    model: GPTConfig
    steps: int
    batch_size: int = 16
    rate: float = 8e-3
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    optimizer: str = "muon"
    schedule: Schedule = "linear"

    def __post_init__(self) -> None:
        by_name(self.optimizer)
        check_schedule(self.schedule)

    @property
    def tokens(self) -> int:
        """How many tokens the run sees."""
        return self.steps * self.batch_size * self.model.max_length

    @classmethod
    def shakespeare(cls, vocab_size: int = 4096) -> "Recipe":
        """The run that the lesson on pretraining is about, at the scale in force."""
        return cls(
            model=scale.pick(
                smoke=GPTConfig(vocab_size, max_length=32, layers=2, heads=2, dim=32),
                cpu=GPTConfig(vocab_size, max_length=256, layers=4, heads=4, dim=128),
                gpu=GPTConfig(vocab_size, max_length=256, layers=6, heads=5, dim=320, dropout=0.2),
            ),
            steps=scale.pick(smoke=4, cpu=1350, gpu=1000),
            batch_size=scale.pick(smoke=4, cpu=8, gpu=64),
            weight_decay=0.4,  # more than is usual: the run reads the plays nearly twice
        )

    @classmethod
    def quick(cls, vocab_size: int = 2048) -> "Recipe":
        """About a minute: a small model that has seen too little, but writes verse."""
        return cls(
            model=scale.pick(
                smoke=GPTConfig(vocab_size, max_length=32, layers=2, heads=2, dim=32),
                cpu=GPTConfig(vocab_size, max_length=128, layers=2, heads=4, dim=96),
                gpu=GPTConfig(vocab_size, max_length=256, layers=4, heads=4, dim=256),
            ),
            steps=scale.pick(smoke=4, cpu=1500, gpu=600),
            batch_size=scale.pick(smoke=4, cpu=8, gpu=64),
        )

    @classmethod
    def short(cls, vocab_size: int = 2048) -> "Recipe":
        """Seconds: the quick model for fewer steps, to compare what one change does."""
        return replace(cls.quick(vocab_size), steps=scale.pick(smoke=4, cpu=200, gpu=200))


def shakespeare_tokens(vocab_size: int = 4096) -> tuple[BPETokenizer, Integer[Tensor, "text"]]:
    """A tokenizer trained on the training plays, and these plays as its tokens; done once for each size.

    Args:
        vocab_size: 256 bytes, the rest is merges.
    """
    return _shakespeare_tokens(vocab_size)


@lru_cache(maxsize=2)
def _shakespeare_tokens(vocab_size: int) -> tuple[BPETokenizer, Tensor]:
    text = load_shakespeare("train").text
    tokenizer = BPETokenizer.train(text, vocab_size)
    return tokenizer, torch.tensor(tokenizer.encode(text))


def make_optimizer(
    recipe: Recipe, model: nn.Module
) -> Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]:
    """Parameters -> the recipe's optimizer, with decay on matrices and none on biases and norms; see `fmlib.training`."""
    make = by_name(recipe.optimizer)
    return make(model, recipe.rate, recipe.weight_decay, recipe.betas)


def make_gpt(config: GPTConfig, seed: int) -> GPT:
    """A GPT with the weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT(config)


def inputs_and_targets(
    tokens: Integer[Tensor, "text"], starts: Integer[Tensor, "batch"], length: int
) -> tuple[Integer[Tensor, "batch length"], Integer[Tensor, "batch length"]]:
    """Pieces of a text as questions and answers: at each position, the answer is the token that comes next.

    Args:
        tokens: the text.
        starts: where each piece begins, at most len(tokens) - length - 1.
        length: how many tokens the model reads, and how many it is asked for.

    Returns:
        What it reads and what it should answer, both [batch, length].
    """
    pieces = tokens[starts[:, None] + torch.arange(length + 1)]
    return pieces[:, :-1], pieces[:, 1:]


def train_gpt(
    tokens: Integer[Tensor, "text"], recipe: Recipe, seed: int = 0, model: GPT | None = None, **options: Any
) -> tuple[GPT, History]:
    """Train a GPT on a text.

    Args:
        tokens: the text.
        recipe: the numbers.
        seed: of weights, batches and dropout.
        model: to go on with; a new one by default.
        **options: passed to `fit`, e.g. `measure` or `checkpoint`. `after_step` gets the model and the step's loss.

    Raises:
        TypeError, ValueError: see `TextBatches` and `fit`.
    """
    model = model if model is not None else make_gpt(recipe.model, seed)
    batches = TextBatches(tokens, length=recipe.model.max_length + 1, batch_size=recipe.batch_size, seed=seed)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        value = next_token_loss(model(batch[:, :-1]), batch, overwrite=True)
        return value, value.detach()

    history = fit(
        model,
        batches,
        loss,
        steps=recipe.steps,
        rate=recipe.rate,
        schedule=recipe.schedule,
        optimizer=make_optimizer(recipe, model),
        seed=seed,
        **options,
    )
    return model, history


@torch.no_grad()
def surprise_of_text(
    model: nn.Module, tokens: Integer[Tensor, "text"], batch_size: int = 32
) -> Float[Tensor, "text_but_one"]:
    """Nats of every token but the first, each seen with at least half a window of what stands before it.

    Windows of max_length positions move on by half their length, and only the new half of each is counted; at the
    beginning of the text there is less to see. So every token counts once, and few of them are judged nearly blind.

    Args:
        model: left in the mode in which it came.
        tokens: the text, at least 2.
        batch_size: windows at a time.

    Returns:
        float32 [len(tokens) - 1], on the CPU; its sum is the nats of the text.

    Raises:
        ValueError: fewer than two tokens, or no window at a time.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}: expected 1 or more windows at a time")
    if tokens.ndim != 1 or len(tokens) < 2:
        raise ValueError(f"tokens have shape {tuple(tokens.shape)}: expected one row of at least 2")
    window = model.config.max_length
    stride = max(1, window // 2)
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    found = torch.empty(len(tokens) - 1)
    # Window k reads tokens[start : start + window] and is asked for those behind position `done`.
    starts = [0, *range(stride, len(tokens) - 1 - (window - stride), stride)]
    try:
        by_length: dict[int, list[int]] = {}
        for start in starts:
            by_length.setdefault(min(window, len(tokens) - 1 - start), []).append(start)
        for length, same in by_length.items():
            for first in range(0, len(same), batch_size):
                rows = same[first : first + batch_size]
                pieces = torch.stack([tokens[s : s + length + 1] for s in rows]).long().to(device)
                logits = model(pieces[:, :-1]).float()
                nats = nn.functional.cross_entropy(
                    logits.flatten(0, 1), pieces[:, 1:].flatten(), reduction="none"
                )
                for start, row in zip(rows, nats.view(len(rows), length).cpu(), strict=True):
                    new = 0 if start == 0 else window - stride
                    found[start + new : start + length] = row[new:]
    finally:
        model.train(training)
    return found


def text_bits_per_character(model: nn.Module, tokenizer: Any, text: str, batch_size: int = 32) -> float:
    """Bits that a language model needs for each character of a text; tokenizers may differ, so compare in this.

    Args:
        model: trained on this tokenizer's tokens.
        tokenizer: with `encode`.
        text: of at least two tokens; the first is charged log2 of the vocabulary's size.

    Raises:
        ValueError: a text of fewer than two tokens.
    """
    tokens = torch.tensor(tokenizer.encode(text))
    nats = surprise_of_text(model, tokens, batch_size).double().sum().item()
    return bits_per_character(nats + math.log(model.config.vocab_size), len(text))


def bits_from_perplexity(perplexity: float, tokens: int, characters: int) -> float:
    """A paper's perplexity in a unit that does not depend on its tokens.

    Args:
        perplexity: per token: exp of the mean loss in nats, 1 or more.
        tokens, characters: how many of each the text has that it was measured on.

    Returns:
        Bits per character.

    Raises:
        ValueError: a perplexity below 1, or no tokens or characters.
    """
    if not perplexity >= 1 or tokens < 1:
        raise ValueError(f"perplexity is {perplexity} and tokens is {tokens}: expected 1 or more")
    return bits_per_character(tokens * math.log(perplexity), characters)
