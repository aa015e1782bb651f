"""Beam search: look for the likeliest text as a whole, following several at once."""

from collections.abc import Collection

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from fmlib.checks import check_likeliest, check_number, check_whole, check_whole_numbers
from fmlib.evaluate import evaluating
from fmlib.llm.generation.decode import check_request, next_logits


def beam_search(
    model: nn.Module,
    tokens: Int64[Tensor, "batch length"],
    beams: int,
    max_new_tokens: int,
    *,
    length_penalty: float = 1.0,
    stop: Collection[int] = (),
) -> Int64[Tensor, "batch total"]:
    """Continue each text so that the continuation as a whole is likely: keep the best few beginnings at every step.

    A text's score is the sum of its new tokens' log probabilities, divided by (how many there are)^length_penalty.

    Args:
        model: a language model; it is in evaluation mode meanwhile.
        tokens: a prompt a row.
        beams: how many beginnings are kept; 1 is greedy.
        max_new_tokens: at most so many, >= 1.
        length_penalty: 1 compares means, 0 sums (which favors short texts); matters only with `stop`.
        stop: tokens that end a text.

    Returns:
        The prompts with the best continuation found. A row that stopped early repeats its stop token.

    Raises:
        TypeError, ValueError: as `generate`; beams < 1; a length_penalty that is no number, or stop tokens that are none.

    Source: Graves 2012, "Sequence Transduction with Recurrent Neural Networks", section 3.3; stopping as in transformers
    with `early_stopping=False`.
    """
    check_request(model, tokens, max_new_tokens)
    check_whole("beams", beams, hint="common: 4 to 10")
    check_number("length_penalty", length_penalty, hint="common: 0 to 2")
    stops = set(check_whole_numbers("stop", stop, 0))
    # Who has read a text for each row, as T5's `Writer`, must write each row's beams after that row's text.
    writers = model.for_rows(len(tokens)) if hasattr(model, "for_rows") else [model] * len(tokens)
    with evaluating(model), torch.no_grad():
        rows = [
            search_row(writer, row, beams, max_new_tokens, length_penalty, stops)
            for writer, row in zip(writers, tokens, strict=True)
        ]
    longest = max(len(row) for row in rows)
    return torch.stack([torch.cat([row, row[-1:].expand(longest - len(row))]) for row in rows])


def search_row(
    model: nn.Module,
    prompt: Tensor,
    beams: int,
    max_new_tokens: int,
    length_penalty: float,
    stop: set[int],
) -> Tensor:
    """The best continuation found of one prompt [length]; see `beam_search`."""
    texts = prompt.repeat(beams, 1)  # [beams, length so far]
    scores = torch.full((beams,), float("-inf"), device=prompt.device)
    scores[0] = 0.0  # the beams are alike at first: one of them has all the candidates
    finished: list[tuple[float, Tensor]] = []
    cache = model.make_cache(beams, len(prompt) + max_new_tokens)
    for new in range(1, max_new_tokens + 1):
        logits = next_logits(model, texts, cache)
        check_likeliest(logits)
        log_probability = logits.float().log_softmax(dim=-1)
        total = (scores[:, None] + log_probability).flatten()  # [beams · vocab]
        # So many that `beams` of them go on even if every stop token is among the best.
        best, place = total.topk(min(beams * max(2, 1 + len(stop)), len(total)))
        beam, token = place // log_probability.shape[1], place % log_probability.shape[1]
        done = torch.tensor([int(t) in stop or new == max_new_tokens for t in token], device=prompt.device)
        # Only those among the first `beams` may finish; who comes behind is there to fill the gaps.
        for i in done[:beams].nonzero()[:, 0].tolist():
            text = torch.cat([texts[beam[i]], token[i : i + 1]])
            finished.append((best[i].item() / new**length_penalty, text))
        finished = sorted(finished, key=lambda found: -found[0])[:beams]
        on = (~done).nonzero()[:beams, 0]
        if len(on) < beams or (
            len(finished) == beams and best[on[0]].item() / new**length_penalty <= finished[-1][0]
        ):
            break
        scores = best[on]
        texts = torch.cat([texts[beam[on]], token[on, None]], dim=1)
        for layer in cache:
            layer.select(beam[on])
    return finished[0][1]
