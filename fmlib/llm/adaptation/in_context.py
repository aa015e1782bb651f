"""In-context learning at the smallest scale: a GPT reads examples of a mapping that it has never seen, and applies it.

A text is a row of examples, key value key value. Which key follows which is a habit of the language, the same in all
texts, so weights can learn it. Which value belongs to a key is drawn anew for every text, so only reading can tell.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from fmlib import scale
from fmlib.checks import LONG, check_likeliest, check_number, check_range, check_tensors, check_whole
from fmlib.llm.gpt.config import GPTConfig
from fmlib.llm.gpt.model import GPT
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.training.fit import fit
from fmlib.training.history import History

HELD_OUT = 8  # one mapping of so many is kept for the test
_SCRAMBLE, _BITS = 2_654_435_761, 32  # 2^32 over the golden ratio: neighbors land far apart


@dataclass(frozen=True)
class Recipe:
    """The texts, the model that reads them, and its training.

    Args:
        keys, values: how many tokens there are of each; a mapping gives every key a value.
        pairs: examples in a text, the last of them the longest prompt's question.
        habit: how often a key is followed by its usual follower, 0 to 1; else any key may come.
        layers, heads, dim: of the GPT.
        steps, batch_size, rate: of the training.

    Raises:
        ValueError: sizes below 2, a habit outside [0, 1], or more mappings than can be told apart.
    """

    keys: int = 6
    values: int = 16
    pairs: int = 16
    habit: float = 0.75
    layers: int = 2
    heads: int = 4
    dim: int = 64
    steps: int = 450
    batch_size: int = 32
    rate: float = 3e-3

    def __post_init__(self) -> None:
        for name in ("keys", "values", "pairs"):
            check_whole(name, getattr(self, name), least=2)
        check_number("habit", self.habit, least=0, most=1, hint="a share")
        if self.values**self.keys > 2**31:
            raise ValueError(
                f"{self.values} values for {self.keys} keys make more than 2^31 mappings: use fewer"
            )

    @property
    def vocab_size(self) -> int:
        """Keys are the first tokens, values the ones after them."""
        return self.keys + self.values

    @classmethod
    def main(cls) -> "Recipe":
        """The lesson's run."""
        return scale.pick(
            smoke=cls(dim=16, steps=6, batch_size=4),
            cpu=cls(),
            gpu=cls(layers=4, heads=8, dim=128, steps=1500, batch_size=128),
        )


def is_held_out(mappings: Int64[Tensor, "count keys"], values: int) -> Bool[Tensor, "count"]:
    """Which mappings belong to the test: a rule that depends on all values of a mapping, and that nobody could learn.

    Each mapping has a number, its values read as digits. The number is scrambled, and one range of eight is held out.
    """
    check_tensors(("mappings", mappings, LONG, "count keys"))
    check_whole("values", values)
    place = values ** torch.arange(mappings.shape[1], device=mappings.device)
    number = (mappings * place).sum(dim=1)
    return (number * _SCRAMBLE) % 2**_BITS < 2**_BITS // HELD_OUT


def draw_mappings(
    recipe: Recipe, count: int, generator: torch.Generator, held_out: bool = False
) -> Int64[Tensor, "count keys"]:
    """Random mappings, a row each: the value of every key. Those for training and those held out have none in common."""
    found = torch.empty(0, recipe.keys, dtype=torch.long)
    while len(found) < count:
        drawn = torch.randint(recipe.values, (2 * HELD_OUT * count, recipe.keys), generator=generator)
        found = torch.cat([found, drawn[is_held_out(drawn, recipe.values) == held_out]])
    return found[:count]


def draw_keys(recipe: Recipe, count: int, generator: torch.Generator) -> Int64[Tensor, "count pairs"]:
    """The keys of each text in their order: mostly each one's usual follower, the next number, else any."""
    keys = torch.randint(recipe.keys, (count, recipe.pairs), generator=generator)
    usual = torch.rand(count, recipe.pairs, generator=generator) < recipe.habit
    for i in range(1, recipe.pairs):
        keys[:, i] = torch.where(usual[:, i], (keys[:, i - 1] + 1) % recipe.keys, keys[:, i])
    return keys


def in_context_batch(
    mappings: Int64[Tensor, "batch keys"], keys: Int64[Tensor, "batch pairs"]
) -> Int64[Tensor, "batch length"]:
    """Texts of examples: key, its value, key, its value, ...

    Args:
        mappings: row b has the value of every key in text b, counted from 0.
        keys: which keys are shown, in which order.

    Returns:
        [batch, 2 · pairs] tokens. A key is its own token; value v is the token keys + v, so that the two differ.

    Raises:
        TypeError: mappings or keys that are not torch.long.
        ValueError: shapes that do not fit; on a CPU also keys that the mappings do not have, or values below 0.
    """
    check_tensors(("mappings", mappings, LONG, "batch all_keys"), ("keys", keys, LONG, "batch pairs"))
    check_range("keys", keys, 0, mappings.shape[1] - 1)
    check_range("mappings", mappings, 0, 2**31)
    answers = mappings.gather(1, keys) + mappings.shape[1]
    return torch.stack([keys, answers], dim=2).flatten(1)


def draw_texts(
    recipe: Recipe,
    count: int,
    generator: torch.Generator,
    held_out: bool = False,
    mappings: Int64[Tensor, "few keys"] | None = None,
) -> Int64[Tensor, "count length"]:
    """Texts, each with a mapping of its own, or with one of a few given ones."""
    if mappings is None:
        mappings = draw_mappings(recipe, count, generator, held_out)
    else:
        mappings = mappings[torch.randint(len(mappings), (count,), generator=generator)]
    return in_context_batch(mappings, draw_keys(recipe, count, generator))


def make_reader(recipe: Recipe, seed: int) -> GPT:
    """A GPT for these texts, started for a width of 64 rather than 768.

    GPT-2's standard deviation of 0.02 suits its width: at 64, attention would start so flat that it learns next to nothing
    for hundreds of steps. Matrices start with 1/sqrt(inputs); MLPs start silent, so that they do not drown what the first
    layer's heads write for the second's to read; and positions start as the sines and cosines of Vaswani et al. 2017,
    section 3.5, in which "one before" is a rotation.
    """
    sizes = {name: getattr(recipe, name) for name in ("layers", "heads", "dim")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPT(GPTConfig(recipe.vocab_size, max_length=2 * recipe.pairs, **sizes))
        for block in model.blocks:
            for layer in block.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            nn.init.zeros_(block.mlp.contract.weight)
        nn.init.normal_(model.token_embedding.weight, std=0.2)
    places = torch.arange(2 * recipe.pairs)[:, None]
    angles = places * 10_000 ** (-torch.arange(0, recipe.dim, 2) / recipe.dim)
    with torch.no_grad():
        waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
        model.position_embedding.weight.copy_(0.3 * waves)  # about as large as the tokens' embeddings
    return model


def train_reader(
    model: GPT,
    recipe: Recipe,
    seed: int,
    mappings: Int64[Tensor, "few keys"] | None = None,
    measure: Callable[[nn.Module], dict[str, float]] | None = None,
    **more: Any,
) -> History:
    """Train on next-token prediction, every token of every text, and nothing else.

    Args:
        model: trained in place; on the CPU and in evaluation mode afterwards.
        recipe: texts, steps and rate.
        seed: of the texts.
        mappings: the only ones that are used; by default a new one for each text, none of them held out.
        measure: as in `fmlib.training.fit.fit`.
        **more: for `fit`.
    """
    history = fit(
        model,
        lambda step, generator: draw_texts(recipe, recipe.batch_size, generator, mappings=mappings),
        lambda model, batch, generator: next_token_loss(model(batch), batch),
        steps=recipe.steps,
        rate=recipe.rate,
        optimizer=partial(torch.optim.AdamW, lr=recipe.rate, betas=(0.9, 0.95), weight_decay=0.0),
        seed=seed,
        measure=measure,
        **more,
    )
    model.cpu().eval()
    return history


@torch.no_grad()
def accuracy_by_examples(
    model: nn.Module, texts: Int64[Tensor, "count length"], keys: int
) -> Float[Tensor, "pairs"]:
    """How often the likeliest value is the right one, for each number of examples before the question.

    Each text asks one question for each of its keys: number k has k examples before it.

    Args:
        model: tokens -> logits.
        texts: of `draw_texts`.
        keys: how many tokens are keys; the answer is chosen among the others.

    Returns:
        Shares from 0 to 1, number k of them with k examples.

    Raises:
        ValueError: a model whose logits are no numbers.
    """
    check_tensors(("texts", texts, LONG, "count length"))
    check_whole("keys", keys)
    device = next(model.parameters()).device
    logits = model(texts.to(device))[:, ::2, keys:]  # at each key, over the values
    check_likeliest(logits)
    return (logits.argmax(dim=-1).cpu() + keys == texts[:, 1::2]).float().mean(dim=0)


def best_possible(texts: Int64[Tensor, "count length"], values: int) -> Float[Tensor, "pairs"]:
    """What a perfect reader gets right: every key that it was shown, and one of `values` of the others."""
    check_tensors(("texts", texts, LONG, "count length"))
    check_whole("values", values)
    keys = texts[:, ::2]
    shown = (keys[:, :, None] == keys[:, None, :]).tril(-1).any(dim=2).float().mean(dim=0)
    return shown + (1 - shown) / values
