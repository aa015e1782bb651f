"""Training contrastive predictive coding on recordings."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.self_supervised.pretext.cpc import CPC, CPCConfig, Grouping, cpc_losses, other_recordings
from fmlib.self_supervised.pretext.training.recipe import Recipe
from fmlib.self_supervised.runs import fit_recipe, with_seed
from fmlib.training.distributed import unwrap
from fmlib.training.history import History


def make_cpc(seed: int, config: CPCConfig | None = None) -> CPC:
    """CPC with the weights of a seed."""
    return with_seed(lambda: CPC(config), seed)


def train_cpc(
    waves: Float[Tensor, "n samples"], recipe: Recipe, grouping: Grouping = other_recordings, seed: int = 0,
    config: CPCConfig | None = None, **options: Any,
) -> tuple[CPC, History]:  # fmt: skip
    """Train contrastive predictive coding on recordings.

    Args:
        waves: recordings; each time one is heard it has another loudness and a little noise.
        recipe: the numbers.
        grouping: where the false answers come from.
        seed: of weights, batches and noise.
        config: sizes.
        **options: passed to `fit`.
    """
    model = make_cpc(seed, config)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        heard = vary(batch, generator)
        return cpc_losses(unwrap(model), *model(heard), grouping).mean()

    return model, fit_recipe(model, waves, loss, recipe, seed, **options)


def vary(waves: Float[Tensor, "batch samples"], generator: torch.Generator) -> Float[Tensor, "batch samples"]:
    """Each recording at another loudness, with a little noise."""
    loudness = 0.5 + torch.rand(len(waves), 1, generator=generator)
    noise = 0.005 * torch.randn(waves.shape, generator=generator)
    return waves * loudness.to(waves.device) + noise.to(waves.device)
