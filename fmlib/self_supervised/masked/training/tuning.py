"""How a vision transformer is tuned to few labels."""

import copy
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.data import Pictures
from fmlib.nn.vit import ViT, ViTConfig
from fmlib.self_supervised.contrastive.training import GENTLE
from fmlib.self_supervised.runs import fit_labels, with_seed
from fmlib.training.optimizers import muon


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
