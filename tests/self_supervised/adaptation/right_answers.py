"""Right answers to the exercises of the lesson on adaptation, each written another way."""

import math
import statistics

import torch
import torch.nn.functional as F
from scipy.stats import rankdata, t


def mean_by_weights(train_features, train_labels, features):
    classes, place = train_labels.unique(return_inverse=True)
    member = F.one_hot(place, len(classes)).to(train_features.dtype)
    means = (member / member.sum(dim=0)).T @ train_features
    return classes[torch.stack([(features - m).norm(dim=1) for m in means], dim=1).min(dim=1).indices]


def mean_by_loop(train_features, train_labels, features):
    means = {c: train_features[train_labels == c].mean(0) for c in sorted(set(train_labels.tolist()))}
    answers = [min(means, key=lambda c, row=row: ((row - means[c]) ** 2).sum().item()) for row in features]
    return torch.tensor(answers)


def standardized_by_two_lines(known, features):
    centered = known - known.mean(0, keepdim=True)
    return tuple((x - known.mean(0)) / centered.std() for x in (known, features))


def standardized_together(known, features):
    both = torch.cat([known, features]) - known.mean(dim=0)
    size = both[: len(known)].pow(2).sum().div(known.numel() - 1).sqrt()
    return (both / size).split([len(known), len(features)])[0].clone(), (both / size)[len(known) :].clone()


def episode_by_counting(order, labels, classes, shots, queries):
    support, query = ([[] for _ in classes] for _ in range(2))
    row = {int(c): i for i, c in enumerate(classes)}
    for picture in order.tolist():
        label = int(labels[picture])
        if label not in row:
            continue
        i = row[label]
        if len(support[i]) < shots:
            support[i].append(picture)
        elif len(query[i]) < queries:
            query[i].append(picture)
    return torch.tensor(support), torch.tensor(query)


def episode_by_masks(order, labels, classes, shots, queries):
    shuffled = labels[order]
    rows = torch.stack([order[(shuffled == c).nonzero().flatten()[: shots + queries]] for c in classes])
    support, query = rows.split([shots, queries], dim=1)
    return support, query


def interval_by_statistics(values, confidence=0.95):
    error = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values), float(t.ppf(1 - (1 - confidence) / 2, len(values) - 1) * error)


def interval_by_scipy(values, confidence=0.95):
    mean, error = torch.tensor(values, dtype=torch.float64).mean().item(), statistics.stdev(values)
    low, high = t.interval(confidence, len(values) - 1)
    return mean, error / len(values) ** 0.5 * float(high - low) / 2


def step_with_detach(encoder, head, images, labels):
    features = encoder.eval()(images).detach()
    return F.cross_entropy(head(features), labels)


def step_by_hand(encoder, head, images, labels):
    encoder.train(False)
    with torch.inference_mode():
        seen = encoder(images)
    log_p = head(seen.clone()).log_softmax(dim=1)
    return -log_p[torch.arange(len(labels)), labels].mean()


def groups_from_behind(parts, rate, decay=1.0):
    groups = []
    for part in reversed(parts):
        own = list(filter(lambda p: p.requires_grad, part.parameters()))
        if own:
            groups.insert(0, {"params": own, "lr": rate})
        rate = rate * decay
    return groups


def groups_by_names(parts, rate, decay=1.0):
    last = len(parts) - 1
    every = (
        {
            "params": [p for _, p in part.named_parameters() if p.requires_grad],
            "lr": rate * decay ** (last - i),
        }
        for i, part in enumerate(parts)
    )
    return [group for group in every if group["params"]]


def draws_by_doubling(deviation, difference, confidence=0.95):
    def enough(n):
        return float(t.interval(confidence, n - 1)[1]) * deviation <= difference * math.sqrt(n)

    low, high = 1, 2
    while not enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def draws_by_search(deviation, difference, confidence=0.95):
    upper = (1 + confidence) / 2
    return next(n for n in range(2, 5000) if t.ppf(upper, n - 1) * deviation / math.sqrt(n) <= difference)


def correlation_by_torch(first, second):
    places = torch.stack([torch.as_tensor(rankdata(values)) for values in (first, second)])
    return torch.corrcoef(places)[0, 1].item()


def correlation_by_sorting(first, second):
    def places(values):
        order = sorted(values)
        return [order.index(v) + 1 + (order.count(v) - 1) / 2 for v in values]

    return statistics.correlation(places(first), places(second))


RIGHT = {
    "nearest_mean": (mean_by_weights, mean_by_loop),
    "standardize": (standardized_by_two_lines, standardized_together),
    "split_episode": (episode_by_counting, episode_by_masks),
    "mean_interval": (interval_by_statistics, interval_by_scipy),
    "head_step": (step_with_detach, step_by_hand),
    "parameter_groups": (groups_from_behind, groups_by_names),
    "draws_needed": (draws_by_doubling, draws_by_search),
    "rank_correlation": (correlation_by_torch, correlation_by_sorting),
}
