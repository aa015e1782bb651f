"""Preferences: dpo_loss, and the bug hunt in the log-probabilities that go into it."""

import torch
import torch.nn.functional as F

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips, written
from fmlib.exercises.observe import watch
from fmlib.llm.adaptation.dpo import dpo_loss, sequence_log_probs


def plain_dpo_loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    chosen = policy_chosen - reference_chosen.detach()
    rejected = policy_rejected - reference_rejected.detach()
    return -F.logsigmoid(beta * (chosen - rejected)).mean()


def four(generator, batch, spread=4.0, dtype=torch.float32):
    """Log-probabilities of answers, as a model has them: tens of nats below zero."""
    names = ("policy_chosen", "policy_rejected", "reference_chosen", "reference_rejected")
    return {name: -30 + spread * torch.randn(batch, generator=generator, dtype=dtype) for name in names}


DPO_LOSS = Exercise(
    name="dpo_loss",
    chapter="llm",
    title="The DPO loss",
    kind="write",
    difficulty=2,
    minutes=15,
    goal=r"""
Four tensors `[batch]` hold log-probabilities of whole answers, in nats: of the chosen and of the rejected answer, under
the model that is trained (`policy_`) and under the frozen one (`reference_`). Return the mean over the batch of

$$
-\log \sigma\!\left(\beta \left[\log\frac{\pi(y_c)}{\pi_\text{ref}(y_c)}
- \log\frac{\pi(y_r)}{\pi_\text{ref}(y_r)}\right]\right),
$$

where $\sigma$ is the logistic function, $y_c$ the chosen and $y_r$ the rejected answer. No gradient may reach the
reference's two tensors. It must stay finite where the difference is -10,000. All four have one dtype,
float32 or float64, and the loss has it too.
""",
    starter='''
import torch
import torch.nn.functional as F


def dpo_loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    """Mean loss of pairs of answers; all four are log-probabilities [batch]."""
    raise NotImplementedError("write dpo_loss")
''',
    reference=dpo_loss,
    observe=watch(
        gradient=("policy_chosen", "policy_rejected"), no_gradient=("reference_chosen", "reference_rejected")
    ),
    cases=(
        Case("4 pairs, beta 0.1", lambda g: {**four(g, 4), "beta": 0.1}),
        Case("1 pair, beta 1", lambda g: {**four(g, 1), "beta": 1.0}),
        Case("5 pairs, beta 0.5, float64", lambda g: {**four(g, 5, dtype=torch.float64), "beta": 0.5}),
        Case("the reference is right about both", lambda g: {**four(g, 3, spread=0.0), "beta": 0.3}),
        Case("differences of thousands of nats", lambda g: {**four(g, 3, spread=5000.0), "beta": 1.0}),
    ),
    misconceptions=(
        Misconception(
            "The sign is turned around: a smaller loss makes the chosen answer less likely. The logarithm of a probability "
            "is negative; a loss is minus that.",
            slips(plain_dpo_loss, {"return -F": "return F"}),
        ),
        Misconception(
            "Chosen and rejected are swapped: the model learns to prefer what people rejected. Chosen minus rejected.",
            slips(plain_dpo_loss, {"chosen - rejected": "rejected - chosen"}),
        ),
        Misconception(
            "The reference is missing. Without it nothing holds the model where it started, and an answer that was likely "
            "all along counts as preferred: subtract the reference's log-probability from the policy's.",
            slips(
                plain_dpo_loss,
                {" - reference_chosen.detach()": "", " - reference_rejected.detach()": ""},
            ),
        ),
        Misconception(
            "The reference is on the wrong side: it has to be subtracted, since the ratio is the policy's probability over "
            "the reference's.",
            slips(
                plain_dpo_loss,
                {"- reference_chosen": "+ reference_chosen", "- reference_rejected": "+ reference_rejected"},
            ),
        ),
        Misconception(
            "Beta stands outside of the logistic function. There it only scales the loss; inside it says how far from the "
            "reference a pair counts as settled.",
            slips(
                plain_dpo_loss,
                {"beta * (chosen - rejected)": "chosen - rejected", "-F": "-beta * F"},
            ),
        ),
        Misconception(
            "Beta is missing. It says how far from the reference a pair counts as settled: multiply the difference by it.",
            slips(plain_dpo_loss, {"beta * (chosen - rejected)": "chosen - rejected"}),
        ),
        Misconception(
            "The difference is divided by beta. A large beta must hold the model near the reference: multiply.",
            slips(plain_dpo_loss, {"beta * (chosen - rejected)": "(chosen - rejected) / beta"}),
        ),
        Misconception(
            "Beta weighs only one of the two answers. It multiplies the difference of both.",
            slips(
                plain_dpo_loss,
                {"beta * (chosen - rejected)": "beta * chosen - rejected"},
                {"beta * (chosen - rejected)": "chosen - beta * rejected"},
            ),
        ),
        Misconception(
            "Log-probabilities are turned into probabilities. The formula takes the logarithm of a ratio, which is the "
            "difference of logarithms; and exp(-300) is 0 in float32.",
            slips(
                plain_dpo_loss,
                {
                    "policy_chosen - reference_chosen.detach()": "policy_chosen.exp() - reference_chosen.detach().exp()",
                    "policy_rejected - reference_rejected.detach()": "policy_rejected.exp() - "
                    "reference_rejected.detach().exp()",
                },
                {
                    "policy_chosen - reference_chosen.detach()": "policy_chosen.exp() / reference_chosen.detach().exp()",
                    "policy_rejected - reference_rejected.detach()": "policy_rejected.exp() / "
                    "reference_rejected.detach().exp()",
                },
            ),
        ),
        Misconception(
            "The loss is summed, not averaged: with a larger batch the steps grow.",
            slips(plain_dpo_loss, {".mean()": ".sum()"}),
        ),
        Misconception(
            "The mean is taken before the logistic function, so pairs that are settled make up for those that are not. Each "
            "pair has a loss of its own; average these.",
            slips(plain_dpo_loss, {"chosen - rejected)).mean()": "chosen - rejected).mean())"}),
        ),
        Misconception(
            "The logarithm of the sigmoid is not finite where the sigmoid is 0. Take both in one: `F.logsigmoid`.",
            slips(
                plain_dpo_loss,
                {
                    "F.logsigmoid(beta * (chosen - rejected))": "torch.sigmoid(beta * (chosen - rejected)).log()"
                },
            ),
        ),
        Misconception(
            "This is the sigmoid without its logarithm: its gradient vanishes just where the model is most wrong.",
            slips(plain_dpo_loss, {"F.logsigmoid": "torch.sigmoid"}),
        ),
        Misconception(
            "A gradient reaches the reference. It is frozen, the fixed point from which the distance is measured: "
            "`detach()` its two tensors.",
            slips(
                plain_dpo_loss,
                {
                    "reference_chosen.detach()": "reference_chosen",
                    "reference_rejected.detach()": "reference_rejected",
                },
                {"reference_chosen.detach()": "reference_chosen"},
                {"reference_rejected.detach()": "reference_rejected"},
            ),
        ),
    ),
    hints=(
        "First, for each answer: by how many nats has the policy raised it above the reference?",
        "The log of a ratio is the difference of the logs. There is a function for the log of the sigmoid.",
        "`-F.logsigmoid(beta * ((policy_chosen - reference_chosen) - (...))).mean()`, with both reference tensors detached.",
    ),
)


class Remembers(torch.nn.Module):
    """Stands in for a language model: logits of the next token from the two last ones."""

    def __init__(self, generator, vocab):
        super().__init__()
        self.table = torch.nn.Parameter(2 * torch.randn(vocab, vocab, vocab, generator=generator))

    def forward(self, tokens):
        before = torch.cat([torch.zeros_like(tokens[:, :1]), tokens[:, :-1]], dim=1)
        return self.table[before, tokens]


def answered(generator, spans, length, vocab=7, dtype=torch.float32):
    """Rows of tokens in which answers stand at (first, end)."""
    tokens = torch.randint(vocab, (len(spans), length), generator=generator)
    answers = torch.zeros(len(spans), length, dtype=torch.bool)
    for row, (first, end) in enumerate(spans):
        answers[row, first:end] = True
    return {"model": Remembers(generator, vocab).to(dtype), "tokens": tokens, "answers": answers}


def plain_sequence_log_probs(model, tokens, answers):
    log_probs = model(tokens[:, :-1]).log_softmax(dim=-1)
    taken = log_probs.gather(-1, tokens[:, 1:, None])[..., 0]
    return (taken * answers[:, 1:]).sum(dim=1)


def watch_model(function, inputs):
    """The result, and the gradient that reaches the model: without it there is nothing to train on."""
    result = function(*inputs.values())
    table = inputs["model"].table
    if isinstance(result, torch.Tensor) and result.requires_grad:
        (gradient,) = torch.autograd.grad(result.sum(), table, allow_unused=True)
    else:
        gradient = None
    return {"the result": result, "the gradient that reaches the model's weights": gradient}


UNSHIFTED = '''
import torch
import torch.nn.functional as F


def sequence_log_probs(model, tokens, answers):
    """log p(answer | prompt) of each row [batch], in nats."""
    log_probs = model(tokens[:, :-1]).log_softmax(dim=-1)  # [batch, length - 1, vocab]
    taken = log_probs.gather(-1, tokens[:, 1:, None])[..., 0]  # [batch, length - 1]
    return (taken * answers[:, :-1]).sum(dim=1)
'''

SEQUENCE_LOG_PROBS = Exercise(
    name="sequence_log_probs",
    chapter="llm",
    title="Answers that change with their padding",
    kind="fix",
    difficulty=2,
    minutes=10,
    goal="""
`tokens` `[batch, length]` has a prompt, an answer with its end mark, and padding in each row; `answers`, of the same shape,
is True at the answer's tokens. `model(tokens)` returns logits `[batch, length, vocab]`. The function should return
log p(answer | prompt) `[batch]`, in the dtype of the logits (float32 or float64), through which gradients reach the model:
the sum over the answer's tokens, the end mark with them, and nothing else. With this version training goes well,
the loss falls. But the tuned model begins its answers in any way, whatever the preferred ones did,
and the same answer gets another number when padding follows it. Find out why, and mend the function.
""",
    starter=UNSHIFTED,
    reference=sequence_log_probs,
    cases=(
        Case("1 row", lambda g: answered(g, [(2, 5)], 7)),
        Case("answers of 1, 2 and 4 tokens", lambda g: answered(g, [(1, 2), (3, 5), (2, 6)], 8)),
        Case("an answer up to the last position", lambda g: answered(g, [(3, 6), (1, 6)], 6)),
        Case("float64", lambda g: answered(g, [(2, 5), (1, 3)], 6, dtype=torch.float64)),
    ),
    observe=watch_model,
    misconceptions=(
        Misconception(
            "The mask is not shifted. `taken[:, t]` is about token t + 1, so the mask must be `answers[:, 1:]`: as it is, "
            "the first token of the answer never counts, and where padding follows, one token of it does.",
            (written(UNSHIFTED, sequence_log_probs),),
        ),
        Misconception(
            "The mask is shifted the wrong way: `taken[:, t]` is about token t + 1, so position t of the result needs "
            "`answers[:, t + 1]`.",
            slips(plain_sequence_log_probs, {"answers[:, 1:]": "answers.roll(1, dims=1)[:, :-1]"}),
        ),
        Misconception(
            "The prompt counts, too. It is given, in both answers the same: only tokens of the answer belong to "
            "log p(answer | prompt).",
            slips(
                plain_sequence_log_probs,
                {"(taken * answers[:, 1:])": "taken"},
                {"answers[:, 1:]": "answers.flip(1).cummax(1).values.flip(1)[:, 1:]"},
            ),
        ),
        Misconception(
            "This is the mean over the answer's tokens. The probability of a text is the product of its tokens' "
            "probabilities, so its logarithm is their sum.",
            slips(
                plain_sequence_log_probs,
                {".sum(dim=1)": ".sum(dim=1) / answers.sum(dim=1)"},
                {".sum(dim=1)": ".mean(dim=1)"},
            ),
        ),
        Misconception(
            "Probabilities are added where their logarithms should be. A whole answer's probability is a product: sum the "
            "logarithms.",
            slips(
                plain_sequence_log_probs,
                {"log_softmax": "softmax"},
                {"return (": "return (0 * taken + ", "taken * answers": "taken.exp() * answers"},
            ),
        ),
        Misconception(
            "All rows are added up. Each answer has a log-probability of its own.",
            slips(plain_sequence_log_probs, {".sum(dim=1)": ".sum()"}),
        ),
        Misconception(
            "The tokens are not shifted: the logits at position t are about token t + 1, and here they are asked for "
            "token t, which the model has just read.",
            slips(plain_sequence_log_probs, {"tokens[:, 1:, None]": "tokens[:, :-1, None]"}),
        ),
    ),
    hints=(
        "Write down one row by hand: prompt a b, answer c d. Which entries of `taken` are about c and d?",
        "`taken[:, 0]` is about the token at position 1.",
        "Tokens are cut with `[:, 1:]`. The mask that says which of them count must be cut in the same way.",
    ),
)
