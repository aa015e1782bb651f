"""The loss where every position has a target of its own: blanks to fill in, or another text to write."""

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from fmlib.checks import FLOAT, LONG, check_tensors
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
        TypeError: logits that are no floats, targets that are not torch.long.
        ValueError: shapes that do not fit; on a CPU also targets outside the vocabulary, or none that counts.

    Source: Devlin et al. 2019, "BERT", section 3.1, task 1; Raffel et al. 2020, "T5", section 2.1.
    """
    check_tensors(("logits", logits, FLOAT, "batch length vocab"), ("targets", targets, LONG, "batch length"))
    return next_token_loss(logits, F.pad(targets, (1, 0), value=IGNORED))
