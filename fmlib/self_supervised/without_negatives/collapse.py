"""Collapse made visible: BYOL and DINO with one part taken out, put together from the parts of the whole ones."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fmlib import scale
from fmlib.data import load_fashion_mnist
from fmlib.evaluate import evaluating
from fmlib.self_supervised.contrastive.training import Recipe, two_views
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.probing import validation_draws
from fmlib.self_supervised.runs import fit_recipe, with_seed
from fmlib.self_supervised.without_negatives.byol import BYOL, BYOLConfig, prediction_loss
from fmlib.self_supervised.without_negatives.dino import DINO, DINOConfig
from fmlib.self_supervised.without_negatives.multi_crop import MultiCrop
from fmlib.self_supervised.without_negatives.training import short_momentum, train_dino
from fmlib.self_supervised.without_negatives.watch import effective_rank, entropy_and_divergence, spread


def whole(model: BYOL, view1: Tensor, view2: Tensor) -> Tensor:
    """BYOL as it is."""
    return model.loss(view1, view2)


def without_predictor(model: BYOL, view1: Tensor, view2: Tensor) -> Tensor:
    """The projection itself must match the slow copy's; the predictor is left out."""
    projections = model.projector(model.encoder(torch.cat((view1, view2))))
    with torch.no_grad():
        targets = model.target_projector(model.target_encoder(torch.cat((view2, view1))))
    return prediction_loss(projections, targets)


def without_slow_copy(model: BYOL, view1: Tensor, view2: Tensor) -> Tensor:
    """The target is the online network's own projection of the other view, without a gradient: SimSiam.

    Source: Chen & He 2021, "Exploring Simple Siamese Representation Learning", algorithm 1.
    """
    projections = model.projector(model.encoder(torch.cat((view1, view2))))
    return prediction_loss(model.predictor(projections), _other_view(projections))


def without_stop_gradient(model: BYOL, view1: Tensor, view2: Tensor) -> Tensor:
    """As `without_slow_copy`, but the gradient flows into the target, too: it may come to meet the prediction."""
    projections = model.projector(model.encoder(torch.cat((view1, view2))))
    return (2 - 2 * F.cosine_similarity(model.predictor(projections), _other_view(projections))).mean()


def _other_view(rows: Tensor) -> Tensor:
    return rows.roll(len(rows) // 2, 0)


BYOL_ROWS: dict[str, Callable[[BYOL, Tensor, Tensor], Tensor]] = {
    "BYOL": whole,
    "no slow copy": without_slow_copy,
    "no slow copy, no stop-gradient": without_stop_gradient,
    "no predictor": without_predictor,
}
# One setting each: a center that stays at zero, a teacher that is no surer than the student.
DINO_ROWS = {
    "DINO": DINOConfig(),
    "no centering": DINOConfig(center_momentum=1.0),
    "no sharpening": DINOConfig(teacher_temperature=DINOConfig().student_temperature),
}


@dataclass(frozen=True)
class Watched:
    """A run and what was seen of it.

    Args:
        model: as it came out.
        loss: of each step.
        measured: name -> step -> number.
    """

    model: nn.Module
    loss: list[float]
    measured: dict[str, dict[int, float]]


def byol_run(row: str, recipe: Recipe, seed: int = 0, **options: Any) -> Watched:
    """Train BYOL, or what is left of it, and watch how its embeddings spread.

    Args:
        row: one of `BYOL_ROWS`.
        recipe: the numbers.
        seed: of weights, batches and views.
        **options: passed to `fit`.

    Raises:
        ValueError: an unknown row.
    """
    if row not in BYOL_ROWS:
        raise ValueError(f"there is no row {row!r}: expected one of {', '.join(BYOL_ROWS)}")
    images = load_fashion_mnist("train").images
    held_out = load_fashion_mnist("validation").images[:500].float() / 255
    encoder = make_encoder(images.shape[1], seed)
    model = with_seed(
        lambda: BYOL(encoder, config=BYOLConfig(steps=recipe.steps, momentum=short_momentum())), seed
    )

    def watch(model: BYOL) -> dict[str, float]:
        # As in training, batch norm takes the batch's own statistics; in a copy, so that the run is not changed by watching.
        seen = copy.deepcopy(nn.Sequential(model.encoder, model.projector)).train()
        with torch.no_grad():
            z = seen(held_out.to(model.done.device))
        return {"spread": spread(z).item(), "directions": effective_rank(z).item()}

    measured = {name: {0: number} for name, number in watch(model).items()}
    history = fit_recipe(
        model,
        images,
        lambda model, batch, generator: BYOL_ROWS[row](model, *two_views(batch, recipe.augment, generator)),
        recipe,
        seed,
        after_step=lambda model, extra: model.update(),
        measure=watch,
        measure_every=max(1, recipe.steps // 20),
        **options,
    )
    return Watched(model, history.loss, {name: measured[name] | history.measured[name] for name in measured})


def dino_run(row: str, recipe: Recipe, seed: int = 0, **options: Any) -> Watched:
    """Train DINO on two large views, centered and sharpened or not, and watch what its teacher says.

    Args:
        row: one of `DINO_ROWS`.
        recipe, seed, **options: as of `byol_run`.

    Raises:
        ValueError: an unknown row.
    """
    if row not in DINO_ROWS:
        raise ValueError(f"there is no row {row!r}: expected one of {', '.join(DINO_ROWS)}")
    config = replace(DINO_ROWS[row], momentum=short_momentum())
    return watched_dino(config, recipe, seed, crops=MultiCrop(recipe.augment, small=0), **options)


def watched_dino(config: DINOConfig, recipe: Recipe, seed: int = 0, **options: Any) -> Watched:
    """Train DINO and watch the entropy of its teacher's answers and the student's divergence from them.

    Args:
        config: sizes, momenta and temperatures.
        recipe, seed: as of `byol_run`.
        **options: passed to `train_dino`, e.g. `encoder` and `crops`.
    """
    held_out = load_fashion_mnist("validation").images[:500].float() / 255
    large, _ = MultiCrop(recipe.augment, small=0)(held_out, torch.Generator().manual_seed(0))

    def watch(model: DINO) -> dict[str, float]:
        device, config = model.center.device, model.config
        with torch.no_grad(), evaluating(model):
            student, teacher = model([view.to(device) for view in large])
            entropy, divergence = entropy_and_divergence(
                student, teacher, model.center, config.student_temperature, config.teacher_temperature
            )
        return {"entropy": entropy.item(), "divergence": divergence.item()}

    model, history = train_dino(
        load_fashion_mnist("train").images,
        recipe,
        seed,
        config=config,
        measure=watch,
        measure_every=max(1, recipe.steps // 20),
        **options,
    )
    return Watched(model, history.loss, history.measured)


def mean_accuracy(encoder: nn.Module) -> float:
    """Per cent of the validation pictures that a probe with 100 labels gets right; the mean of five draws of them."""
    draws = validation_draws(encoder)
    return sum(draws) / len(draws)


def winning_prototypes(model: DINO, count: int = 1000) -> int:
    """How many prototypes are the teacher's first choice for at least one of so many validation pictures."""
    pictures = load_fashion_mnist("validation").images[:count].float() / 255
    with torch.no_grad(), evaluating(model):
        logits = model.teacher_head(model.teacher_encoder(pictures.to(model.center.device)))
    return len((logits - model.center).argmax(dim=1).unique())


def teacher_recipe() -> Recipe:
    """The short runs that watch DINO's teacher, at the scale in force."""
    return Recipe(
        steps=scale.pick(smoke=2, cpu=80, gpu=400), batch_size=scale.pick(smoke=32, cpu=64, gpu=512)
    )
