"""How the masked autoencoder and BERT are trained in this lesson, and how a vision transformer is tuned to few labels."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.data import Pictures
from fmlib.llm.family.bert import BertConfig
from fmlib.llm.family.masking import mask_tokens
from fmlib.llm.gpt.cross_entropy import IGNORED, mean_cross_entropy
from fmlib.nn.vit import ViT, ViTConfig
from fmlib.self_supervised.contrastive.training import GENTLE
from fmlib.self_supervised.masked.bert import BertPretraining, pretraining_loss
from fmlib.self_supervised.masked.mae import MAE, MAEConfig, mae_loss, patch_targets
from fmlib.self_supervised.masked.pairs import sentence_pairs
from fmlib.self_supervised.masked.plays import Vocabulary, load_plays
from fmlib.self_supervised.runs import as_floats, fit_labels, with_seed
from fmlib.training.batches import ShuffledBatches, TextBatches
from fmlib.training.fit import fit
from fmlib.training.history import History
from fmlib.training.optimizers import muon

CROPS = Augmentation(
    crop=0.6, jitter=0.0
)  # the masks change at every step: views need hardly change anything


@dataclass(frozen=True)
class MAERecipe:
    """Numbers of a masked autoencoder's run.

    Args:
        model: its sizes.
        steps, batch_size: of the training.
        rate, weight_decay: of Muon.
        augment: what a picture becomes before it is cut into patches.
    """

    model: MAEConfig
    steps: int
    batch_size: int = 256
    rate: float = 3e-3
    weight_decay: float = 0.05
    augment: Augmentation = field(default_factory=lambda: CROPS)

    @classmethod
    def main(cls) -> "MAERecipe":
        """The lesson's run, at the scale in force."""
        small = MAEConfig(encoder=ViTConfig(sines=True, layers=2, heads=2, dim=32), decoder_dim=32)
        whole = MAEConfig(encoder=ViTConfig(sines=True))
        large = MAEConfig(
            encoder=ViTConfig(sines=True, layers=6, heads=6, dim=192),
            decoder_layers=2,
            decoder_dim=96,
        )
        return scale.pick(
            smoke=cls(small, steps=4, batch_size=32),
            cpu=cls(whole, steps=400, batch_size=192),
            gpu=cls(large, steps=4000, batch_size=512, rate=2e-3),
        )


@dataclass(frozen=True)
class TuneRecipe:
    """Numbers of a run in which an encoder and a linear layer learn from labels.

    Args:
        steps, batch_size: of the training; a batch has at most as many pictures as there are.
        rate, weight_decay: of Muon.
        augment: of the pictures.
    """

    steps: int
    batch_size: int = 32
    rate: float = 1e-3
    weight_decay: float = 0.05
    augment: Augmentation = field(default_factory=lambda: GENTLE)

    @classmethod
    def main(cls) -> "TuneRecipe":
        """The lesson's runs, at the scale in force; it chooses the rate on validation pictures."""
        return cls(steps=scale.pick(smoke=2, cpu=150, gpu=400))


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


class MeanOfPatches(nn.Module):
    """A vision transformer's features of a picture: the mean over its patches.

    The masked autoencoder asks nothing of its class token, so what is known of a picture lies in the patches.

    Args:
        encoder: any vision transformer.
    """

    def __init__(self, encoder: ViT) -> None:
        super().__init__()
        self.encoder = encoder
        self.feature_dim = encoder.feature_dim

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch dim"]:
        """Features of each picture."""
        return self.encoder.tokens(images)[:, 1:].mean(dim=1)


def make_vit(config: ViTConfig, seed: int) -> ViT:
    """A vision transformer with the weights of a seed."""
    return with_seed(lambda: ViT(config), seed)


def train_mae(images: Tensor, recipe: MAERecipe, seed: int = 0, **options: Any) -> tuple[MAE, History]:
    """Train a masked autoencoder on pictures without labels.

    Args:
        images: uint8 or float pictures [n, channels, height, width].
        recipe: the numbers.
        seed: of weights, batches, crops and masks.
        **options: passed to `fit`, e.g. `measure` or `checkpoint`.
    """
    model = with_seed(lambda: MAE(recipe.model), seed)
    vit = recipe.model.encoder

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        pictures = recipe.augment(as_floats(batch), generator)
        noise = torch.rand(len(pictures), vit.grid**2, generator=generator).to(pictures.device)
        painted, hidden = model(pictures, noise)
        return mae_loss(painted, patch_targets(pictures, vit.patch_size, recipe.model.normalize), hidden)

    history = fit(
        model,
        ShuffledBatches(images, batch_size=recipe.batch_size, seed=seed),
        loss,
        steps=recipe.steps,
        rate=recipe.rate,
        optimizer=muon(model, recipe.rate, recipe.weight_decay),
        seed=seed,
        **options,
    )
    return model, history


def fine_tune(
    encoder: ViT, pictures: Pictures, recipe: TuneRecipe | None = None, seed: int = 0, **options: Any
) -> nn.Module:
    """Go on training a copy of an encoder, with a linear layer on the mean of its patches, on labeled pictures.

    Args:
        encoder: left alone; with random weights it is training from scratch.
        pictures: with labels.
        recipe: the numbers; `TuneRecipe.main` by default.
        seed: of the linear layer, batches and views.
        **options: passed to `fit`.

    Returns:
        From pictures to logits of the classes.
    """
    recipe = recipe or TuneRecipe.main()
    layer = with_seed(lambda: nn.Linear(encoder.feature_dim, len(pictures.class_names)), seed)
    model = nn.Sequential(MeanOfPatches(copy.deepcopy(encoder)), layer)
    fit_labels(
        model,
        pictures,
        recipe.augment,
        recipe.batch_size,
        seed,
        steps=recipe.steps,
        rate=recipe.rate,
        optimizer=muon(model, recipe.rate, recipe.weight_decay),
        **options,
    )
    return model


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
