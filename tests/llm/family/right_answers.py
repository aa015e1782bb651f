"""Right answers to the exercises of the lesson on the family, each written another way."""

import torch
import torch.nn.functional as F


def norm_by_torch(x, weight, eps=1e-5):
    return F.rms_norm(x, weight.shape, weight, eps)


def norm_by_powers(x, weight, eps=1e-5):
    return x * (x.pow(2).sum(-1, keepdim=True) / x.size(-1) + eps).pow(-0.5) * weight


def norm_by_einsum(x, weight, eps=1e-5):
    size = torch.einsum("btd,btd->bt", x, x) / len(weight)
    return torch.einsum("btd,bt,d->btd", x, torch.rsqrt(size + eps), weight)


def rotary_by_complex_numbers(x, positions, theta=10000.0):
    d = x.shape[-1]
    speed = 1 / theta ** (torch.arange(0, d, 2) / d)
    angles = torch.einsum("rl,p->rlp", positions.to(x.dtype), speed.to(x.dtype)).unsqueeze(1)
    turned = torch.complex(*x.chunk(2, -1)) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], -1)


def rotary_as_transformers(x, positions, theta=10000.0):
    d = x.shape[-1]
    inv_freq = 1.0 / (theta ** (torch.arange(0, d, 2).float() / d))
    freqs = positions[..., None].float() * inv_freq
    emb = torch.cat([freqs, freqs], dim=-1)[:, None]
    half = torch.cat([-x[..., d // 2 :], x[..., : d // 2]], dim=-1)
    return x * emb.cos().to(x.dtype) + half * emb.sin().to(x.dtype)


def rotary_by_matrices(x, positions, theta=10000.0):
    d = x.shape[-1]
    positions = positions.expand(len(x), -1)
    rows = []
    for b in range(x.shape[0]):
        columns = []
        for t in range(x.shape[2]):
            turn = torch.zeros(d, d, dtype=x.dtype)
            for i in range(d // 2):
                angle = positions[b, t] * theta ** (-2 * i / d)
                turn[i, i] = turn[i + d // 2, i + d // 2] = torch.cos(angle)
                turn[i, i + d // 2], turn[i + d // 2, i] = -torch.sin(angle), torch.sin(angle)
            columns.append(x[b, :, t] @ turn.T)
        rows.append(torch.stack(columns, dim=1))
    return torch.stack(rows)


def repeat_by_interleaving(x, times):
    return x.repeat_interleave(times, 1)


def repeat_by_index(x, times):
    return x[:, [h // times for h in range(x.shape[1] * times)]]


def repeat_by_stacking(x, times):
    return torch.stack([x] * times, dim=2).flatten(1, 2)


def hide_by_loops(tokens, chosen, draws, others, mask_token):
    read, targets = tokens.tolist(), torch.full_like(tokens, -100)
    for b, t in chosen.nonzero().tolist():
        targets[b, t] = tokens[b, t]
        if draws[b, t] < 0.8:
            read[b][t] = mask_token
        elif draws[b, t] < 0.9:
            read[b][t] = int(others[b, t])
    return torch.tensor(read), targets


def hide_by_filling(tokens, chosen, draws, others, mask_token):
    targets = tokens.masked_fill(chosen.logical_not(), -100)
    masked = draws.lt(0.8).logical_and(chosen)
    swapped = draws.lt(0.9).logical_and(chosen).logical_xor(masked)
    return tokens.masked_fill(masked, mask_token) * ~swapped + others * swapped, targets


def spans_by_slices(tokens, missing, first_sentinel):
    edges = F.pad(missing.long(), (1, 1)).diff()
    starts, ends = edges.eq(1).nonzero()[:, 0].tolist(), edges.eq(-1).nonzero()[:, 0].tolist()
    read, told, past = [], [], 0
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        sentinel = torch.tensor([first_sentinel - k])
        read += [tokens[past:start], sentinel]
        told += [sentinel, tokens[start:end]]
        past = end
    read.append(tokens[past:])
    return torch.cat(read), torch.cat([*told, torch.tensor([first_sentinel - len(starts)])])


def spans_by_groups(tokens, missing, first_sentinel):
    from itertools import groupby

    read, told, sentinel = [], [], first_sentinel
    for gone, group in groupby(zip(tokens.tolist(), missing.tolist(), strict=True), key=lambda pair: pair[1]):
        words = [word for word, _ in group]
        if gone:
            read, told, sentinel = [*read, sentinel], [*told, sentinel, *words], sentinel - 1
        else:
            read += words
    return torch.LongTensor(read), torch.LongTensor([*told, sentinel])


RIGHT = {
    "rms_norm": (norm_by_torch, norm_by_powers, norm_by_einsum),
    "rotary": (rotary_by_complex_numbers, rotary_as_transformers, rotary_by_matrices),
    "repeat_heads": (repeat_by_interleaving, repeat_by_index, repeat_by_stacking),
    "hide_tokens": (hide_by_loops, hide_by_filling),
    "corrupt_spans": (spans_by_slices, spans_by_groups),
}
