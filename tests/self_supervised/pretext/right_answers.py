"""Right answers to the exercises of the lesson on pretext tasks, each written another way."""

from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F


def turn_by_flips(images, turns):
    turned = images.clone()
    once, twice, thrice = (turns == quarters for quarters in (1, 2, 3))
    turned[once] = images[once].transpose(2, 3).flip(2)
    turned[twice] = images[twice].flip(2, 3)
    turned[thrice] = images[thrice].transpose(2, 3).flip(3)
    return turned


def turn_by_numpy(images, turns):
    turned = [
        np.rot90(image.numpy(), k, axes=(1, 2)).copy()
        for image, k in zip(images, turns.tolist(), strict=True)
    ]
    return torch.from_numpy(np.stack(turned))


def turn_again_and_again(images, turns):
    turned = images.clone()
    for quarter in range(3):
        more = turns > quarter
        turned[more] = torch.rot90(turned[more], 1, (2, 3))
    return turned


def batch_of_pairs(images, generator):
    pairs = [(torch.rot90(image, k, (1, 2)), k) for image in images for k in range(4)]
    order = torch.randperm(len(pairs), generator=generator).tolist()
    turned, labels = zip(*(pairs[i] for i in order), strict=True)
    return torch.stack(turned), torch.tensor(labels)


def batch_by_interleaving(images, generator):
    turned = torch.stack([images.rot90(k, (2, 3)) for k in range(4)], dim=1).flatten(0, 1)
    labels = torch.arange(4).repeat(len(images))
    order = torch.rand(len(labels), generator=generator).argsort()
    return turned[order], labels[order]


def farthest_by_table(every, chosen):
    apart = torch.stack([(every != every[row]).sum(1) for row in chosen])
    nearest = apart.min(0).values
    return (nearest == nearest.max()).nonzero()[0, 0]


def farthest_by_one_hot(every, chosen):
    tiles = every.shape[1]
    places = F.one_hot(every).flatten(1).float()
    equal = (places @ places[chosen].T).amax(1)
    best = max(range(len(every)), key=lambda row: (tiles - equal[row].item(), -row))
    return torch.tensor(best)


def weights_by_list(frequencies, uniform=0.5):
    total, colors = frequencies.sum(), len(frequencies)
    shares = [value / total for value in frequencies]
    raw = [1 / ((1 - uniform) * share + uniform / colors) for share in shares]
    scale = sum(share * weight for share, weight in zip(shares, raw, strict=True))
    return torch.stack([weight / scale for weight in raw])


def weights_by_lerp(frequencies, uniform=0.5):
    share = F.normalize(frequencies, p=1, dim=0)
    mixed = torch.lerp(share, torch.full_like(share, 1 / len(share)), uniform)
    return mixed.reciprocal() / torch.dot(share, mixed.reciprocal())


def own_by_loops(predicted, targets):
    total = 0
    for group, others in zip(predicted, targets, strict=True):
        for i, row in enumerate(group):
            total = total - torch.stack([row @ other for other in others]).log_softmax(0)[i]
    return total / (predicted.shape[0] * predicted.shape[1])


def own_by_cross_entropy(predicted, targets):
    scores = torch.einsum("gid,gjd->gji", predicted, targets)  # classes in axis 1
    groups, rows = scores.shape[:2]
    return F.cross_entropy(scores, torch.arange(rows).repeat(groups, 1))


def own_by_differences(predicted, targets):
    scores = predicted @ targets.transpose(1, 2)
    own = (predicted * targets).sum(-1, keepdim=True)
    return torch.logsumexp(scores - own, dim=-1).mean()


def folds_by_unique(voices):
    return [(voices.ne(voice), voices.eq(voice)) for voice in torch.unique(voices)]


def folds_by_inverse(voices):
    which = voices.unique(return_inverse=True)[1]
    tests = F.one_hot(which).bool().T
    return tuple([~test, test] for test in tests)


def cue_by_counters(cue, answers, test_cue, test_answers):
    def commonest(numbers):
        counts = Counter(numbers)
        most = max(counts.values())
        return min(number for number, count in counts.items() if count == most)

    told = {value: commonest(answers[cue == value].tolist()) for value in cue.unique().tolist()}
    rest = commonest(answers.tolist())
    right = [told.get(v, rest) == a for v, a in zip(test_cue.tolist(), test_answers.tolist(), strict=True)]
    return 100 * sum(right) / len(right)


def cue_by_table(cue, answers, test_cue, test_answers):
    table = torch.zeros(int(max(cue.max(), test_cue.max())) + 1, int(answers.max()) + 1)
    table.index_put_((cue, answers), torch.ones(len(cue)), accumulate=True)
    overall = table.sum(0)
    table[table.sum(1) == 0] = overall
    return (table.argmax(1)[test_cue] == test_answers).float().mean().mul(100).item()


RIGHT = {
    "turn_each": (turn_by_flips, turn_by_numpy, turn_again_and_again),
    "rotation_batch": (batch_of_pairs, batch_by_interleaving),
    "farthest_order": (farthest_by_table, farthest_by_one_hot),
    "rebalancing_weights": (weights_by_list, weights_by_lerp),
    "pick_own": (own_by_loops, own_by_cross_entropy, own_by_differences),
    "voice_folds": (folds_by_unique, folds_by_inverse),
    "cue_accuracy": (cue_by_counters, cue_by_table),
}
