"""Direct preference optimization: of two answers, make the preferred one likelier, measured from where the model started.

No reward model and no reinforcement learning: the difference of the log-probabilities to those of a frozen copy, the
*reference*, is the reward.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from fmlib.checks import FLOAT, LONG, as_mask, check_number, check_tensors
from fmlib.evaluate import evaluating
from fmlib.llm.adaptation.instructions import Answer, encode_prompt, pad_examples
from fmlib.llm.adaptation.preferences import Pair
from fmlib.llm.tokens.tokenizer import BPETokenizer
from fmlib.training.batches import ShuffledBatches
from fmlib.training.fit import fit
from fmlib.training.history import History


def sequence_log_probs(
    model: nn.Module, tokens: Int64[Tensor, "batch length"], answers: Bool[Tensor, "batch length"]
) -> Float[Tensor, "batch"]:
    """How likely a model finds each answer as a whole, after its prompt.

    Args:
        model: a language model.
        tokens: prompts and answers, see `pad_examples`.
        answers: True at the answers' tokens.

    Returns:
        log p(answer | prompt) in nats: the sum over the answer's tokens, so longer answers have less.

    Raises:
        TypeError: tokens that are not torch.long, answers that are neither torch.bool nor whole numbers.
        ValueError: shapes that differ, or an answer at the first position, which nothing predicts.

    Source: Rafailov et al. 2023, "Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
    section 3.
    """
    answers = as_mask("answers", answers, "batch length", ("tokens", tokens, LONG, "batch length"))
    if bool(answers[:, 0].any()):
        raise ValueError(
            "answers: one begins at the first position: expected at least one token of a prompt before it"
        )
    logits = model(tokens[:, :-1])
    exact = torch.promote_types(logits.dtype, torch.float32)  # a sum of many tokens needs more than 16 bits
    log_probs = logits.to(exact).log_softmax(dim=-1)  # [batch, length - 1, vocab]
    taken = log_probs.gather(-1, tokens[:, 1:, None])[..., 0]
    return (taken * answers[:, 1:]).sum(dim=1)


def dpo_loss(
    policy_chosen: Float[Tensor, "batch"],
    policy_rejected: Float[Tensor, "batch"],
    reference_chosen: Float[Tensor, "batch"],
    reference_rejected: Float[Tensor, "batch"],
    beta: float,
) -> Float[Tensor, ""]:
    """Raise the chosen answer above the rejected one, as seen from the reference.

    Args:
        policy_chosen, policy_rejected: log-probabilities of both answers under the model that is trained, in nats.
        reference_chosen, reference_rejected: the same under the frozen model; no gradient reaches them.
        beta: > 0; how expensive it is to leave the reference: the larger, the nearer the model stays.

    Returns:
        Mean loss in nats; log 2 where the model is the reference.

    Raises:
        TypeError: no tensors of floats.
        ValueError: shapes that differ, no pairs, or beta not positive.

    Source: Rafailov et al. 2023, "Direct Preference Optimization: Your Language Model is Secretly a Reward Model", eq. 7.
    """
    check_tensors(
        ("policy_chosen", policy_chosen, FLOAT, "batch"),
        ("policy_rejected", policy_rejected, FLOAT, "batch"),
        ("reference_chosen", reference_chosen, FLOAT, "batch"),
        ("reference_rejected", reference_rejected, FLOAT, "batch"),
    )
    check_number("beta", beta, above=0, hint="common: 0.1")
    chosen = policy_chosen - reference_chosen.detach()
    rejected = policy_rejected - reference_rejected.detach()
    return -F.logsigmoid(beta * (chosen - rejected)).mean()


class PairLogProbs(NamedTuple):
    """log p(answer | prompt) of both answers of each pair, in nats."""

    chosen: Float[Tensor, "pairs"]
    rejected: Float[Tensor, "pairs"]


def pair_log_probs(
    model: nn.Module, tokenizer: BPETokenizer, pairs: Sequence[Pair], batch_size: int = 128
) -> PairLogProbs:
    """How likely a model finds the answers of all pairs: what the loss is made of, and what it does not show.

    Args:
        model, tokenizer: as tuned on instructions.
        pairs: of answers, at least one.
        batch_size: answers at a time.
    """
    tokens, answers = _padded(tokenizer, pairs)
    place = next(model.parameters()).device
    some = zip(tokens.to(place).split(batch_size), answers.to(place).split(batch_size), strict=True)
    with evaluating(model), torch.no_grad():
        found = torch.cat([sequence_log_probs(model, t, a) for t, a in some]).cpu()
    return PairLogProbs(*found.chunk(2))


def train_dpo(
    model: nn.Module,
    tokenizer: BPETokenizer,
    pairs: Sequence[Pair],
    steps: int,
    batch_size: int = 16,
    beta: float = 0.1,
    rate: float = 3e-4,
    seed: int = 0,
    **options: Any,
) -> History:
    """Tune a model on preferences; as it comes, it is the reference.

    Args:
        model, tokenizer: as tuned on instructions; the model is trained in place.
        pairs: of answers.
        steps, batch_size, rate: of the run.
        beta: see `dpo_loss`.
        seed: of the batches.
        **options: passed to `fit`.

    Raises:
        ValueError: fewer pairs than a batch.
    """
    if not 1 <= batch_size <= len(pairs):
        raise ValueError(
            f"batch_size is {batch_size} and there are {len(pairs)} pairs: expected 1 to as many"
        )
    tokens, answers = _padded(tokenizer, pairs)  # [2 · pairs, length]
    count = len(pairs)
    reference = torch.cat(pair_log_probs(model, tokenizer, pairs))  # it never changes: ask it once

    def loss(model: nn.Module, rows: Tensor, generator: torch.Generator) -> Tensor:
        both = torch.cat([rows, rows + count]).cpu()
        length = int(answers[both].nonzero()[:, 1].max()) + 1
        place = rows.device
        batch, counted = tokens[both, :length].to(place), answers[both, :length].to(place)
        chosen, rejected = sequence_log_probs(model, batch, counted).chunk(2)
        return dpo_loss(chosen, rejected, *reference[both].to(place).chunk(2), beta)

    batches = ShuffledBatches(torch.arange(count), batch_size=batch_size, seed=seed)
    return fit(model, batches, loss, steps=steps, rate=rate, seed=seed, **options)


def _padded(
    tokenizer: BPETokenizer, pairs: Sequence[Pair]
) -> tuple[Int64[Tensor, "twice_pairs length"], Bool[Tensor, "twice_pairs length"]]:
    """All chosen answers behind their prompts, then all rejected ones."""
    prompts = [encode_prompt(tokenizer, pair.prompt) for pair in pairs]
    better = [(prompt, list(pair.chosen.tokens)) for prompt, pair in zip(prompts, pairs, strict=True)]
    worse = [(prompt, list(pair.rejected.tokens)) for prompt, pair in zip(prompts, pairs, strict=True)]
    return pad_examples(better + worse)


def drift(
    model: nn.Module,
    reference: nn.Module,
    tokenizer: BPETokenizer,
    prompts: Sequence[str],
    answers: Sequence[Answer],
) -> float:
    """How far a model has left another one: the divergence of Kullback and Leibler, estimated on its own answers.

    Args:
        model: which wrote the answers, at temperature 1 without a filter.
        reference: what it is compared with.
        tokenizer: of both.
        prompts, answers: as many, none of the answers empty.

    Returns:
        Mean of log p(answer) - log p_reference(answer), in nats per answer.

    Raises:
        ValueError: a model whose probabilities are no numbers.
    """
    examples = [(encode_prompt(tokenizer, p), list(a.tokens)) for p, a in zip(prompts, answers, strict=True)]
    place = next(model.parameters()).device
    tokens, counted = (part.to(place) for part in pad_examples(examples))
    reference.to(place)
    with torch.no_grad(), evaluating(model), evaluating(reference):
        ratio = sequence_log_probs(model, tokens, counted) - sequence_log_probs(reference, tokens, counted)
    check_number("drift", float(ratio.mean()), hint="a model has diverged")
    return float(ratio.mean())
