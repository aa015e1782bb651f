"""Sound: pick_own, InfoNCE as CPC has it; and a probe that leaks, voice_folds."""

import torch
import torch.nn.functional as F

from fmlib.exercises.compare import Fact
from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch
from fmlib.self_supervised.pretext.cpc import pick_own
from fmlib.self_supervised.pretext.listening import voice_folds


def plain_pick_own(predicted, targets):
    scores = predicted @ targets.mT
    own = scores.diagonal(dim1=1, dim2=2)
    return (scores.logsumexp(2) - own).mean()


def groups_of_rows(generator, groups, rows, dim, dtype=torch.float32, scale=1.0):
    drawn = scale * torch.randn(2, groups, rows, dim, generator=generator, dtype=dtype)
    return {"predicted": drawn[0], "targets": drawn[1]}


PICK_OWN = Exercise(
    name="pick_own",
    chapter="self_supervised",
    title="InfoNCE of CPC",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
`predicted` and `targets` are `[groups, rows, dim]`, both float32 or both float64, with at least two rows.
Within each group, the prediction in row $i$ must pick the target in row $i$ among all targets of *that* group.
Its score for target $j$ is the dot product of the two vectors, as they are: neither is scaled. Return the mean
cross-entropy over all rows of all groups, a scalar of the dtype of `predicted`. Gradients flow into both.
""",
    starter='''
import torch
import torch.nn.functional as F


def pick_own(predicted, targets):
    """Mean cross-entropy of each prediction finding its own target in its group: a scalar."""
    raise NotImplementedError("write pick_own")
''',
    reference=pick_own,
    observe=watch(gradient=("predicted", "targets")),
    cases=(
        Case("1 group of 3", lambda g: groups_of_rows(g, 1, 3, 4)),
        Case("2 groups of 4", lambda g: groups_of_rows(g, 2, 4, 3)),
        Case("3 groups of 3, 3 features", lambda g: groups_of_rows(g, 3, 3, 3)),
        Case("5 groups of 2", lambda g: groups_of_rows(g, 5, 2, 4)),
        Case("1 feature", lambda g: groups_of_rows(g, 2, 3, 1)),
        Case("large vectors", lambda g: groups_of_rows(g, 2, 4, 6, scale=20.0)),
        Case("float64", lambda g: groups_of_rows(g, 2, 5, 3, torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The targets choose among the predictions: the sum in the denominator must run over the "
            "*targets* of a prediction, "
            "which stand in the last axis of `predicted @ targets.mT`.",
            slips(
                plain_pick_own,
                {"scores.logsumexp(2)": "scores.logsumexp(1)"},
                {"predicted @ targets.mT": "targets @ predicted.mT"},
            ),
        ),
        Misconception(
            "The vectors are scaled to length 1, or the scores by a temperature or the root of `dim`. CPC "
            "takes the dot product as it is: the matrix that "
            "makes the prediction can learn its scale.",
            slips(
                plain_pick_own,
                {
                    "predicted @ targets.mT": "F.normalize(predicted, dim=-1) @ F.normalize(targets, dim=-1).mT"
                },
                {"predicted @ targets.mT": "F.normalize(predicted, dim=-1) @ targets.mT"},
                {"predicted @ targets.mT": "predicted @ F.normalize(targets, dim=-1).mT"},
                {"predicted @ targets.mT": "predicted @ targets.mT / predicted.shape[-1] ** 0.5"},
                {"predicted @ targets.mT": "predicted @ targets.mT / 0.2"},
            ),
        ),
        Misconception(
            "The right target is left out of the sum in the denominator. It is one of the candidates: "
            "with it, the loss is a "
            "cross-entropy and never below 0.",
            slips(
                plain_pick_own,
                {
                    "scores.logsumexp(2)": "scores.masked_fill(torch.eye(scores.shape[1]).bool(), "
                    "-torch.inf).logsumexp(2)"
                },
            ),
        ),
        Misconception(
            "The losses of the rows are added up. Take their mean, so that the loss can be compared with "
            "log(rows).",
            slips(
                plain_pick_own,
                {".mean()": ".sum()"},
                {".mean()": ".sum() / len(predicted)"},
                {".mean()": ".sum() / predicted.shape[1]"},
            ),
        ),
        Misconception(
            "No gradient reaches the targets. In CPC they come from the same encoder and learn, too: the "
            "false answers keep them from collapsing.",
            slips(plain_pick_own, {"targets.mT": "targets.detach().mT"}),
        ),
        Misconception(
            "Candidates come from other groups, too. A group is a question sheet of its own: compare "
            "within it.",
            (
                lambda predicted, targets: F.cross_entropy(
                    predicted.flatten(0, 1) @ targets.flatten(0, 1).T,
                    torch.arange(predicted.shape[0] * predicted.shape[1]),
                ),
            ),
        ),
        Misconception(
            "The sign is wrong: a likely answer must cost little.",
            slips(plain_pick_own, {"scores.logsumexp(2) - own": "own - scores.logsumexp(2)"}),
        ),
    ),
    hints=(
        "`predicted @ targets.mT` is `[groups, rows, rows]`: row i of a group holds the scores of all its "
        "candidates.",
        "The right answer of row i is column i. That is a cross-entropy with `torch.arange(rows)`.",
        "`F.cross_entropy(scores.flatten(0, 1), torch.arange(rows).repeat(groups))`.",
    ),
)


def plain_voice_folds(voices):
    folds = []
    for voice in sorted(set(voices.tolist())):
        test = voices == voice
        folds.append((~test, test))
    return folds


EVERY_FIFTH = '''
import torch


def voice_folds(voices):
    """For each fold: which recordings to train the probe on, and which to test it on."""
    folds = []
    for fold in range(5):
        test = torch.arange(len(voices)) % 5 == fold
        folds.append((~test, test))
    return folds
'''


def watch_folds(function, inputs):
    """What each fold holds."""
    (voices,) = inputs.values()
    folds = function(voices)
    if not isinstance(folds, list | tuple):
        return {"whether you return a list": False}
    notes = {"how many folds there are": len(folds)}
    for number, fold in enumerate(folds):
        if not isinstance(fold, list | tuple) or len(fold) != 2:
            return {**notes, f"whether fold {number} is a pair": False}
        for name, mask in zip(("train on", "test on"), fold, strict=True):
            if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool or mask.shape != voices.shape:
                told = getattr(mask, "dtype", type(mask).__name__)
                return {
                    **notes,
                    f"what fold {number} is to {name}": f"{told}, not torch.bool [{len(voices)}]",
                }
            notes[f"rows that fold {number} is to {name}"] = mask.nonzero()[:, 0].tolist()
    shared = [set(voices[train].tolist()) & set(voices[test].tolist()) for train, test in folds]
    notes["whether a voice is on both sides"] = Fact(
        any(shared), "in some fold a voice is on both sides", "in each fold a voice is on one side only"
    )
    return notes


def voices_of(*numbers):
    return {"voices": torch.tensor(numbers)}


VOICE_FOLDS = Exercise(
    name="voice_folds",
    chapter="self_supervised",
    title="A probe that leaks",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
How well do features tell *words*, whoever says them? This function splits recordings into folds, and the probe
is trained on one part of each and tested on the other. It reports far more right answers than the same probe
gets later from people it has never heard. The probe is right. Mend the split: each voice is tested once, by a
probe that has heard all other voices and not this one. `voices` is int64 `[n]`, who speaks in each recording,
in any order, with at least two different numbers. Return a list of pairs `(train, test)` of torch.bool masks
`[n]`, one pair for each voice that occurs, from the lowest number to the highest; every recording is in one of
the two.
""",
    starter=EVERY_FIFTH,
    reference=voice_folds,
    observe=watch_folds,
    cases=(
        Case("3 voices, 2 recordings each", lambda g: voices_of(0, 0, 1, 1, 2, 2)),
        Case("4 voices, mixed up", lambda g: voices_of(3, 0, 1, 3, 2, 0, 1, 2, 0)),
        Case("numbers with gaps", lambda g: voices_of(7, 2, 7, 2, 9)),
        Case("6 voices, 12 recordings", lambda g: voices_of(0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5)),
        Case("2 voices", lambda g: voices_of(1, 0, 0)),
        Case("10 recordings by 5 voices", lambda g: voices_of(4, 4, 3, 3, 2, 2, 1, 1, 0, 0)),
    ),
    misconceptions=(
        Misconception(
            "Recordings are dealt out one by one, so a voice that is tested has also been trained on: the "
            "probe knows how *this* voice says "
            "the word. Deal out whole voices.",
            (
                written(EVERY_FIFTH, voice_folds),
                *slips(
                    plain_voice_folds,
                    {
                        "test = voices == voice": "test = torch.arange(len(voices)) % len(set(voices.tolist())) "
                        "== len(folds)"
                    },
                    {
                        "sorted(set(voices.tolist()))": "range(len(voices))",
                        "voices == voice": "torch.arange(len(voices)) == voice",
                    },
                ),
            ),
        ),
        Misconception(
            "A fold tests on the voice that it was trained on: the two masks of a pair must have no "
            "recording in common, "
            "and together all of them.",
            slips(
                plain_voice_folds,
                {"(~test, test)": "(test, test)"},
                {"(~test, test)": "(torch.ones_like(test), test)"},
            ),
        ),
        Misconception(
            "Train and test are swapped: the probe learns from one voice and is tested on all others.",
            slips(plain_voice_folds, {"(~test, test)": "(test, ~test)"}),
        ),
        Misconception(
            "You count voices from 0 without a gap. Numbers may be missing: take those that occur, "
            "`voices.unique()`.",
            slips(
                plain_voice_folds,
                {"sorted(set(voices.tolist()))": "range(len(set(voices.tolist())))"},
                {"sorted(set(voices.tolist()))": "range(int(voices.max()) + 1)"},
                {"sorted(set(voices.tolist()))": "range(5)"},
            ),
        ),
        Misconception(
            "The folds come in another order: from the lowest number of a voice to the highest.",
            slips(
                plain_voice_folds,
                {"sorted(set(voices.tolist()))": "dict.fromkeys(voices.tolist())"},
                {"sorted(set(voices.tolist()))": "sorted(set(voices.tolist()), reverse=True)"},
            ),
        ),
    ),
    hints=(
        "Look at the voices on both sides of the first fold. Which are on both?",
        "What must be new to the probe is the voice, not the recording.",
        "`[(voices != v, voices == v) for v in voices.unique()]`.",
    ),
)
