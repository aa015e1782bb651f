"""The loss where every position has a target of its own: blanks to fill in, or another text to write."""

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from fmlib.llm.gpt.cross_entropy import IGNORED
from fmlib.llm.gpt.next_token import next_token_loss


def target_loss(
    logits: Float[Tensor, "batch length vocab"], targets: Int64[Tensor, "batch length"]
) -> Float[Tensor, ""]:
    """How surprising each target is; nothing is shifted, unlike in `next_token_loss`.

    Args:
        logits: [batch, length, vocab].
        targets: the logits at position t are judged by target t. Those that are -100 don't count.

    Returns:
        Mean cross-entropy in nats per counted target.

    Raises:
        ValueError: shapes that do not fit; on a CPU also targets outside the vocabulary, or none that counts.

    Source: Devlin et al. 2019, "BERT", section 3.1, task 1; Raffel et al. 2020, "T5", section 2.1.
    """
    if logits.ndim != 3 or logits.shape[:2] != targets.shape:
        raise ValueError(
            f"logits {tuple(logits.shape)} and targets {tuple(targets.shape)}: "
            "expected [batch, length, vocab] and [batch, length]"
        )
    return next_token_loss(logits, F.pad(targets, (1, 0), value=IGNORED))
