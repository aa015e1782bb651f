"""Right answers to the exercises of the lesson on contrastive learning, each written another way."""

import copy
import math

import torch
import torch.nn.functional as F

SEEDS = 2**31


def indices_by_formula(batch):
    return torch.tensor([(row + batch) % (2 * batch) for row in range(2 * batch)])


def indices_by_halves(batch):
    return torch.arange(2 * batch).view(2, batch).flip(0).flatten()


def nt_xent_by_loops(z1, z2, temperature=0.5):
    rows = [row / row.norm() for row in (*z1, *z2)]
    total = 0
    for i, row in enumerate(rows):
        scores = {k: row @ other / temperature for k, other in enumerate(rows) if k != i}
        partner = scores[(i + len(z1)) % len(rows)]
        total = total - partner + torch.stack(list(scores.values())).logsumexp(0)
    return total / len(rows)


def nt_xent_by_exponentials(z1, z2, temperature=0.5):
    z = torch.cat([z1, z2])
    similarity = F.cosine_similarity(z[:, None], z[None, :], dim=-1)
    weights = (similarity / temperature).exp() * (1 - torch.eye(len(z)))
    positive = torch.cat([similarity.diagonal(len(z1)), similarity.diagonal(-len(z1))]) / temperature
    return (weights.sum(1).log() - positive).mean().to(z1.dtype)


def nt_xent_by_halves(z1, z2, temperature=0.5):
    a, b = F.normalize(z1, dim=-1), F.normalize(z2, dim=-1)
    large = 1e9 * torch.eye(len(a), dtype=a.dtype)
    forward = torch.cat([a @ b.T, a @ a.T - large], dim=1) / temperature
    backward = torch.cat([b @ a.T, b @ b.T - large], dim=1) / temperature
    target = torch.arange(len(a))
    return (F.cross_entropy(forward, target) + F.cross_entropy(backward, target)) / 2


def info_nce_by_softmax(query, keys, queue, temperature=0.2):
    with torch.no_grad():
        candidates = [F.normalize(torch.cat([key[None], queue]), dim=1) for key in keys]
    losses = [
        -(c @ q / q.norm() / temperature).softmax(0)[0].log() for q, c in zip(query, candidates, strict=True)
    ]
    return torch.stack(losses).mean()


def info_nce_positive_last(query, keys, queue, temperature=0.2):
    query, keys, queue = (F.normalize(rows, dim=-1) for rows in (query, keys.detach(), queue.detach()))
    logits = torch.cat([query @ queue.T, (query @ keys.T).diagonal()[:, None]], dim=1) / temperature
    return F.cross_entropy(logits, torch.full((len(query),), len(queue)))


def enqueue_by_loop(queue, keys, start):
    queue = queue.detach().clone()
    for key in keys.detach():
        queue[start] = key
        start = start + 1 if start + 1 < len(queue) else 0
    return queue, start


def enqueue_by_rolling(queue, keys, start):
    turned = queue.roll(-start, 0)
    turned = torch.cat([keys.detach(), turned[len(keys) :]])
    return turned.roll(start, 0), torch.tensor((start + len(keys)) % len(queue))


def enqueue_in_two_pieces(queue, keys, start):
    queue, keys, first = queue.clone(), keys.data, min(len(keys), len(queue) - start)
    queue[start : start + first] = keys[:first]
    queue[: len(keys) - first] = keys[first:]
    return [queue, (start + len(keys)) % len(queue)]


@torch.no_grad()
def momentum_by_multiplying(key_encoder, query_encoder, momentum=0.99):
    for key, query in zip(key_encoder.parameters(), query_encoder.parameters(), strict=True):
        key.mul_(momentum).add_(query, alpha=1 - momentum)
    for key, query in zip(key_encoder.buffers(), query_encoder.buffers(), strict=True):
        key.copy_(query)


def momentum_by_state(key_encoder, query_encoder, momentum=0.99):
    state, parameters = copy.deepcopy(query_encoder.state_dict()), dict(key_encoder.named_parameters())
    for name, value in parameters.items():
        state[name] = momentum * value.detach() + (1 - momentum) * state[name]
    key_encoder.load_state_dict(state)


def momentum_by_data(key_encoder, query_encoder, momentum=0.99):
    theirs = dict(query_encoder.named_parameters())
    for name, value in key_encoder.named_parameters():
        value.data += (1 - momentum) * (theirs[name].data - value.data)
    for value, source in zip(key_encoder.buffers(), query_encoder.buffers(), strict=True):
        value.data = source.data.clone()


def knn_by_loops(train_features, train_labels, features, k=20, temperature=0.07):
    predicted = []
    for row in features:
        similarity = F.cosine_similarity(train_features, row[None], dim=1)
        votes = {}
        for neighbor in similarity.topk(k).indices.tolist():
            label = train_labels[neighbor].item()
            votes[label] = votes.get(label, 0) + math.exp(similarity[neighbor].item() / temperature)
        predicted.append(min(votes, key=lambda label: (-round(votes[label], 9), label)))
    return torch.tensor(predicted)


def knn_by_class(train_features, train_labels, features, k=20, temperature=0.07):
    a, b = (x / x.norm(dim=1, keepdim=True) for x in (features, train_features))
    similarity, columns = (a @ b.T).topk(k, dim=1)
    weights, labels = torch.softmax(similarity / temperature, dim=1), train_labels[columns]
    votes = [(weights * (labels == label)).sum(1) for label in range(int(train_labels.max()) + 1)]
    return torch.stack(votes, dim=1).argmax(1)


def step_with_two_draws(model, pictures, augment, generator):
    return model.loss(augment(pictures, generator), augment(pictures, generator))


def step_with_one_draw(model, pictures, augment, generator):
    view1, view2 = augment(torch.cat([pictures, pictures]), generator).chunk(2)
    return model.loss(view1, view2)


def step_with_own_loss(model, pictures, augment, generator):
    pairs = augment(pictures.repeat_interleave(2, 0), generator=generator)
    return nt_xent_by_loops(*model(pairs[0::2], pairs[1::2]), model.config.temperature)


def step_with_new_seeds(model, pictures, augment, generator):
    seeds = torch.randint(SEEDS, (2,), generator=generator).tolist()
    view2, view1 = (augment(pictures, torch.Generator().manual_seed(seed)) for seed in seeds)
    return model.loss(view1, view2)


def uniformity_by_pdist(z):
    return torch.pdist(F.normalize(z, dim=1)).square().mul(-2).exp().mean().log()


def uniformity_by_loops(z):
    rows = [row / row.norm() for row in z]
    pairs = [torch.exp(4 * (a @ b) - 4) for i, a in enumerate(rows) for b in rows[:i]]
    return torch.log(sum(pairs) / len(pairs))


def bound_by_softmax(scores):
    picked = scores.log_softmax(dim=1).diagonal()
    return picked.mean() + math.log(scores.shape[1])


def bound_by_loops(scores):
    found = [row[i] - row.logsumexp(0) + math.log(len(row)) for i, row in enumerate(scores)]
    return torch.stack(found).mean()


def between_classes_by_loops(z1, z2, labels, temperature=0.5):
    rows, names = [row / row.norm() for row in (*z1, *z2)], labels.tolist() * 2
    total = 0
    for i, row in enumerate(rows):
        partner = row @ rows[(i + len(z1)) % len(rows)] / temperature
        others = [row @ other / temperature for k, other in enumerate(rows) if names[k] != names[i]]
        total = total + torch.stack([partner, *others]).logsumexp(0) - partner
    return total / len(rows)


def between_classes_by_weights(z1, z2, labels, temperature=0.5):
    a, b = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    keep = (labels[:, None] != labels).to(a.dtype)
    positive = (a * b).sum(1) / temperature
    losses = []
    for x, y in ((a, b), (b, a)):
        negatives = sum((keep * (x @ other.T / temperature).exp()).sum(1) for other in (x, y))
        losses.append((positive.exp() + negatives).log() - positive)
    return torch.cat(losses).mean()


RIGHT = {
    "uniformity": (uniformity_by_pdist, uniformity_by_loops),
    "information_bound": (bound_by_softmax, bound_by_loops),
    "nt_xent_between_classes": (between_classes_by_loops, between_classes_by_weights),
    "positive_indices": (indices_by_formula, indices_by_halves),
    "nt_xent": (nt_xent_by_loops, nt_xent_by_exponentials, nt_xent_by_halves),
    "info_nce": (info_nce_by_softmax, info_nce_positive_last),
    "enqueue": (enqueue_by_loop, enqueue_by_rolling, enqueue_in_two_pieces),
    "momentum_update": (momentum_by_multiplying, momentum_by_state, momentum_by_data),
    "knn_predict": (knn_by_loops, knn_by_class),
    "contrastive_step": (step_with_two_draws, step_with_one_draw, step_with_own_loss, step_with_new_seeds),
}
