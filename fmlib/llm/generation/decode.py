"""Writing: ask the model for the next token, take one, append it, ask again; with a cache, each token is computed once.

The model is any that has `config.max_length`, `hidden`, `logits` and `make_cache`, as `fmlib.llm.gpt.model.GPT` does.
"""

from collections.abc import Collection, Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor, nn

from fmlib.checks import BOOL, LONG, as_mask, check_likeliest, check_tensors, check_whole, check_whole_numbers
from fmlib.evaluate import evaluating
from fmlib.llm.generation.one_token import OneTokenStep, can_be_fused
from fmlib.llm.generation.sampling import Sampling
from fmlib.nn.kv_cache import KVCache


def pad_left(
    rows: Sequence[Sequence[int]], pad: int = 0
) -> tuple[Int64[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
    """Prompts of different lengths as one batch that ends together, since new tokens come at the end.

    Args:
        rows: a list of tokens for each prompt, none empty.
        pad: any token; nobody looks at it.

    Returns:
        Tokens [batch, length of the longest], and a mask that is False where they are padding.

    Raises:
        ValueError: no prompts, an empty one, or tokens that are no whole numbers from 0.
    """
    rows = [check_whole_numbers("rows", row, 0) for row in rows]
    check_whole("pad", pad, least=0)
    if not rows or not all(rows):
        lengths = [len(row) for row in rows]
        raise ValueError(f"rows have {lengths} tokens: expected at least one prompt, and none empty")
    length = max(len(row) for row in rows)
    tokens = [[pad] * (length - len(row)) + list(row) for row in rows]
    mask = [[False] * (length - len(row)) + [True] * len(row) for row in rows]
    return torch.tensor(tokens, dtype=torch.long), torch.tensor(mask)


def next_logits(
    model: nn.Module,
    tokens: Int64[Tensor, "batch length"],
    cache: list[KVCache] | None = None,
    mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
) -> Float[Tensor, "batch vocab"]:
    """What the model expects to come after these tokens; with a cache, only those that it has not seen go through it.

    Args:
        model: a language model.
        tokens: everything so far, also what is in the cache.
        cache: of the tokens' beginning; afterwards of all of them.
        mask: False or 0 where a row is padded on the left.

    Returns:
        Logits of the next token.

    Raises:
        TypeError, ValueError: tokens that are not torch.long [batch, length], a mask of floats or of another shape; nothing
            is new, since the cache has seen all tokens.
    """
    check_tensors(("tokens", tokens, LONG, "batch length"))
    past, length = cache[0].length if cache else 0, tokens.shape[1]
    if past >= length:
        raise ValueError(f"the cache has seen {past} tokens of {length}: expected at least one new one")
    if mask is None:
        positions = torch.arange(past, length, device=tokens.device)[None]  # [1, new]
        looks = None
    else:
        mask = as_mask("mask", mask, "batch length", ("tokens", tokens, LONG, "batch length"))
        # A row's first token stands at position 0 wherever its padding ends.
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, past:]  # [batch, new]
        looks = may_look(mask, past)
    hidden = model.hidden(tokens[:, past:], cache=cache, mask=looks, positions=positions)
    return model.logits(hidden[:, -1])


def may_look(mask: Bool[Tensor, "batch keys"], past: int = 0) -> Bool[Tensor, "batch 1 queries keys"]:
    """Nobody looks at padding, except that padding looks at itself: with nothing to look at, softmax has no answer.

    Args:
        mask: False where there is padding.
        past: the first so many are keys only.

    Raises:
        TypeError, ValueError: no mask [batch, keys] of torch.bool, or more keys only than there are.
    """
    check_tensors(("mask", mask, BOOL, "batch keys"))
    check_whole("past", past, least=0, most=mask.shape[1])
    itself = torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)[past:]
    return mask[:, None, None, :] | itself


def stream(
    model: nn.Module,
    tokens: Int64[Tensor, "batch length"],
    max_new_tokens: int,
    sampling: Sampling = Sampling.greedy(),  # noqa: B008  (frozen)
    *,
    mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
    stop: Collection[int] = (),
    generator: torch.Generator | None = None,
    use_cache: bool = True,
) -> Iterator[Int64[Tensor, "batch"]]:
    """`generate`, a token of each row at a time, as soon as it is there.

    The model is in evaluation mode until the stream ends or is closed.

    Yields:
        The next token of each row. A row that has stopped repeats its stop token; when all have, the stream ends.

    Raises:
        ValueError: as `generate`. That a model has diverged is said at once on a CPU, elsewhere at the end: to look at every
            step would make each wait.
    """
    check_request(model, tokens, max_new_tokens, sampling, mask, generator)
    stops = check_whole_numbers("stop", stop, 0)
    mask = None if mask is None else as_mask("mask", mask, "batch length")
    return _stream(model, tokens, max_new_tokens, sampling, mask, stops, generator, use_cache)


def _stream(
    model: nn.Module,
    prompt: Tensor,
    max_new_tokens: int,
    sampling: Sampling,
    mask: Tensor | None,
    stop: tuple[int, ...],
    generator: torch.Generator | None,
    use_cache: bool,
) -> Iterator[Tensor]:
    batch, length = prompt.shape
    total = length + max_new_tokens
    tokens = torch.cat([prompt, prompt.new_zeros(batch, max_new_tokens)], dim=1)
    if mask is not None:
        mask = None if bool(mask.all()) else torch.cat([mask, mask.new_ones(batch, max_new_tokens)], dim=1)
    stops = torch.tensor(stop, dtype=torch.long, device=tokens.device)
    stopped = torch.zeros(batch, dtype=torch.bool, device=tokens.device)
    tops: list[Tensor] = []  # each step's largest logits where they cannot be looked at without waiting
    with evaluating(model):
        cache = model.make_cache(batch, total) if use_cache else None
        fused = use_cache and mask is None and can_be_fused(model)
        step = None
        for end in range(length, total):
            # Not around the yield: the caller's own steps are none of our business.
            with torch.inference_mode():
                seen, known = tokens[:, :end], None if mask is None else mask[:, :end]
                if not fused or end == length:
                    logits = next_logits(model, seen, cache, known)
                else:
                    step = step or OneTokenStep(model)  # the same as `next_logits`, faster
                    logits = step(taken, cache)
                if logits.device.type != "cpu":
                    tops.append(logits.amax(dim=-1))
                taken = sampling.take(logits, seen, known, generator)
                if stop:
                    taken = torch.where(stopped, tokens[:, end - 1], taken)
                    stopped |= torch.isin(taken, stops)
                tokens[:, end] = taken
            yield tokens[:, end].clone()
            if stop and bool(stopped.all()):
                break
        if tops:
            check_likeliest(torch.stack(tops, dim=1))


def generate(
    model: nn.Module,
    tokens: Int64[Tensor, "batch length"],
    max_new_tokens: int,
    sampling: Sampling = Sampling.greedy(),  # noqa: B008  (frozen)
    *,
    mask: Bool[Tensor, "batch length"] | Integer[Tensor, "batch length"] | None = None,
    stop: Collection[int] = (),
    generator: torch.Generator | None = None,
    use_cache: bool = True,
) -> Int64[Tensor, "batch total"]:
    """Let a model continue some texts.

    Args:
        model: a language model; it is in evaluation mode meanwhile, and as it was afterwards.
        tokens: a prompt a row, at least one token each; of different lengths from `pad_left`.
        max_new_tokens: at most so many for each row, >= 1.
        sampling: how a token is taken; the likeliest one by default.
        mask: False or 0 where a row is padded on the left. Each row gets what it would get alone.
        stop: tokens after which a row is done; it then repeats that token until all are.
        generator: to draw from; needed unless the temperature is 0.
        use_cache: keep keys and values; without, every step computes everything anew, with the same result.

    Returns:
        The prompts with what was generated behind them.

    Raises:
        TypeError: tokens that are not torch.long, a mask of floats.
        ValueError: an empty prompt, more tokens than the model has positions (no window slides: what was learned for the
            first positions holds for them only), padding that is not on the left, or no generator; and logits that are no
            numbers, from a model that has diverged.
    """
    new = stream(
        model,
        tokens,
        max_new_tokens,
        sampling,
        mask=mask,
        stop=stop,
        generator=generator,
        use_cache=use_cache,
    )
    # Here nobody reads in between, so it can hold from the first step to the last.
    with torch.inference_mode():
        generated = list(new)
    return torch.cat([tokens, torch.stack(generated, dim=1)], dim=1)


def check_request(
    model: nn.Module,
    tokens: Tensor,
    max_new_tokens: int,
    sampling: Sampling = Sampling.greedy(),  # noqa: B008  (frozen)
    mask: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Refuse what cannot be continued, before the first step."""
    check_tensors(("tokens", tokens, LONG, "batch length"), empty=True)
    if len(tokens) == 0:
        raise ValueError(
            f"tokens have shape {tuple(tokens.shape)}: expected [batch, length], one prompt a row"
        )
    length, room = tokens.shape[1], model.config.max_length
    if length == 0:
        raise ValueError(
            "tokens are empty prompts: expected at least one token to continue, e.g. that of a newline"
        )
    check_whole("max_new_tokens", max_new_tokens)
    if length + max_new_tokens > room:
        raise ValueError(
            f"{length} tokens and {max_new_tokens} new ones make {length + max_new_tokens}: this model knows {room} "
            f"positions. Ask for {max(room - length, 0)}, or leave out the prompt's beginning"
        )
    if mask is not None:
        mask = as_mask("mask", mask, "batch length", ("tokens", tokens, LONG, "batch length"))
        if not bool(mask[:, -1].all()) or bool((mask[:, :-1] & ~mask[:, 1:]).any()):
            raise ValueError(
                "mask has padding behind a token: expected it on the left only, as `pad_left` makes it"
            )
    if sampling.temperature > 0 and generator is None:
        raise ValueError(
            f"generator is None at temperature {sampling.temperature:g}: expected a torch.Generator, "
            "e.g. torch.Generator().manual_seed(0), to draw from"
        )
