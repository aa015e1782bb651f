"""How BERT is trained in this lesson: on hidden letters alone, or on pairs as well."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from fmlib import scale
from fmlib.llm.family.bert import BertConfig
from fmlib.llm.family.masking import mask_tokens
from fmlib.llm.gpt.cross_entropy import IGNORED, mean_cross_entropy
from fmlib.self_supervised.masked.bert import BertPretraining, pretraining_loss
from fmlib.self_supervised.masked.pairs import sentence_pairs
from fmlib.self_supervised.masked.plays import Vocabulary, load_plays
from fmlib.self_supervised.runs import with_seed
from fmlib.training.batches import TextBatches
from fmlib.training.fit import fit
from fmlib.training.history import History
from fmlib.training.optimizers import muon


@dataclass(frozen=True)
class BertRecipe:
    """Numbers of a BERT's run.

    Args:
        model: its sizes; max_length is that of [CLS] first [SEP] second [SEP], an odd number.
        steps, batch_size: of the training.
        rate, weight_decay, betas: of Muon, and of AdamW for the embeddings.

    Raises:
        ValueError: a max_length that leaves no two equal halves.
    """

    model: BertConfig
    steps: int
    batch_size: int = 16
    rate: float = 5e-3
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)

    def __post_init__(self) -> None:
        if self.model.max_length < 5 or self.model.max_length % 2 == 0:
            raise ValueError(
                f"max_length is {self.model.max_length}: expected an odd number from 5, two equal halves and three marks"
            )

    @property
    def length(self) -> int:
        """Tokens of text in a row, without the marks."""
        return self.model.max_length - 3

    @classmethod
    def main(cls) -> "BertRecipe":
        """The lesson's run, at the scale in force."""
        size = load_plays()[1].size
        return scale.pick(
            smoke=cls(BertConfig(size, max_length=33, layers=2, heads=2, dim=16), steps=4, batch_size=8),
            cpu=cls(BertConfig(size, max_length=47, dim=64), steps=2200),
            gpu=cls(
                BertConfig(size, max_length=129, layers=6, heads=6, dim=192),
                steps=4000,
                batch_size=64,
                rate=2e-3,
            ),
        )


def make_bert(config: BertConfig, seed: int) -> BertPretraining:
    """A BERT with both heads and the weights of a seed."""
    return with_seed(lambda: BertPretraining(config), seed)


BertLoss = Callable[[nn.Module, Int64[Tensor, "batch length"], torch.Generator], Tensor]


def pair_batch(
    pieces: Int64[Tensor, "batch length"],
    vocabulary: Vocabulary,
    follow_share: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A batch as BERT reads it: pairs, some of which follow each other, with hidden tokens.

    Args:
        pieces: text in a row, at least two. A second half that does not follow is the next row's, from elsewhere.
        vocabulary: which tokens there are.
        follow_share: how likely the second half follows; BERT has 0.5, and 1 leaves the text as it is.
        generator: to draw from.

    Returns:
        read, types, targets: [batch, length + 3]; labels: [batch], see `sentence_pairs`.
    """
    follows = torch.rand(len(pieces), generator=generator) < follow_share
    tokens, types, labels = sentence_pairs(
        pieces, pieces.roll(1, 0), follows, vocabulary.start, vocabulary.end
    )
    read, targets = mask_tokens(
        tokens, vocabulary.mask, vocabulary.size, generator=generator, special=vocabulary.special
    )
    return read, types, targets, labels


def masked_only(vocabulary: Vocabulary, follow_share: float = 1.0) -> BertLoss:
    """For `fit`: BERT is asked for hidden tokens and nothing else.

    Args:
        vocabulary: which tokens there are.
        follow_share: see `pair_batch`.
    """

    def loss(model: nn.Module, pieces: Tensor, generator: torch.Generator) -> Tensor:
        batch = pair_batch(pieces.cpu(), vocabulary, follow_share, generator)
        read, types, targets, _ = (part.to(pieces.device) for part in batch)
        asked = targets != IGNORED
        logits, relation = model(read, types=types, asked=asked)
        # Without the last term the head for pairs had no gradient, which several processes do not forgive.
        return mean_cross_entropy(logits, targets[asked]) + 0 * relation.sum()

    return loss


def masked_and_next(vocabulary: Vocabulary) -> BertLoss:
    """For `fit`: BERT's own task, hidden tokens and whether the second half follows, in half of the rows.

    Args:
        vocabulary: which tokens there are.
    """

    def loss(model: nn.Module, pieces: Tensor, generator: torch.Generator) -> Tensor:
        batch = pair_batch(pieces.cpu(), vocabulary, 0.5, generator)
        read, types, targets, labels = (part.to(pieces.device) for part in batch)
        asked = targets != IGNORED
        logits, relation = model(read, types=types, asked=asked)
        return pretraining_loss(logits, targets[asked], relation, labels)

    return loss


def train_bert(
    tokens: Int64[Tensor, "text"], recipe: BertRecipe, loss: BertLoss, seed: int = 0, **options: Any
) -> tuple[BertPretraining, History]:
    """Train a BERT on a text.

    Args:
        tokens: the text.
        recipe: the numbers.
        loss: `masked_only` or `masked_and_next`.
        seed: of weights, batches, pairs and hidden tokens.
        **options: passed to `fit`.
    """
    model = make_bert(recipe.model, seed)
    history = fit(
        model,
        TextBatches(tokens, recipe.length, recipe.batch_size, seed),
        loss,
        steps=recipe.steps,
        rate=recipe.rate,
        optimizer=muon(model, recipe.rate, recipe.weight_decay, recipe.betas),
        seed=seed,
        **options,
    )
    return model, history
