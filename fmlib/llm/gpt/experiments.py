"""The experiments of the lesson on the transformer: a small GPT on Shakespeare's letters, whole and with one part changed.

Every change is made to a built model, in place, so that what differs between two runs is a line that you can read.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib import scale
from fmlib.checks import FLOAT, check_tensors, check_whole
from fmlib.data import load_shakespeare
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.model import GPT
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.llm.tokens.characters import CharTokenizer
from fmlib.training.batches import TextBatches
from fmlib.training.fit import fit
from fmlib.training.history import History


@dataclass(frozen=True)
class Recipe:
    """How a run is made.

    Args:
        layers, heads, dim, max_length: of the GPT.
        steps, batch_size: of the training.
        rate: the highest learning rate.
        warmup: steps until it is reached; 5 % of the run by default.
    """

    layers: int = 4
    heads: int = 4
    dim: int = 64
    max_length: int = 64
    steps: int = 1000
    batch_size: int = 32
    rate: float = 3e-3
    warmup: int | None = None

    @classmethod
    def main(cls) -> "Recipe":
        """The lesson's run."""
        return scale.pick(
            smoke=cls(dim=16, max_length=32, steps=20, batch_size=8),
            cpu=cls(steps=1600, rate=6e-3),
            gpu=cls(layers=6, heads=8, dim=256, max_length=256, steps=1000, batch_size=64, rate=1e-3),
        )

    @classmethod
    def short(cls) -> "Recipe":
        """Runs that show what a missing part costs: two blocks learn fast."""
        return scale.pick(
            smoke=cls(layers=2, dim=16, max_length=16, steps=6, batch_size=4),
            cpu=cls(layers=2, max_length=32, steps=400, rate=4e-3),
            gpu=cls(dim=128, max_length=128, steps=600, batch_size=64, rate=2e-3),
        )

    @classmethod
    def deep(cls) -> "Recipe":
        """Runs that compare the places of the norm: deep enough for it to matter."""
        return scale.pick(
            smoke=cls(layers=4, dim=16, max_length=16, steps=4, batch_size=4),
            cpu=cls(layers=6, dim=48, max_length=32, steps=150, batch_size=16),
            gpu=cls(layers=16, dim=128, max_length=128, steps=300, batch_size=32),
        )


class Letters(NamedTuple):
    """Shakespeare letter by letter: whole plays to train on, to look at while choosing, and to report on."""

    tokenizer: CharTokenizer
    train: Int64[Tensor, "train"]
    validation: Int64[Tensor, "validation"]
    test: Int64[Tensor, "test"]


@lru_cache(maxsize=1)
def load_letters() -> Letters:
    """All plays as tokens, a letter each; the tokenizer knows the training plays' letters."""
    texts = [load_shakespeare(split).text for split in ("train", "validation", "test")]
    tokenizer = CharTokenizer.train(texts[0])
    return Letters(tokenizer, *(torch.tensor(tokenizer.encode(text)) for text in texts))


def make_gpt(recipe: Recipe, seed: int) -> GPT:
    """A GPT for letters with the weights of a seed."""
    sizes = {name: getattr(recipe, name) for name in ("layers", "heads", "dim", "max_length")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPT(GPTConfig(vocab_size=load_letters().tokenizer.vocab_size, **sizes))


def as_it_is(model: GPT) -> GPT:
    """Change nothing."""
    return model


def post_norm(model: GPT) -> GPT:
    """The order of 2017: normalize the sum behind each part, and nothing at the end."""
    for block in model.blocks:
        block.pre_norm = False
    model.norm = nn.Identity()  # the last block has just normalized
    return model


def without_positions(model: GPT) -> GPT:
    """Every position gets the same embedding, zero."""
    nn.init.zeros_(model.position_embedding.weight).requires_grad_(False)
    return model


def leaking(model: GPT) -> GPT:
    """No causal mask: every position sees the whole text, the token that it must predict among it."""
    for block in model.blocks:
        block.attention.causal = False
    return model


def train_gpt(model: GPT, recipe: Recipe, seed: int, measure: Callable | None = None, **more: Any) -> History:
    """Train on the letters of 32 plays.

    Args:
        model: trained in place.
        recipe: steps, batch size and rate.
        seed: of the batches.
        measure: as in `fit`.
        **more: for `fit`.

    Returns:
        The history; the model is on the CPU again and in evaluation mode.
    """
    batches = TextBatches(load_letters().train, recipe.max_length + 1, recipe.batch_size, seed)
    history = fit(
        model,
        batches,
        lambda model, batch, generator: next_token_loss(model(batch[:, :-1]), batch),
        steps=recipe.steps,
        rate=recipe.rate,
        warmup=recipe.warmup,
        weight_decay=0.1,
        seed=seed,
        measure=measure,
        **more,
    )
    model.cpu().eval()
    return history


def unscaled(model: GPT) -> GPT:
    """Without GPT-2's smaller weights: what writes into the residual stream starts as large as everything else."""
    for name, weight in model.named_parameters():
        if name.endswith(("output.weight", "contract.weight")):
            with torch.no_grad():
                weight.mul_((2 * model.config.layers) ** 0.5)
    return model


@torch.no_grad()
def stream_sizes(model: GPT, tokens: Int64[Tensor, "batch length"]) -> list[float]:
    """How large the residual stream is behind each block: the root of its mean square.

    Args:
        model: a GPT.
        tokens: what it reads.

    Returns:
        One number for the embeddings and one for each block.
    """
    sizes: list[float] = []

    def note(x: Tensor) -> None:
        sizes.append(x.square().mean().sqrt().item())

    hooks = [model.blocks[0].register_forward_pre_hook(lambda block, given: note(given[0]))]
    hooks += [block.register_forward_hook(lambda block, given, out: note(out)) for block in model.blocks]
    try:
        model(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return sizes


def mean_weight_at_distance(
    maps: Float[Tensor, "batch heads length length"], distance: int
) -> Float[Tensor, "heads"]:
    """How much each head of a causal layer takes, on average, from the position `distance` before its own.

    Args:
        maps: of one layer.
        distance: 0 is the position itself, 1 the one before it.

    Raises:
        TypeError: maps that are no floats.
        ValueError: no position is so far before another, or maps of numbers that are none.
    """
    check_tensors(("maps", maps, FLOAT, "batch heads length length"), finite=True)
    check_whole("distance", distance, least=0, most=maps.shape[-1] - 1)
    return maps.diagonal(-distance, dim1=2, dim2=3).mean(dim=(0, 2))


@contextmanager
def silenced(model: GPT, heads: Iterable[tuple[int, int]]) -> Iterator[None]:
    """Heads whose gathered values go nowhere while the block runs; the model is as before afterwards.

    Args:
        model: a GPT.
        heads: (block, head) of each, both from 0.

    Raises:
        ValueError: a block or a head that the model does not have.
    """
    heads, kept = list(heads), {}
    for block, head in heads:
        if not (0 <= block < model.config.layers and 0 <= head < model.config.heads):
            raise ValueError(
                f"head {head} of block {block}: expected blocks 0 to {model.config.layers - 1} "
                f"and heads 0 to {model.config.heads - 1}"
            )
    try:
        with torch.no_grad():
            for block, head in heads:
                layer = model.blocks[block].attention
                kept.setdefault(block, layer.output.weight.clone())
                layer.output.weight[:, head * layer.head_dim : (head + 1) * layer.head_dim] = 0
        yield
    finally:
        with torch.no_grad():
            for block, weight in kept.items():
                model.blocks[block].attention.output.weight.copy_(weight)


@torch.no_grad()
def share_moved(
    model: GPT, tokens: Int64[Tensor, "batch length"], distance: int, generator: torch.Generator
) -> float:
    """How much of its probability a model puts elsewhere when one letter of what it has read is another.

    Args:
        model: a GPT.
        tokens: texts; what comes behind each is predicted.
        distance: of the letter that is exchanged from the last one, 0 for the last one itself.
        generator: deals each text another text's letter from the same place.

    Returns:
        The mean share of the probability, 0 to 1.

    Raises:
        ValueError: a distance beyond the texts.
    """
    if not 0 <= distance < tokens.shape[1]:
        raise ValueError(f"distance is {distance}: expected 0 to {tokens.shape[1] - 1}")
    changed, place = tokens.clone(), tokens.shape[1] - 1 - distance
    changed[:, place] = tokens[torch.randperm(len(tokens), generator=generator), place]
    before, after = (model(batch)[:, -1].softmax(dim=-1) for batch in (tokens, changed))
    return 0.5 * (before - after).abs().sum(dim=-1).mean().item()
