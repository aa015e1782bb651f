"""Right answers to the exercises of the lesson on learning without negatives, each written another way."""

import math

import torch
import torch.nn.functional as F


def momentum_by_distance(step, steps, base=0.99):
    distance = 1 - base
    return base + distance * (1 - math.cos(math.pi * step / steps)) / 2


def momentum_by_square(step, steps, base=0.99):
    return 1 - (1 - base) * math.cos(math.pi * step / steps / 2) ** 2


def byol_step_without_grad(online, predictor, target, view1, view2):
    with torch.no_grad():
        z1, z2 = target(view1), target(view2)
    p1, p2 = predictor(online(view1)), predictor(online(view2))
    cosines = torch.cat([F.cosine_similarity(p1, z2), F.cosine_similarity(p2, z1)])
    return 2 - 2 * cosines.mean()


def byol_step_by_distance(online, predictor, target, view1, view2):
    total = 0
    for seen, other in ((view1, view2), (view2, view1)):
        p = predictor(online(seen))
        z = target(other).detach()
        p, z = p / p.norm(dim=1, keepdim=True), z / z.norm(dim=1, keepdim=True)
        total = total + (p - z).pow(2).sum(1).mean()
    return total / 2


def follow_by_hand(model, momentum):
    for slow, fast in ((model.target_encoder, model.encoder), (model.target_projector, model.projector)):
        for a, b in zip(slow.parameters(), fast.parameters(), strict=True):
            a.data.mul_(momentum).add_((1 - momentum) * b.data)
        for a, b in zip(slow.buffers(), fast.buffers(), strict=True):
            a.copy_(b)


def follow_by_name(model, momentum):
    from fmlib.training.ema import momentum_update

    for name in ("encoder", "projector"):
        momentum_update(slow=getattr(model, f"target_{name}"), fast=getattr(model, name), momentum=momentum)


def rank_by_eigenvalues(z):
    sizes = torch.linalg.eigvalsh(torch.atleast_2d(torch.cov(z.double().T))).clamp(min=0).sqrt()
    if not sizes.any():
        return sizes.sum().to(z.dtype)
    shares = sizes / sizes.sum()
    return torch.exp(-torch.xlogy(shares, shares).sum()).to(z.dtype)


def rank_by_a_projection(z):
    away_from_the_mean = torch.eye(len(z), dtype=z.dtype) - torch.ones(len(z), len(z), dtype=z.dtype) / len(z)
    sizes = torch.linalg.svdvals(away_from_the_mean @ z)
    if (z == z[0]).all():
        return z.new_zeros(())
    return torch.special.entr(sizes / sizes.sum()).sum().exp()


def rank_by_categories(z):
    sizes = torch.linalg.svdvals(z.sub(z.mean(dim=0)))
    if not sizes.any():
        return sizes.sum()
    return torch.distributions.Categorical(probs=sizes).entropy().exp()


def barlow_by_batch_norm(z1, z2, off_diagonal=5e-3):
    a, b = (F.batch_norm(z, None, None, training=True) for z in (z1, z2))
    c = torch.einsum("ni,nj->ij", a, b) / z1.shape[0]
    wanted = torch.eye(z1.shape[1])
    weights = wanted + off_diagonal * (1 - wanted)
    return (weights * (c - wanted) ** 2).sum()


def barlow_by_loops(z1, z2, off_diagonal=5e-3):
    def standard(column):
        centered = column - column.mean()
        return centered / torch.sqrt((centered**2).mean() + 1e-5)

    left, right = ([standard(column) for column in z.unbind(1)] for z in (z1, z2))
    total = 0
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            c = (a * b).mean()
            total = total + ((c - 1) ** 2 if i == j else off_diagonal * c**2)
    return total


def variance_by_clamp(z):
    deviation = torch.sqrt(z.std(0) ** 2 + 0.0001)
    return torch.clamp(1 - deviation, min=0).sum() / z.shape[1]


def variance_by_loop(z):
    lacking = [torch.relu(1 - (column.var() + 1e-4) ** 0.5) for column in z.T]
    return sum(lacking) / len(lacking)


def center_by_lerp(center, teacher, momentum=0.9):
    with torch.no_grad():
        return torch.lerp(teacher.mean(0), center, momentum)


def center_by_loop(center, teacher, momentum=0.9):
    total = torch.zeros_like(center)
    for row in teacher.detach():
        total += row / len(teacher)
    return center - (1 - momentum) * (center - total)


def dino_by_stacking(student, teacher, center, student_temperature=0.1, teacher_temperature=0.04):
    targets = F.softmax((torch.stack(teacher) - center).detach() / teacher_temperature, dim=-1)
    answers = F.log_softmax(torch.stack(student) / student_temperature, dim=-1)
    losses = -torch.einsum("tbk,sbk->ts", targets, answers) / answers.shape[1]
    counted = ~torch.eye(len(targets), len(answers), dtype=torch.bool)
    return losses[counted].mean()


def dino_by_cross_entropy(student, teacher, center, student_temperature=0.1, teacher_temperature=0.04):
    losses = []
    for j in range(len(student)):
        for i in range(len(teacher)):
            if i == j:
                continue
            with torch.no_grad():
                target = torch.softmax((teacher[i] - center) / teacher_temperature, dim=1)
            losses.append(F.cross_entropy(student[j] / student_temperature, target))
    return torch.stack(losses).mean()


RIGHT = {
    "momentum_at": (momentum_by_distance, momentum_by_square),
    "byol_step": (byol_step_without_grad, byol_step_by_distance),
    "follow": (follow_by_hand, follow_by_name),
    "effective_rank": (rank_by_eigenvalues, rank_by_categories, rank_by_a_projection),
    "barlow_loss": (barlow_by_batch_norm, barlow_by_loops),
    "variance_term": (variance_by_clamp, variance_by_loop),
    "moved_center": (center_by_lerp, center_by_loop),
    "dino_loss": (dino_by_stacking, dino_by_cross_entropy),
}
