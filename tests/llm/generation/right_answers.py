"""Right answers to the exercises of the lesson on generation, each written another way."""

import torch


def temperature_by_power(logits, temperature):
    return (logits.double().log_softmax(-1) / temperature).to(logits.dtype)


def temperature_by_row(logits, temperature):
    return torch.stack([(row - row.max()) * (1 / temperature) for row in logits])


def top_k_by_scatter(logits, k):
    values, places = logits.topk(min(k, logits.shape[1]))
    return torch.full_like(logits, float("-inf")).scatter(1, places, values)


def top_k_by_rank(logits, k):
    rank = logits.argsort(descending=True).argsort()
    return torch.where(rank < k, logits, -torch.inf)


def top_k_by_loop(logits, k):
    kept = []
    for row in logits:
        limit = sorted(row.tolist(), reverse=True)[:k][-1]
        kept.append([x if x >= limit else -1e9 for x in row.tolist()])
    return torch.tensor(kept, dtype=logits.dtype)


def top_p_by_loop(logits, p):
    kept = torch.full_like(logits, float("-inf"))
    for i, row in enumerate(logits):
        total = 0.0
        for token in row.argsort(descending=True).tolist():
            kept[i, token] = row[token]
            total += row.softmax(0)[token].item()
            if total >= p and p < 1:
                break
    return kept


def top_p_by_tail(logits, p):
    ordered, order = logits.sort(descending=False)
    drop = ordered.softmax(-1).cumsum(-1) <= 1 - p
    drop[:, -1] = False
    marks = torch.empty_like(drop).scatter_(1, order, drop)
    return logits.masked_fill(marks & (p < 1), -torch.inf)


def top_p_by_inverse_order(logits, p):
    order = (-logits).argsort()
    share = logits.softmax(-1).gather(1, order)
    shifted = torch.cat([torch.zeros_like(share[:, :1]), share.cumsum(1)[:, :-1]], dim=1)
    inside = (shifted < p).gather(1, order.argsort())
    return torch.where(inside | (torch.tensor(p) == 1), logits, torch.tensor(-torch.inf, dtype=logits.dtype))


def penalty_by_gather(logits, tokens, penalty):
    score = logits.gather(1, tokens)
    return logits.scatter(1, tokens, torch.where(score < 0, score * penalty, score / penalty))


def penalty_by_one_hot(logits, tokens, penalty):
    seen = torch.nn.functional.one_hot(tokens, logits.shape[1]).any(1)
    factor = torch.where(logits > 0, 1 / penalty, penalty).to(logits.dtype)
    return logits * torch.where(seen, factor, torch.ones_like(factor))


def cached_by_default_positions(model, tokens, cache):
    return model(tokens[:, cache[0].length :], cache=cache)[:, -1]


def cached_one_at_a_time(model, tokens, cache):
    for i in range(cache[0].length, tokens.shape[1]):
        logits = model(tokens[:, i : i + 1], cache=cache, positions=torch.tensor([[i]]))
    return logits[:, 0]


def cached_by_counting_back(model, tokens, cache):
    new = tokens.shape[1] - cache[-1].length
    positions = torch.arange(tokens.shape[1])[None].expand_as(tokens)[:, -new:]
    return model.logits(model.hidden(tokens[:, -new:], positions=positions, cache=cache))[:, new - 1]


RIGHT = {
    "apply_temperature": (temperature_by_power, temperature_by_row),
    "top_k_filter": (top_k_by_scatter, top_k_by_rank, top_k_by_loop),
    "top_p_filter": (top_p_by_loop, top_p_by_tail, top_p_by_inverse_order),
    "repetition_penalty": (penalty_by_gather, penalty_by_one_hot),
    "next_logits": (cached_by_default_positions, cached_one_at_a_time, cached_by_counting_back),
}
