"""Right answers to the exercises of the lesson on transformer, each written another way."""

import math

import torch
import torch.nn.functional as F


def mask_by_loops(queries, keys):
    rows = [[j <= i + keys - queries for j in range(keys)] for i in range(queries)]
    return torch.tensor(rows)


def mask_by_triu(queries, keys):
    return ~torch.ones(queries, keys, dtype=torch.bool).triu(keys - queries + 1)


def mask_from_the_square(queries, keys):
    return torch.tril(torch.ones(keys, keys))[keys - queries :] == 1


def attention_by_einsum(query, key, value, mask=None):
    logits = torch.einsum("bhqd,bhkd->bhqk", query, key) / math.sqrt(query.size(-1))
    if mask is not None:
        logits = torch.where(mask, logits, -torch.inf)
    return torch.einsum("bhqk,bhkd->bhqd", F.softmax(logits, dim=3), value)


def attention_by_exponentials(query, key, value, mask=None):
    logits = (query / query.shape[3] ** 0.5) @ key.mT
    weights = (logits - logits.amax(-1, keepdim=True).detach()).exp()
    if mask is not None:
        weights = weights * mask  # before the normalization it is as good as -inf
    return weights @ value / weights.sum(-1, keepdim=True)


def attention_by_kernel(query, key, value, mask=None):
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def split_by_chunks(x, heads):
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


def split_by_permuting(x, heads):
    batch, length, dim = x.shape
    return x.reshape(batch, length, heads, dim // heads).permute(0, 2, 1, 3)


def merge_by_cat(x):
    return torch.cat(list(x.unbind(1)), dim=-1)


def merge_by_flatten(x):
    return x.permute(0, 2, 1, 3).flatten(start_dim=2)


def loss_by_gather(logits, tokens):
    log_p = logits[:, :-1].log_softmax(-1)
    targets = tokens[:, 1:]
    counted = targets != -100
    picked = log_p.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return -(picked * counted).sum() / counted.sum()


def loss_by_transposing(logits, tokens):
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:])


def loss_by_ignoring_the_last(logits, tokens):
    nothing = torch.full_like(tokens[:, :1], -100)
    targets = torch.cat([tokens[:, 1:], nothing], dim=1)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def count_by_listing(config):
    d, v, n, with_bias = config.dim, config.vocab_size, config.max_length, config.bias
    shapes = [(v, d), (n, d)]
    for _ in range(config.layers):
        shapes += [(d, d)] * 4 + [(d, 4 * d), (4 * d, d), (d,), (d,)]
        if with_bias:
            shapes += [(d,)] * 4 + [(4 * d,), (d,), (d,), (d,)]
    shapes += [(d,)] * (2 if with_bias else 1)
    return sum(math.prod(shape) for shape in shapes)


def count_in_one_formula(config):
    d, layers = config.dim, config.layers
    biases = (11 * layers + 1) * d if config.bias else 0
    return (config.vocab_size + config.max_length + 12 * layers * d + 2 * layers + 1) * d + biases


def count_by_building(config):
    from fmlib.llm.gpt.model import GPT

    with torch.device("meta"):
        return sum(p.numel() for p in GPT(config).parameters())


RIGHT = {
    "causal_mask": (mask_by_loops, mask_by_triu, mask_from_the_square),
    "attention": (attention_by_einsum, attention_by_exponentials, attention_by_kernel),
    "split_heads": (split_by_chunks, split_by_permuting),
    "merge_heads": (merge_by_cat, merge_by_flatten),
    "next_token_loss": (loss_by_gather, loss_by_transposing, loss_by_ignoring_the_last),
    "count_parameters": (count_by_listing, count_in_one_formula, count_by_building),
}
