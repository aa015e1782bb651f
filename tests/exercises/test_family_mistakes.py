"""Mistakes of the lesson on the family, spelled in other ways than the exercises' authors did."""

import pytest
import torch
import torch.nn.functional as F

from fmlib.exercises import check


def norm_with_layer_norm(x, weight, eps=1e-5):
    return F.layer_norm(x, x.shape[-1:], weight, None, eps)


def norm_by_length(x, weight, eps=1e-5):
    return weight * x * torch.rsqrt(torch.einsum("btd,btd->bt", x, x)[..., None] + eps)


def norm_over_everything(x, weight, eps=1e-5):
    return weight * x * (x.pow(2).mean() + eps) ** -0.5


def rotary_of_neighbors(x, positions, theta=10000.0):
    d = x.shape[-1]
    angles = positions[..., None] / theta ** (torch.arange(0, d, 2, dtype=x.dtype) / d)
    numbers = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    turned = numbers * torch.polar(torch.ones_like(angles), angles)[:, None]
    return torch.view_as_real(turned).flatten(-2)


def rotary_from_zero(x, positions, theta=10000.0):
    d = x.shape[-1]
    angles = torch.outer(torch.arange(x.shape[2]), theta ** (-torch.arange(0, d, 2) / d)).repeat(1, 2)
    half = torch.cat([-x[..., d // 2 :], x[..., : d // 2]], dim=-1)
    return x * angles.cos() + half * angles.sin()


def rotary_with_the_sign_of_the_other_half(x, positions, theta=10000.0):
    d = x.shape[-1]
    angles = (positions[..., None] * theta ** (-torch.arange(0, d, 2) / d)).repeat(1, 1, 2)[:, None]
    half = torch.cat([x[..., d // 2 :], -x[..., : d // 2]], dim=-1)
    return x * angles.cos() + half * angles.sin()


def heads_by_tiling(x, times):
    return torch.cat([x] * times, dim=1)


def heads_by_viewing(x, times):
    b, h, n, d = x.shape
    return x.repeat_interleave(times, dim=2).view(b, h * times, n, d)


def blanks_only(tokens, chosen, draws, others, mask_token):
    return tokens.masked_fill(chosen, mask_token), tokens.masked_fill(~chosen, -100)


def blanks_judged_where_masked(tokens, chosen, draws, others, mask_token):
    masked = chosen & (draws < 0.8)
    swapped = chosen & ~masked & (draws < 0.9)
    read = torch.where(masked, mask_token, torch.where(swapped, others, tokens))
    return read, torch.where(masked, tokens, -100)


def spans_without_an_end(tokens, missing, first_sentinel):
    read, told, before, s = [], [], False, first_sentinel
    for i in range(len(tokens)):
        if missing[i]:
            if not before:
                read, told, s = [*read, s], [*told, s], s - 1
            told = [*told, int(tokens[i])]
        else:
            read = [*read, int(tokens[i])]
        before = bool(missing[i])
    return torch.tensor(read), torch.tensor(told).long()


def spans_of_one(tokens, missing, first_sentinel):
    read, told, s = [], [], first_sentinel
    for token, gone in zip(tokens, missing, strict=True):
        if gone:
            read.append(s)
            told += [s, int(token)]
            s -= 1
        else:
            read.append(int(token))
    return torch.tensor(read), torch.tensor([*told, s])


@pytest.mark.parametrize(
    ("name", "attempt", "words"),
    [
        ("rms_norm", norm_with_layer_norm, "subtract the mean"),
        ("rms_norm", norm_by_length, "length of the vector"),
        ("rms_norm", norm_over_everything, "wrong axis"),
        ("rotary", rotary_of_neighbors, "Neighbors"),
        ("rotary", rotary_from_zero, "count from 0"),
        ("rotary", rotary_with_the_sign_of_the_other_half, "the other way"),
        ("repeat_heads", heads_by_tiling, "0, 1, 0, 1"),
        ("repeat_heads", heads_by_viewing, "Positions are mixed"),
        ("hide_tokens", blanks_only, "Every chosen token becomes"),
        ("hide_tokens", blanks_judged_where_masked, "Some of the chosen tokens are no targets"),
        ("corrupt_spans", spans_without_an_end, "last sentinel is missing"),
        ("corrupt_spans", spans_of_one, "Every missing token gets a sentinel"),
    ],
)
def test_a_mistake_is_recognized_in_another_spelling(name, attempt, words):
    result = check(name, attempt)
    assert result.misconception is not None, result
    assert words in result.misconception.sentence
