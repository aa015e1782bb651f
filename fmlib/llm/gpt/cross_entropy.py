"""Cross-entropy that holds no copy of the logits: with many tokens in the vocabulary, they are the largest tensor of all."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable

from fmlib.checks import FLOAT, LONG, check_tensors

IGNORED = -100  # a target that does not count, as in torch's cross_entropy


def mean_cross_entropy(
    logits: Float[Tensor, "rows vocab"], targets: Int64[Tensor, "rows"], *, overwrite: bool = False
) -> Float[Tensor, ""]:
    """How surprising the targets are to a model: -log p, the mean over those that count.

    The numbers are those of `torch.nn.functional.cross_entropy`. Its way there keeps the logarithms of all probabilities
    for the gradient and makes two more tensors of that size. But the gradient is p - 1 at the target and p elsewhere, and
    p is back at once from the logits. So this keeps them, makes nothing else of their size but the gradient, and works on
    some rows at a time.

    Args:
        logits: of any floating type; sums are made in 32 bits or more.
        targets: -100 where nothing is asked.
        overwrite: let the gradient take the logits' place, so that there is one tensor of that size and not two. The
            logits are lost in `backward()`, and whatever else needs them there then stops with torch's error.

    Returns:
        Nats.

    Raises:
        TypeError, ValueError: not logits [rows, vocab] and a target of torch.long for each row.

    Source: for the gradient Bishop 2006, "Pattern Recognition and Machine Learning", eq. 4.109.
    """
    check_tensors(("logits", logits, FLOAT, "rows vocab"), ("targets", targets, LONG, "rows"))
    if torch.compiler.is_compiling():  # the compiler fuses the plain form by itself
        exact = torch.promote_types(logits.dtype, torch.float32)
        return F.cross_entropy(logits.to(exact), targets, ignore_index=IGNORED)
    return _MeanCrossEntropy.apply(logits, targets, overwrite)


class _MeanCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits: Tensor, targets: Tensor, overwrite: bool) -> Tensor:
        exact = torch.promote_types(logits.dtype, torch.float32)
        every = zip(_parts(logits), _parts(targets), strict=True)
        found = [F.cross_entropy(x.to(exact), t, ignore_index=IGNORED, reduction="none") for x, t in every]
        nats, counted = torch.cat(found), targets != IGNORED
        ctx.overwrite = overwrite
        ctx.save_for_backward(logits, targets, nats, counted / counted.sum().to(exact))
        return nats.sum() / counted.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        logits, targets, nats, share = ctx.saved_tensors
        weight = (share * gradient)[:, None]
        found = logits if ctx.overwrite else torch.empty_like(logits)
        for part, place, scale in zip(*map(_parts, (logits, found, weight)), strict=True):
            torch.softmax(part, 1, out=place).mul_(scale)
        at_target = torch.expm1(-nats)[:, None] * weight  # p - 1, exact where p is nearly 1
        return found.scatter_(1, targets.clamp(min=0)[:, None], at_target.to(found.dtype)), None, None


def _parts(x: Tensor) -> tuple[Tensor, ...]:
    """Some rows at a time, so that what is worked on fits into a processor's cache."""
    return x.split(max(256, -(-len(x) // 16)))
