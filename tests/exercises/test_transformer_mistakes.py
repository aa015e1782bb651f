"""Mistakes of the lesson on the transformer, spelled in other ways than the exercises' authors did."""

import pytest
import torch
import torch.nn.functional as F

from fmlib.exercises import check


def attention_without_the_root(query, key, value, mask=None):
    logits = torch.einsum("bhqd,bhkd->bhqk", query, key)
    if mask is not None:
        logits = torch.where(mask, logits, -torch.inf)
    return torch.einsum("bhqk,bhkd->bhqd", logits.softmax(-1), value)


def attention_masked_at_the_end(query, key, value, mask=None):
    weights = F.softmax(query @ key.mT * query.size(-1) ** -0.5, dim=3)
    if mask is not None:
        weights = weights.masked_fill(mask == 0, 0)
    return weights @ value


def attention_over_the_queries(query, key, value, mask=None):
    logits = query.matmul(key.mT).div(query.shape[3] ** 0.5)
    if mask is not None:
        logits = logits + torch.zeros_like(logits).masked_fill(mask.logical_not(), -torch.inf)
    return logits.softmax(2).matmul(value)


def mask_that_shows_the_next(queries, keys):
    return torch.tensor([[j - (keys - queries) <= i + 1 for j in range(keys)] for i in range(queries)])


def mask_that_forgets_the_cache(queries, keys):
    return torch.tril(torch.ones(queries, keys)).bool()


def heads_by_viewing(x, heads):
    batch, length, dim = x.shape
    return x.contiguous().view(batch, heads, length, dim // heads)


def heads_merged_by_viewing(x):
    return x.contiguous().view(x.size(0), x.size(2), -1)


def loss_of_the_same_token(logits, tokens):
    log_p = logits.log_softmax(-1)
    counted = tokens != -100
    picked = log_p.gather(-1, tokens.clamp(min=0)[..., None])[..., 0]
    return -(picked * counted).sum() / counted.sum()


def loss_of_probabilities(logits, tokens):
    return F.cross_entropy(F.softmax(logits, -1)[:, :-1].transpose(1, 2), tokens[:, 1:])


def count_with_a_head_of_its_own(config):
    d = config.dim
    biases = (11 * config.layers + 1) * d if config.bias else 0
    tables = (2 * config.vocab_size + config.max_length) * d
    return tables + config.layers * (12 * d**2 + 2 * d) + d + biases


@pytest.mark.parametrize(
    ("name", "attempt", "words"),
    [
        ("attention", attention_without_the_root, "not divided by the root"),
        ("attention", attention_masked_at_the_end, "after the softmax"),
        ("attention", attention_over_the_queries, "wrong axis"),
        ("causal_mask", mask_that_shows_the_next, "also sees the next position"),
        ("causal_mask", mask_that_forgets_the_cache, "first query is put at the first key"),
        ("split_heads", heads_by_viewing, "does not move anything"),
        ("merge_heads", heads_merged_by_viewing, "Positions are mixed"),
        ("next_token_loss", loss_of_the_same_token, "not shifted"),
        ("next_token_loss", loss_of_probabilities, "softmax already"),
        ("count_parameters", count_with_a_head_of_its_own, "weight tying"),
    ],
)
def test_a_mistake_about_transformers_is_recognized_in_another_spelling(name, attempt, words):
    result = check(name, attempt)
    assert result.misconception is not None, result
    assert words in result.misconception.sentence
