"""Training an encoder to tell how pictures were turned. Everything is a function of a seed."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.evaluate import evaluating
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.pretext.rotation import QUARTERS, RotationNet, all_rotations, turn_each
from fmlib.self_supervised.pretext.training.recipe import Recipe
from fmlib.self_supervised.runs import as_floats, fit_recipe, with_seed
from fmlib.training.history import History


def train_rotation(
    images: Tensor, recipe: Recipe, seed: int = 0, **options: Any
) -> tuple[RotationNet, History]:
    """Train an encoder to tell how pictures were turned.

    Args:
        images: uint8 or float pictures [n, channels, size, size], upright.
        recipe: the numbers; every picture of a batch comes in all four positions.
        seed: of weights and batches.
        **options: passed to `fit`, e.g. `measure`.
    """
    encoder = make_encoder(images.shape[1], seed)
    model = with_seed(lambda: RotationNet(encoder), seed)

    def loss(model: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        turned, turns = all_rotations(as_floats(batch))
        return F.cross_entropy(model(turned), turns)

    return model, fit_recipe(model, images, loss, recipe, seed, **options)


@torch.no_grad()
def rotation_answers(model: RotationNet, images: Tensor, seed: int = 0) -> Float[Tensor, "pictures"]:
    """1 for each picture whose turn, drawn at random, the model tells right, else 0."""
    turns = torch.randint(QUARTERS, (len(images),), generator=torch.Generator().manual_seed(seed))
    device, found = next(model.parameters()).device, []
    with evaluating(model):
        for batch, answers in zip(images.split(512), turns.split(512), strict=True):
            batch, answers = as_floats(batch).to(device), answers.to(device)
            found.append(model(turn_each(batch, answers)).argmax(dim=1) == answers)
    return torch.cat(found).float().cpu()
