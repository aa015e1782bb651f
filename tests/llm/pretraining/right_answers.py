"""Right answers to the exercises of the lesson on pretraining, each written another way."""

import math

import torch


def bits_by_nats(perplexity, tokens, characters):
    nats = tokens * math.log(perplexity)
    return nats / math.log(2) / characters


def bits_by_probability(perplexity, tokens, characters):
    per_character = perplexity ** (tokens / characters)
    return math.log(per_character, 2)


def discounted_by_loop(counts, shorter, discount):
    total, kinds = int(counts.sum()), int(torch.count_nonzero(counts))
    if not total:
        return shorter.clone()
    found = torch.empty_like(shorter)
    for token, count in enumerate(counts.tolist()):
        found[token] = (max(count - discount, 0) + discount * kinds * shorter[token]) / total
    return found


def discounted_by_what_is_missing(counts, shorter, discount):
    if not counts.any():
        return shorter
    kept = torch.relu(counts - discount) / counts.sum()
    return kept + (1 - kept.sum()) * shorter


def pieces_by_unfolding(tokens, starts, length):
    windows = tokens.unfold(0, length + 1, 1)[starts]
    return windows[:, :length], windows[:, 1:]


def pieces_by_two_slices(tokens, starts, length):
    inputs = torch.stack([tokens[s : s + length] for s in starts.tolist()])
    targets = torch.stack([tokens[s + 1 : s + 1 + length] for s in starts.tolist()])
    return inputs, targets


def schedule_by_half_angle(step, steps, warmup):
    if warmup and step <= warmup - 1:
        return (1 + step) / warmup
    last_full = warmup - 1
    return math.cos(0.5 * math.pi * (step - last_full) / (steps - last_full)) ** 2


def schedule_by_minimum(step, steps, warmup):
    rise = (step + 1) / max(warmup, 1)
    t = max(0, step + 1 - warmup) / (steps + 1 - warmup)
    return min(rise, (1 + math.cos(t * math.pi)) / 2)


def law_by_lstsq(sizes, losses):
    columns = torch.stack([torch.ones_like(sizes), -torch.log(sizes)], dim=1)
    found = torch.linalg.lstsq(columns, losses.log()[:, None]).solution.flatten()
    return torch.exp(found[0]), found[1]


def law_by_decades(sizes, losses):
    x, y = sizes.log10(), losses.log10()
    x, y, middle, height = x - x.mean(), y - y.mean(), x.mean(), y.mean()
    exponent = -(x @ y) / (x @ x)
    return 10 ** (height + exponent * middle), exponent


RIGHT = {
    "bits_from_perplexity": (bits_by_nats, bits_by_probability),
    "discounted_probabilities": (discounted_by_loop, discounted_by_what_is_missing),
    "inputs_and_targets": (pieces_by_unfolding, pieces_by_two_slices),
    "cosine_schedule": (schedule_by_half_angle, schedule_by_minimum),
    "power_law_by_line": (law_by_lstsq, law_by_decades),
}
