"""How the masked autoencoder is trained in this lesson."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fmlib import scale
from fmlib.augment import Augmentation
from fmlib.nn.vit import ViTConfig
from fmlib.self_supervised.masked.mae import MAE, MAEConfig
from fmlib.self_supervised.masked.targets import mae_loss, patch_targets
from fmlib.self_supervised.runs import as_floats, with_seed
from fmlib.training.batches import ShuffledBatches
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
