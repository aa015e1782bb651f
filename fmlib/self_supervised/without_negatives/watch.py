"""What to watch while a method without negatives trains, when there is no label to look at."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fmlib.checks import FLOAT, check_number, check_tensors
from fmlib.self_supervised.contrastive.simclr import unit_rows


def spread(z: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """The standard deviation of unit-length embeddings, feature by feature, averaged over the features.

    Args:
        z: embeddings of different pictures, any scale (normalized here), at least two.

    Returns:
        About 1/sqrt(dim) when they point everywhere, 0 when they all point the same way.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: another shape, a single row, or numbers that are none.

    Source: Chen & He 2021, "Exploring Simple Siamese Representation Learning", section 4.1 and figure 2.
    """
    check_tensors(("z", z, FLOAT, "batch dim"), finite=True)
    _check_several(z)
    return unit_rows(z).std(dim=0).mean()


def effective_rank(z: Float[Tensor, "batch dim"]) -> Float[Tensor, ""]:
    """How many directions the embeddings use: the exponential of the entropy of their singular values' shares.

    Args:
        z: embeddings of different pictures, at least two; their mean is taken away here.

    Returns:
        1 (a line) to min(batch - 1, dim) (all directions alike); 0 where all rows are equal.

    Raises:
        TypeError: not floating-point tensors.
        ValueError: another shape, a single row, or numbers that are none.

    Source: Roy & Vetterli 2007, "The effective rank", section 2. Differs from the paper: the mean is taken away first, since
    a direction that all pictures share tells none apart.
    """
    check_tensors(("z", z, FLOAT, "batch dim"), finite=True)
    _check_several(z)
    exact = z.to(torch.promote_types(z.dtype, torch.float32))
    if (exact == exact[0]).all():  # asked of the rows themselves: the mean of equal numbers is rounded
        return exact.new_zeros(())
    sizes = torch.linalg.svdvals(exact - exact.mean(dim=0))
    shares = sizes / sizes.sum()
    return torch.special.entr(shares).sum().exp()  # entr(0) is 0


def entropy_and_divergence(
    student: Sequence[Float[Tensor, "batch prototypes"]],
    teacher: Sequence[Float[Tensor, "batch prototypes"]],
    center: Float[Tensor, "prototypes"],
    student_temperature: float = 0.1,
    teacher_temperature: float = 0.04,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """`dino_loss` in two parts: how unsure the teacher is, and how far the student is from it.

    Args:
        student, teacher, center, student_temperature, teacher_temperature: as of `dino_loss`.

    Returns:
        The mean entropy of the teacher's answers, in nats: 0 (always sure) to log(prototypes) (says nothing). And the mean
        Kullback-Leibler divergence of the student's answers from them. Together they are the loss.

    Raises:
        TypeError, ValueError: temperatures <= 0, no tensors of floats.

    Source: Caron et al. 2021, section 5.3 and figure 7.
    """
    check_tensors(("center", center, FLOAT, "prototypes"))
    check_number("student_temperature", student_temperature, above=0)
    check_number("teacher_temperature", teacher_temperature, above=0)
    targets = [((t - center) / teacher_temperature).softmax(dim=1) for t in teacher]
    entropies = [torch.special.entr(target).sum(dim=1).mean() for target in targets]
    answers = [(s / student_temperature).log_softmax(dim=1) for s in student]
    crosses = [
        -(target * answer).sum(dim=1).mean()
        for i, target in enumerate(targets)
        for j, answer in enumerate(answers)
        if i != j
    ]
    entropy = torch.stack(entropies).mean()
    return entropy, torch.stack(crosses).mean() - entropy


def _check_several(z: Tensor) -> None:
    if len(z) < 2:
        raise ValueError("z has 1 row: expected at least two pictures, else there is nothing to compare")
