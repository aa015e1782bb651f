"""Right answers to the exercises of the lesson on adaptation, each written another way."""

import torch
import torch.nn.functional as F


def prompt_by_adding(examples, question):
    text = ""
    for pair in examples:
        text += pair[0] + " -> " + pair[1] + "\n"
    return text + question + " ->"


def prompt_by_one_join(examples, question):
    pairs = [*examples, (question, "")]
    return "\n".join(" -> ".join(pair) for pair in pairs).rstrip(" ")


def batch_by_loops(mappings, keys):
    texts = []
    for mapping, row in zip(mappings.tolist(), keys.tolist(), strict=True):
        texts.append([token for key in row for token in (key, len(mapping) + mapping[key])])
    return torch.tensor(texts)


def batch_by_indexing(mappings, keys):
    rows = torch.arange(len(keys))[:, None]
    answers = mappings[rows, keys] + mappings.size(1)
    return torch.cat([keys[:, :, None], answers[:, :, None]], dim=-1).view(len(keys), -1)


def batch_by_one_hot(mappings, keys):
    n = mappings.shape[1]
    shown = torch.nn.functional.one_hot(keys, n)  # [batch, pairs, n]
    return torch.stack([keys, (shown * mappings[:, None]).sum(-1) + n], dim=-1).flatten(1)


def score_by_diagonal(maps, period):
    return maps.diagonal(1 - period, dim1=2, dim2=3)[..., 1:].mean(dim=(0, 2))


def score_by_mask(maps, period):
    places = torch.arange(2 * period)
    wanted = (places[None, :] == places[:, None] - period + 1) & (places[:, None] >= period)
    return (maps * wanted).sum(dim=(2, 3)).mean(dim=0) / period


def score_by_gather(maps, period):
    second = maps[:, :, period:]
    target = torch.arange(1, period + 1)[:, None].expand(*second.shape[:2], -1, -1)
    return second.gather(3, target).mean(dim=(0, 2, 3))


def dpo_by_softplus(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    with torch.no_grad():
        start = reference_chosen - reference_rejected
    return F.softplus(-beta * (policy_chosen - policy_rejected - start)).mean()


def dpo_by_cross_entropy(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    rewards = torch.stack([policy_chosen, policy_rejected], dim=1)
    rewards = beta * (rewards - torch.stack([reference_chosen, reference_rejected], dim=1).detach())
    return F.cross_entropy(rewards, torch.zeros(len(rewards), dtype=torch.long))


def dpo_by_loop(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    total = 0
    for c, r, rc, rr in zip(
        policy_chosen, policy_rejected, reference_chosen, reference_rejected, strict=True
    ):
        total = total + torch.logaddexp(torch.zeros_like(c), -beta * ((c - rc.item()) - (r - rr.item())))
    return total / len(policy_chosen)


def answer_loss_by_ignoring(logits, tokens, answers):
    targets = torch.where(answers, tokens, -100)[:, 1:]
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), targets.reshape(-1))


def answer_loss_by_picking(logits, tokens, answers):
    here = answers[:, 1:]
    return F.nll_loss(logits[:, :-1][here].log_softmax(dim=-1), tokens[:, 1:][here])


def answer_loss_by_loop(logits, tokens, answers):
    found = [
        logits[row, t - 1].logsumexp(0) - logits[row, t - 1, tokens[row, t]]
        for row, t in answers.nonzero().tolist()
    ]
    return torch.stack(found).mean()


def log_probs_by_cross_entropy(model, tokens, answers):
    targets = tokens.masked_fill(~answers, -100)[:, 1:]
    nats = F.cross_entropy(model(tokens)[:, :-1].transpose(1, 2), targets, reduction="none")
    return -nats.sum(dim=1)


def log_probs_by_row(model, tokens, answers):
    found = []
    for row, marks in zip(tokens, answers, strict=True):
        places = marks.nonzero()[:, 0]
        log_probs = model(row[None])[0].log_softmax(dim=-1)
        found.append(log_probs[places - 1, row[places]].sum())
    return torch.stack(found)


def replay_by_mask(new, old, share):
    count = round(share * new.shape[0])
    is_old = torch.arange(len(new)) >= len(new) - count
    return torch.where(is_old[:, None], old.roll(len(new) - count, dims=0), new)


def replay_by_list(new, old, share):
    count = int(torch.tensor(share * len(new)).round())
    rows = new.tolist()[: len(new) - count] + old.tolist()[:count]
    return torch.tensor(rows)


RIGHT = {
    "few_shot_prompt": (prompt_by_adding, prompt_by_one_join),
    "in_context_batch": (batch_by_loops, batch_by_indexing, batch_by_one_hot),
    "induction_score": (score_by_diagonal, score_by_mask, score_by_gather),
    "dpo_loss": (dpo_by_softplus, dpo_by_cross_entropy, dpo_by_loop),
    "answer_loss": (answer_loss_by_ignoring, answer_loss_by_picking, answer_loss_by_loop),
    "sequence_log_probs": (log_probs_by_cross_entropy, log_probs_by_row),
    "replay_batch": (replay_by_mask, replay_by_list),
}
