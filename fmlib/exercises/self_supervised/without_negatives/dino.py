"""DINO's center and loss: moved_center and dino_loss."""

import torch
from torch import Tensor

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import Notes, changing, watch
from fmlib.self_supervised.without_negatives.dino import dino_loss, moved_center


def plain_moved_center(center, teacher, momentum=0.9):
    newest = teacher.detach().mean(dim=0)
    return momentum * center + (1 - momentum) * newest


def center_and_logits(generator, rows, prototypes, *momentum, dtype=torch.float32):
    center = torch.randn(prototypes, generator=generator, dtype=dtype)
    teacher = 2 + torch.randn(rows, prototypes, generator=generator, dtype=dtype)
    return {"center": center, "teacher": teacher, **({"momentum": momentum[0]} if momentum else {})}


MOVED_CENTER = Exercise(
    name="moved_center",
    chapter="self_supervised",
    title="The center moves",
    kind="write",
    difficulty=1,
    minutes=5,
    goal=r"""
DINO's center is a running mean of the teacher's logits: `center` is `[prototypes]`, `teacher` `[rows, prototypes]`, the
logits of all views of the batch, at least one row, both of one dtype, float32 or float64. Return a new center that keeps the
share `momentum` of the old one and takes the rest from the mean over the rows. Leave the old one alone; no gradient flows
into `teacher`, and the new center shares no memory with what came in.
""",
    starter='''
import torch


def moved_center(center, teacher, momentum=0.9):
    """The running mean of the teacher's logits after one more batch: [prototypes]."""
    raise NotImplementedError("write moved_center")
''',
    reference=moved_center,
    observe=watch(no_gradient=("teacher",), apart=("center", "teacher")),
    cases=(
        Case("5 rows, momentum 0.75", lambda g: center_and_logits(g, 5, 3, 0.75)),
        Case("the default momentum", lambda g: center_and_logits(g, 4, 6)),
        Case("1 row, momentum 0.2", lambda g: center_and_logits(g, 1, 4, 0.2)),
        Case("momentum 0: the mean of the batch", lambda g: center_and_logits(g, 3, 3, 0.0)),
        Case("1 row, momentum 0", lambda g: center_and_logits(g, 1, 4, 0.0)),
        Case("momentum 1: it stays", lambda g: center_and_logits(g, 3, 3, 1.0)),
        Case("float64", lambda g: center_and_logits(g, 6, 5, 0.6, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The shares are exchanged: the old center keeps the share `momentum`.",
            slips(
                plain_moved_center,
                {
                    "momentum * center + (1 - momentum) * newest": "momentum * newest + (1 - momentum) * center"
                },
            ),
        ),
        Misconception(
            "You take the mean over rows and prototypes. The center has a number for each *prototype*: `dim=0`.",
            slips(plain_moved_center, {".mean(dim=0)": ".mean()"}),
        ),
        Misconception(
            "You take the mean of each row. The center has a number for each *prototype*: the mean over the rows, `dim=0`.",
            slips(plain_moved_center, {".mean(dim=0)": ".mean(dim=1)"}),
        ),
        Misconception(
            "The logits are added up where their mean is wanted: the center would grow with the batch.",
            slips(plain_moved_center, {".mean(dim=0)": ".sum(dim=0)"}),
        ),
        Misconception(
            "The center is taken from probabilities. It is subtracted from the logits, so it is a mean of logits.",
            slips(plain_moved_center, {".detach().mean": ".detach().softmax(dim=1).mean"}),
        ),
        Misconception(
            "The center still hangs on the teacher's graph, and each step would keep all earlier ones in memory. Use "
            "`teacher.detach()`.",
            slips(plain_moved_center, {".detach()": ""}),
        ),
        Misconception(
            "The caller's center is changed in place. Return a new one.",
            slips(
                plain_moved_center,
                {
                    "momentum * center + (1 - momentum) * newest": "center.mul_(momentum).add_((1 - momentum) * newest)"
                },
            ),
        ),
        Misconception(
            "The old center is forgotten: what is returned is the mean of this batch alone.",
            slips(plain_moved_center, {"momentum * center + (1 - momentum) * newest": "newest"}),
        ),
    ),
    hints=(
        "Which shape has the mean over the rows?",
        "The same kind of average moves the teacher's weights: keep a share, take the rest from the new.",
        "`momentum * center + (1 - momentum) * teacher.detach().mean(dim=0)`",
    ),
)


def plain_dino_loss(student, teacher, center, student_temperature=0.1, teacher_temperature=0.04):
    total, pairs = 0.0, 0
    for i, t in enumerate(teacher):
        target = ((t.detach() - center.detach()) / teacher_temperature).softmax(dim=1)
        for j, s in enumerate(student):
            if i != j:
                answer = (s / student_temperature).log_softmax(dim=1)
                total = total - (target * answer).sum(dim=1).mean()
                pairs += 1
    return total / pairs


def logits(generator, views, batch, prototypes, dtype=torch.float32, large=2, **more):
    """Logits of a student and a teacher as DINO has them: cosines, the large views first."""

    def draw():
        return torch.randn(batch, prototypes, generator=generator, dtype=dtype).tanh()

    drawn = {"student": [draw() for _ in range(views)], "teacher": [draw() for _ in range(large)]}
    return {**drawn, "center": 0.3 * draw()[0], **more}


@changing("student", "teacher", "center")  # this observer hands on copies, and looks at them itself
def watch_lists(function, inputs) -> Notes:
    """The loss, and its gradient for every view of the student; teacher and center must not get any, nor anything change."""
    leaves = {name: [x.detach().requires_grad_() for x in inputs[name]] for name in ("student", "teacher")}
    leaves["center"] = [inputs["center"].detach().requires_grad_()]
    given = {name: [x.clone() for x in tensors] for name, tensors in leaves.items()}
    kept = {name: list(tensors) for name, tensors in given.items()}
    loss = function(*{**inputs, **given, "center": given["center"][0]}.values())
    if isinstance(loss, Tensor) and loss.requires_grad:
        loss.sum().backward()
    changed = {
        name: len(tensors) != len(given[name])
        or any(x is not y for x, y in zip(tensors, given[name], strict=True))
        or any(not torch.equal(x, leaf) for x, leaf in zip(tensors, leaves[name], strict=True))
        for name, tensors in kept.items()
    }
    return {
        "the result": loss,
        **{
            f"whether `{name}` was changed": Fact(
                changed[name],
                f"you changed `{name}` in place; leave it as it is",
                f"`{name}` is left as it is",
            )
            for name in changed
        },
        **{
            f"the gradient that reaches `student[{j}]`": torch.zeros_like(x) if x.grad is None else x.grad
            for j, x in enumerate(leaves["student"])
        },
        **{
            f"whether a gradient reaches `{name}`": Fact(
                any(leaf.grad is not None for leaf in leaves[name]),
                f"a gradient reaches `{name}`; none may",
                f"no gradient reaches `{name}`",
            )
            for name in ("teacher", "center")
        },
    }


DINO_LOSS = Exercise(
    name="dino_loss",
    chapter="self_supervised",
    title="DINO's loss",
    kind="write",
    difficulty=3,
    minutes=20,
    goal=r"""
`student` is a list of tensors `[batch, prototypes]`, the logits of every view, the large views first; `teacher` is a list of
the logits of the large views, in the same order, so that `teacher[i]` and `student[i]` saw the same view. `center` is
`[prototypes]`. All have one dtype, float32 or float64.

The teacher's answer to view i is the softmax over the prototypes of (its logits - center) / `teacher_temperature`; the
student's to view j is the softmax of its logits / `student_temperature`. For every pair of
a teacher's view i and a student's view j other than i, take the cross-entropy $-\sum_k P_k \log Q_k$ of the student's
answer Q for the teacher's answer P, in nats, averaged over the batch. Return the mean over all such pairs, a scalar
tensor of the same dtype. There is always at least one pair. A gradient reaches the student's logits only.
""",
    starter='''
import torch


def dino_loss(student, teacher, center, student_temperature=0.1, teacher_temperature=0.04):
    """Mean cross-entropy of the student's answers for the teacher's, over all pairs of different views: a scalar."""
    raise NotImplementedError("write dino_loss")
''',
    reference=dino_loss,
    observe=watch_lists,
    cases=(
        Case(
            "2 large views, temperatures 0.5 and 0.25",
            lambda g: logits(g, 2, 3, 4, student_temperature=0.5, teacher_temperature=0.25),
        ),
        Case("2 large views and 3 small ones", lambda g: logits(g, 5, 4, 6)),
        Case(
            "1 large view and 1 small one",
            lambda g: logits(g, 2, 2, 5, large=1, student_temperature=0.2, teacher_temperature=0.3),
        ),
        Case("3 large views, 1 picture", lambda g: logits(g, 3, 1, 4, large=3, teacher_temperature=0.5)),
        Case("float64", lambda g: logits(g, 4, 3, 8, torch.float64)),
        Case(
            "both are very sure",
            lambda g: logits(g, 3, 4, 5, student_temperature=0.01, teacher_temperature=0.004),
        ),
    ),
    misconceptions=(
        Misconception(
            "Pairs of a view with itself are in it. To say of a view what the teacher says of the very same one "
            "is too easy: "
            "leave them out, `i != j`.",
            slips(plain_dino_loss, {"if i != j:": "if True:"}),
        ),
        Misconception(
            "The center is not used. Without it one prototype may win for every picture.",
            slips(plain_dino_loss, {"(t.detach() - center.detach())": "t.detach()"}),
        ),
        Misconception(
            "The center is added. What the teacher always says must be taken away: `teacher - center`.",
            slips(plain_dino_loss, {"t.detach() - center": "t.detach() + center"}),
        ),
        Misconception(
            "The center is subtracted from the student's logits. Only the teacher's are centered.",
            slips(
                plain_dino_loss,
                {"(t.detach() - center.detach())": "t.detach()", "(s / student": "((s - center) / student"},
                {"(s / student": "((s - center) / student"},
            ),
        ),
        Misconception(
            "The center is subtracted after the division by the temperature: it is a mean of logits, and belongs inside.",
            slips(
                plain_dino_loss,
                {
                    "((t.detach() - center.detach()) / teacher_temperature)": "(t.detach() / teacher_temperature - center)"
                },
            ),
        ),
        Misconception(
            "The temperatures are exchanged: the teacher has its own, the lower one by default, so that its answers are "
            "sharper.",
            slips(
                plain_dino_loss,
                {
                    "center.detach()) / teacher_temperature": "center.detach()) / student_temperature",
                    "(s / student_temperature)": "(s / teacher_temperature)",
                },
            ),
        ),
        Misconception(
            "Both sides have the same temperature.",
            slips(
                plain_dino_loss,
                {"center.detach()) / teacher_temperature": "center.detach()) / student_temperature"},
                {"(s / student_temperature)": "(s / teacher_temperature)"},
            ),
        ),
        Misconception(
            "A gradient reaches the teacher. It follows the student slowly and learns by nothing else: `detach` its logits.",
            slips(plain_dino_loss, {"t.detach()": "t"}, {"t.detach() - center.detach()": "t - center"}),
        ),
        Misconception(
            "A gradient reaches the center. It is a running mean and learns by nothing else: `detach` it, too.",
            slips(plain_dino_loss, {"center.detach()": "center"}),
        ),
        Misconception(
            "A probability that is too small for its dtype becomes 0, and its logarithm is no number. `log_softmax` takes "
            "the logarithm without that detour.",
            slips(plain_dino_loss, {".log_softmax(dim=1)": ".softmax(dim=1).log()"}),
        ),
        Misconception(
            "A small number added inside the logarithm changes the loss where the student is very sure. Use `log_softmax`.",
            slips(plain_dino_loss, {".log_softmax(dim=1)": ".softmax(dim=1).add(1e-8).log()"}),
        ),
        Misconception(
            "The softmax goes over the pictures of the batch. Each *picture* is sorted among the prototypes: `dim=1`.",
            slips(
                plain_dino_loss,
                {
                    "teacher_temperature).softmax(dim=1)": "teacher_temperature).softmax(dim=0)",
                    ".log_softmax(dim=1)": ".log_softmax(dim=0)",
                },
            ),
        ),
        Misconception(
            "The pictures of the batch are added up where their mean is wanted.",
            slips(plain_dino_loss, {".sum(dim=1).mean()": ".sum()"}),
        ),
        Misconception(
            "The logarithm is on the wrong side: the teacher's answers are the targets, and the student's are in the "
            "logarithm.",
            slips(
                plain_dino_loss,
                {
                    "teacher_temperature).softmax(dim=1)": "teacher_temperature).log_softmax(dim=1)",
                    "student_temperature).log_softmax(dim=1)": "student_temperature).softmax(dim=1)",
                },
            ),
        ),
        Misconception(
            "The sign is wrong: a cross-entropy is minus the sum.",
            slips(plain_dino_loss, {"total = total - (target": "total = total + (target"}),
        ),
        Misconception(
            "You average over the prototypes, too. The cross-entropy is a *sum* over them; the mean is over "
            "pictures and pairs.",
            slips(plain_dino_loss, {".sum(dim=1).mean()": ".mean()"}),
        ),
        Misconception(
            "The pairs are added up where their mean is wanted: the loss would grow with the number of crops.",
            slips(plain_dino_loss, {"return total / pairs": "return total"}),
        ),
        Misconception(
            "You divide by the number of views, or of all pairs, and not by that of the pairs that count.",
            slips(
                plain_dino_loss,
                {"total / pairs": "total / len(student)"},
                {"total / pairs": "total / (len(student) * len(teacher))"},
            ),
        ),
        Misconception(
            "Only the large views are compared. The small crops are the point: the student must say of a part "
            "what the teacher "
            "says of the whole.",
            slips(plain_dino_loss, {"enumerate(student)": "enumerate(student[: max(2, len(teacher))])"}),
        ),
    ),
    hints=(
        "Two loops, over the teacher's views and over the student's; how many pairs are left of 2 and 5 views?",
        "`((t.detach() - center) / teacher_temperature).softmax(dim=1)` is an answer of the teacher; the student's needs "
        "`log_softmax`.",
        "`-(target * answer).sum(dim=1).mean()` is one pair's cross-entropy. Collect those with `i != j`, and "
        "take their mean.",
    ),
)
