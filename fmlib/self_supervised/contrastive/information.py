"""InfoNCE as a bound on mutual information, and the ceiling that the number of candidates sets.

Source: van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding", section 2.3;
Poole et al. 2019, "On Variational Bounds of Mutual Information", section 2.3.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from fmlib.checks import FLOAT, check_number, check_tensors, check_whole


def information_bound(scores: Float[Tensor, "queries candidates"]) -> Float[Tensor, ""]:
    """What InfoNCE says that a query tells about its partner, at least: log(candidates) minus the cross-entropy.

    Args:
        scores: row i how well each candidate fits query i; its partner is candidate i. There may be more candidates than
            queries, and not fewer.

    Returns:
        Nats, at most log(candidates), whatever the scores.

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: no matrix, or fewer candidates than queries.

    Source: van den Oord et al. 2018, eq. 4 and the bound after it.
    """
    check_tensors(("scores", scores, FLOAT, "queries candidates"))
    queries, candidates = scores.shape
    if candidates < queries:
        raise ValueError(
            f"scores is {queries} x {candidates}: expected at least as many candidates as queries, since candidate i is "
            "the partner of query i"
        )
    return math.log(candidates) - F.cross_entropy(scores, torch.arange(queries, device=scores.device))


def gaussian_pairs(
    count: int, dim: int, information: float, generator: torch.Generator
) -> tuple[Float[Tensor, "count dim"], Float[Tensor, "count dim"], float]:
    """Pairs (x, y) of normal variables that share a known amount of information.

    Args:
        count: pairs.
        dim: of both; in each dimension x and y have the same correlation.
        information: nats that a pair shares, >= 0.
        generator: of the numbers.

    Returns:
        x, y in float64, and the correlation, sqrt(1 - exp(-2 · information / dim)).

    Raises:
        ValueError: counts that are no positive whole numbers, or negative information.
    """
    check_whole("count", count)
    check_whole("dim", dim)
    check_number("information", information, least=0)
    correlation = math.sqrt(1 - math.exp(-2 * information / dim))
    x, noise = torch.randn(2, count, dim, generator=generator, dtype=torch.float64)
    return x, correlation * x + math.sqrt(1 - correlation**2) * noise, correlation


def best_scores(
    x: Float[Tensor, "queries dim"], y: Float[Tensor, "candidates dim"], correlation: float
) -> Float[Tensor, "queries candidates"]:
    """The best scores that there are for `gaussian_pairs`: log p(y | x), up to what does not depend on x.

    Raises:
        ValueError: a correlation outside [0, 1).
    """
    check_tensors(("x", x, FLOAT, "queries dim"), ("y", y, FLOAT, f"candidates {x.shape[-1]}"))
    check_number("correlation", correlation, least=0, below=1)
    given_x = -(y - correlation * x[:, None]).square().sum(dim=2) / (2 * (1 - correlation**2))
    return given_x + y.square().sum(dim=1) / 2  # log p(y | x) - log p(y), up to a constant


def bound_of_the_best(
    information: float, candidates: int, dim: int = 8, queries: int = 2048, seed: int = 0
) -> float:
    """The bound that the best scores give, in nats: the mean over batches of so many candidates.

    Args:
        information: that a pair shares.
        candidates: in a batch, of which each is the partner of one query.
        dim: of x and y.
        queries: in all; rounded up to whole batches.
        seed: of the pairs.
    """
    check_whole("candidates", candidates, least=2)
    check_whole("queries", queries)
    generator, found = torch.Generator().manual_seed(seed), []
    for _ in range(max(1, -(-queries // candidates))):
        x, y, correlation = gaussian_pairs(candidates, dim, information, generator)
        found.append(information_bound(best_scores(x, y, correlation)).item())
    return sum(found) / len(found)
