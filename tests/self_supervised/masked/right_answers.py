"""Right answers to the exercises of the lesson on masked prediction, each written another way."""

import torch
import torch.nn.functional as F


def split_by_ranks(noise, keep):
    rank = (noise[:, None, :] < noise[:, :, None]).sum(dim=2)
    hidden = rank >= keep
    visible = torch.stack([torch.tensor(sorted(range(len(r)), key=r.__getitem__)) for r in rank.tolist()])
    return visible[:, :keep], hidden, rank


def split_by_sorting(noise, keep):
    order = torch.sort(noise, dim=-1).indices
    restore = torch.empty_like(order)
    for row in range(len(order)):
        restore[row, order[row]] = torch.arange(order.shape[1])
    hidden = torch.tensor(
        [[place not in row for place in range(noise.shape[1])] for row in order[:, :keep].tolist()]
    )
    return order[:, :keep], hidden, restore


def restored_by_loops(seen, mask_token, restore):
    rows = []
    for vectors, places in zip(seen, restore.tolist(), strict=True):
        rows.append(torch.stack([vectors[p] if p < len(vectors) else mask_token for p in places]))
    return torch.stack(rows)


def restored_by_padding(seen, mask_token, restore):
    here = restore < seen.shape[1]
    rows = torch.arange(len(seen))[:, None]
    found = seen[rows, restore.clamp(max=seen.shape[1] - 1)]
    return torch.where(here[..., None], found, mask_token)


def loss_by_weights(painted, target, hidden):
    weights = hidden.to(painted.dtype)
    error = ((target - painted) ** 2).mean(-1)
    return (weights * error).sum() / weights.sum()


def loss_of_picked(painted, target, hidden):
    return F.mse_loss(painted[hidden], target[hidden])


def undone_by_hand(painted, patches):
    count = patches.shape[-1]
    mean = patches.sum(-1, keepdim=True) / count
    variance = ((patches - mean) ** 2).sum(-1, keepdim=True) / (count - 1)
    return mean + painted * torch.sqrt(1e-6 + variance)


def undone_patch_by_patch(painted, patches):
    rows = [
        y * (x.var() + 1e-6) ** 0.5 + x.mean()
        for y, x in zip(painted.flatten(0, 1), patches.flatten(0, 1), strict=True)
    ]
    return torch.stack(rows).view_as(painted)


def blanks_with_ignored_targets(logits, tokens, read, chosen):
    targets = torch.where(chosen, tokens, -100)
    return F.cross_entropy(logits.transpose(1, 2), targets)


def blanks_by_log_softmax(logits, tokens, read, chosen):
    nats = -logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    return (nats * chosen).sum() / chosen.sum()


def pairs_row_by_row(pieces, others, follows, start_token, end_token):
    half = pieces.shape[1] // 2
    tokens, types, labels = [], [], []
    for piece, other, follow in zip(pieces.tolist(), others.tolist(), follows.tolist(), strict=True):
        first, second = piece[:half], (piece if follow else other)[half:]
        tokens.append([start_token, *first, end_token, *second, end_token])
        types.append([0] * (len(first) + 2) + [1] * (len(second) + 1))
        labels.append(0 if follow else 1)
    return torch.tensor(tokens), torch.tensor(types), torch.tensor(labels)


def pairs_by_filling(pieces, others, follows, start_token, end_token):
    rows, length = pieces.shape
    tokens = torch.full((rows, length + 3), end_token)
    tokens[:, 0] = start_token
    tokens[:, 1 : length // 2 + 1] = pieces[:, : length // 2]
    tokens[follows, length // 2 + 2 : -1] = pieces[follows, length // 2 :]
    tokens[~follows, length // 2 + 2 : -1] = others[~follows, length // 2 :]
    types = (torch.arange(length + 3) > length // 2 + 1).long().repeat(rows, 1)
    return tokens, types, 1 - follows.long()


def pseudo_in_one_pass(model, tokens, mask_token):
    places = torch.arange(len(tokens))
    copies = tokens.repeat(len(tokens), 1)
    copies[places, places] = mask_token
    with torch.no_grad():
        logits = model(copies)
    return F.cross_entropy(logits[places, places], tokens, reduction="none")


def pseudo_by_softmax(model, tokens, mask_token):
    found = []
    for place, token in enumerate(tokens.tolist()):
        read = torch.cat([tokens[:place], torch.tensor([mask_token]), tokens[place + 1 :]])
        likely = model(read.unsqueeze(0)).detach()[0, place].double().softmax(dim=0)
        found.append(-likely[token].log())
    return torch.stack(found)


RIGHT = {
    "split_patches": (split_by_ranks, split_by_sorting),
    "restore_order": (restored_by_loops, restored_by_padding),
    "mae_loss": (loss_by_weights, loss_of_picked),
    "undo_normalization": (undone_by_hand, undone_patch_by_patch),
    "blanks_loss": (blanks_with_ignored_targets, blanks_by_log_softmax),
    "sentence_pairs": (pairs_row_by_row, pairs_by_filling),
    "pseudo_surprise": (pseudo_in_one_pass, pseudo_by_softmax),
}
