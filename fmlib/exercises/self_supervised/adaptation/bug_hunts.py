"""Two bug hunts by symptom: standardize and head_step."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import Notes, watch
from fmlib.self_supervised.adaptation.probe import standardize


def plain_standardize(known, features):
    mean = known.mean(dim=0)
    deviation = (known - mean).std()
    return (known - mean) / deviation, (features - mean) / deviation


def each_by_its_own(known, features):
    return plain_standardize(known, known)[0], plain_standardize(features, features)[0]


OWN_STATISTICS = '''
import torch


def standardize(known, features):
    """Centered and scaled features: the labeled ones, and the ones to classify."""

    def scaled(x):
        x = x - x.mean(dim=0)
        return x / x.std()

    return scaled(known), scaled(features)
'''


def two_sets(generator, known, rows, dim, dtype=torch.float32, shift=3.0, stretch=2.0):
    scales = torch.rand(dim, generator=generator, dtype=dtype) + 0.2
    return {
        "known": 5 + scales * torch.randn(known, dim, generator=generator, dtype=dtype),
        "features": 5 + shift + stretch * scales * torch.randn(rows, dim, generator=generator, dtype=dtype),
    }


STANDARDIZE = Exercise(
    name="standardize",
    chapter="self_supervised",
    title="A picture whose neighbors decide",
    kind="fix",
    difficulty=1,
    minutes=10,
    goal="""
A linear probe was trained on what this function makes of the labeled features `known`, and classifies what it makes of
`features`. It runs, but one and the same picture gets another class when it is classified together with other
pictures, and
a picture that is classified alone comes out as nan. Find out why, and mend the function.

`known` is `[n, dim]`, at least two rows that differ; `features` is `[m, dim]`, at least one row; both of one dtype,
float32 or
float64. Both must be moved and scaled alike: subtract from each feature its mean over the rows of `known`, then divide
everything by a single number, the standard deviation of all n · dim numbers of `known` after the mean has been taken away
(torch's `std` as it is, which divides by n · dim - 1). Return two new tensors of the shapes and the dtype that came,
and leave
the inputs as they are.
""",
    starter=OWN_STATISTICS,
    reference=standardize,
    observe=watch(result=("the labeled features", "the other features"), apart=("known", "features")),
    cases=(
        Case("6 labeled rows, 4 others", lambda g: two_sets(g, 6, 4, 3)),
        Case("one row to classify", lambda g: two_sets(g, 5, 1, 2)),
        Case("2 labeled rows", lambda g: two_sets(g, 2, 3, 4)),
        Case("a single feature", lambda g: two_sets(g, 4, 3, 1)),
        Case("float64", lambda g: two_sets(g, 7, 5, 3, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The features that are classified are centered and scaled by their own mean and deviation: whatever they "
            "are, they come "
            "out around 0. So each depends on the others, and a single one is 0 divided by 0. Use the statistics of "
            "`known` "
            "for both.",
            (
                written(OWN_STATISTICS, standardize),
                each_by_its_own,
            ),
        ),
        Misconception(
            "The statistics are those of both sets together. The labeled features then depend on what is classified, "
            "and the "
            "probe has seen something of the test.",
            slips(
                plain_standardize,
                {
                    "known.mean(dim=0)": "torch.cat([known, features]).mean(dim=0)",
                    "deviation = (known - mean).std()": "deviation = (torch.cat([known, features]) - mean).std()",
                },
            ),
        ),
        Misconception(
            "The mean is that of `known`, but each set is divided by its own deviation: both must be divided by the "
            "same number.",
            slips(
                plain_standardize,
                {"(features - mean) / deviation": "(features - mean) / (features - mean).std()"},
            ),
        ),
        Misconception(
            "Both are divided by the same number, but each set is centered by its own mean.",
            slips(
                plain_standardize,
                {"(features - mean) / deviation": "(features - features.mean(dim=0)) / deviation"},
            ),
        ),
        Misconception(
            "Each feature is divided by a deviation of its own. One number for all keeps their proportions: a "
            "feature that hardly "
            "varies among few labeled rows is not blown up.",
            slips(plain_standardize, {"(known - mean).std()": "(known - mean).std(dim=0)"}),
        ),
        Misconception(
            "The deviation is taken before the means are subtracted, so it also counts how far the features' means "
            "are apart.",
            slips(plain_standardize, {"(known - mean).std()": "known.std()"}),
        ),
        Misconception(
            "One mean is taken over all features. Each feature has a mean of its own, over the rows.",
            slips(plain_standardize, {"known.mean(dim=0)": "known.mean()"}),
        ),
        Misconception(
            "The features are centered and not scaled.",
            slips(plain_standardize, {"(known - mean).std()": "1"}),
        ),
        Misconception(
            "You divide by the variance. The standard deviation is its root.",
            slips(plain_standardize, {"(known - mean).std()": "(known - mean).var()"}),
        ),
    ),
    hints=(
        "Call it with one row of `features`, then with that row and another one. What must not change?",
        "What the probe was trained on was moved by the mean of `known`. By how much must the other features be moved?",
        "`mean = known.mean(dim=0)`, `deviation = (known - mean).std()`, and both for `features`, too.",
    ),
)


def head_step(encoder, head, images, labels):
    """The loss of one step that trains the head alone: a scalar."""
    encoder.eval()
    with torch.no_grad():
        features = encoder(images)
    return F.cross_entropy(head(features), labels)


MOVING_STATISTICS = '''
import torch
import torch.nn.functional as F


def head_step(encoder, head, images, labels):
    """The loss of one step that trains the head alone: a scalar."""
    encoder.train()
    with torch.no_grad():
        features = encoder(images)
    return F.cross_entropy(head(features), labels)
'''


def step_of_a_copy(encoder, head, images, labels):
    encoder.eval()
    with torch.no_grad():
        features = copy.deepcopy(encoder).train()(images)
    return F.cross_entropy(head(features), labels)


def step_without_momentum(encoder, head, images, labels):
    kept = {name: buffer.clone() for name, buffer in encoder.named_buffers()}
    encoder.train()
    with torch.no_grad():
        features = encoder(images)
        for name, buffer in encoder.named_buffers():
            buffer.copy_(kept[name])
    encoder.eval()
    return F.cross_entropy(head(features), labels)


def step_that_freezes(encoder, head, images, labels):
    encoder.requires_grad_(False)
    encoder.eval()
    return F.cross_entropy(head(encoder(images)), labels)


def step_that_thaws(encoder, head, images, labels):
    encoder.eval()
    encoder.requires_grad_(False)
    loss = F.cross_entropy(head(encoder(images)), labels)
    encoder.requires_grad_(True)
    return loss


def step_with_still_norms_alone(encoder, head, images, labels):
    encoder.train()
    for module in encoder.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    with torch.no_grad():
        features = encoder(images)
    return F.cross_entropy(head(features), labels)


def step_that_restores_the_mode(encoder, head, images, labels):
    was = encoder.training
    loss = head_step(encoder, head, images, labels)
    encoder.train(was)
    return loss


def a_step(
    generator, batch, training=True, dropout=0.0, dtype=torch.float32, frozen=False, head_training=True
):
    """An encoder with batch norm whose running statistics are not those of any batch, and a head."""
    encoder = nn.Sequential(
        nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(dropout)
    ).to(dtype)
    head = nn.Linear(5, 3).to(dtype)
    for part in (encoder, head):
        for tensor in part.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=dtype))
    encoder[1].weight.data.mul_(2).sub_(0.7)
    encoder.train(training)
    encoder[1].requires_grad_(not frozen)
    head.train(head_training)
    return {
        "encoder": encoder,
        "head": head,
        "images": torch.rand(batch, 1, 3, 4, generator=generator, dtype=dtype),
        "labels": torch.randint(3, (batch,), generator=generator),
    }


def watch_step(function, inputs) -> Notes:
    """The loss, where its gradient goes, and the modes that the networks are left in."""
    mode = inputs["head"].training
    loss = function(*inputs.values())
    if isinstance(loss, Tensor) and loss.ndim == 0 and loss.requires_grad:
        loss.backward()
    encoder, head = inputs["encoder"], inputs["head"]
    reached = [p.grad for p in head.parameters() if p.grad is not None]
    return {
        "the loss": loss,
        "whether a gradient reaches `encoder`": Fact(
            any(p.grad is not None and bool((p.grad != 0).any()) for p in encoder.parameters()),
            "a gradient reaches the weights of `encoder`; none may",
            "no gradient reaches the weights of `encoder`",
        ),
        "the gradient that reaches `head`": torch.cat([g.flatten() for g in reached]) if reached else None,
        "whether `encoder` is left in training mode": Fact(
            any(module.training for module in encoder.modules()),
            "`encoder`, or a part of it, is left in training mode: whoever calls it next moves its statistics",
            "`encoder` is left in evaluation mode",
        ),
        "whether the mode of `head` is as it came": Fact(
            head.training is mode,
            "the mode of `head` is as it came",
            "you changed the mode of `head`; leave it",
        ),
    }


HEAD_STEP = Exercise(
    name="head_step",
    chapter="self_supervised",
    title="A frozen encoder that moves",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
This step trains a linear layer `head` on a frozen `encoder`. It runs, the loss falls, and after a run the encoder's
weights
are what they were, to the last digit. But its features of one and the same picture are others than before the run;
and the
loss of a picture depends on which other pictures are in the batch. Find out why, and mend the function.

`encoder` and `head` are `nn.Module`s of one dtype, float32 or float64; `encoder` may come in either mode, and has
parts that
behave differently in the two. `images` is a batch, at least one picture, and `labels` int64 `[batch]`. Return the mean
cross-entropy, a scalar tensor. Its gradient reaches the weights of `head` and of nothing else. Nothing in `encoder`
changes
except its mode: it is left in evaluation mode, with all its parts. Whether weights take gradients (`requires_grad`)
stays as it is,
and so does the mode of `head`.
""",
    starter=MOVING_STATISTICS,
    reference=head_step,
    observe=watch_step,
    cases=(
        Case("6 pictures", lambda g: a_step(g, 6)),
        Case("an encoder that comes in evaluation mode", lambda g: a_step(g, 4, training=False)),
        Case("1 picture", lambda g: a_step(g, 1)),
        Case("an encoder with dropout", lambda g: a_step(g, 5, dropout=0.5)),
        Case("an encoder of which a part is frozen", lambda g: a_step(g, 4, frozen=True)),
        Case("a head that comes in evaluation mode", lambda g: a_step(g, 4, head_training=False)),
        Case("float64", lambda g: a_step(g, 3, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The encoder runs in training mode: batch norm uses the statistics of this batch, so pictures depend on "
            "each other, and "
            "moves its running mean and variance, which takes no gradient. Put the encoder into evaluation mode.",
            (
                written(MOVING_STATISTICS, head_step),
                *slips(head_step, {"    encoder.eval()\n": ""}),
            ),
        ),
        Misconception(
            "The running statistics now rest, but the features are still made in training mode, with the statistics "
            "of the batch: a "
            "picture's features depend on the others in it. In evaluation mode both problems are gone.",
            (step_of_a_copy, step_without_momentum),
        ),
        Misconception(
            "The encoder is in evaluation mode, and a gradient flows into its weights: the mode does not stop that. Keep "
            "`torch.no_grad()`, or detach the features.",
            slips(head_step, {"with torch.no_grad():": "with torch.enable_grad():"}),
        ),
        Misconception(
            "No gradient is left for the head: only the *features* are made without one.",
            slips(
                head_step,
                {"    return F": "        return F"},
                {"head(features), labels)": "head(features), labels).detach()"},
            ),
        ),
        Misconception(
            "Whether the encoder's weights take gradients is not as it came. Cut the gradient for this step only, with "
            "`torch.no_grad()`.",
            (step_that_freezes, step_that_thaws),
        ),
        Misconception(
            "Only batch norm is in evaluation mode. Dropout and whatever else depends on the mode still act: put the whole "
            "encoder into it.",
            (step_with_still_norms_alone,),
        ),
        Misconception(
            "The encoder is put back into training mode in the end, so the next one who calls it moves its statistics.",
            (
                *slips(head_step, {"    return F": "    encoder.train()\n    return F"}),
                step_that_restores_the_mode,
            ),
        ),
        Misconception(
            "The losses are added up; return their mean.",
            slips(head_step, {"head(features), labels)": "head(features), labels, reduction='sum')"}),
        ),
    ),
    hints=(
        "What does `encoder.state_dict()` hold besides weights? Compare it before and after a call.",
        "Batch norm keeps a running mean and variance. In which mode does it move them, and in which does it use them?",
        "`encoder.eval()` in place of `encoder.train()`.",
    ),
)
