"""What a GPT is trained for and what it costs: next_token_loss and count_parameters."""

import torch
import torch.nn.functional as F

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.exercises.observe import watch
from fmlib.llm.gpt.config import GPTConfig, count_parameters
from fmlib.llm.gpt.next_token import next_token_loss


def plain_next_token_loss(logits, tokens):
    vocab = logits.shape[-1]
    logits = logits[:, :-1]
    targets = tokens[:, 1:]
    return F.cross_entropy(logits.reshape(-1, vocab), targets.reshape(-1), ignore_index=-100)


def text_and_logits(generator, batch, length, vocab, ignored=(), sure=False, dtype=torch.float32):
    tokens = torch.randint(0, vocab, (batch, length), generator=generator)
    logits = 2 * torch.randn(batch, length, vocab, generator=generator, dtype=dtype)
    if sure:  # at each position nearly certain of the right next token
        logits[:, :-1] += 12 * F.one_hot(tokens[:, 1:], vocab)
    for row, column in ignored:
        tokens[row, column] = -100
    return {"logits": logits, "tokens": tokens}


NEXT_TOKEN_LOSS = Exercise(
    name="next_token_loss",
    chapter="llm",
    title="The loss of the next token",
    kind="write",
    difficulty=2,
    minutes=10,
    goal=r"""
`logits` is `[batch, length, vocab]`, what a GPT says at each position of `tokens`, `[batch, length]`.
The logits at position $t$ are a guess at token $t + 1$. Return the mean cross-entropy in nats over all
guesses that can be judged, as a scalar through which gradients flow:

$$-\frac{1}{n} \sum_{b,\,t} \log \operatorname{softmax}(\text{logits}_{b,t})_{\text{tokens}_{b,t+1}}$$

Tokens of -100 are no targets: they are left out of the sum and of $n$. `length` is at least 2. The result has
the dtype of `logits`, float32 or float64.
""",
    starter='''
import torch
import torch.nn.functional as F


def next_token_loss(logits, tokens):
    """Mean cross-entropy of each next token: a scalar."""
    raise NotImplementedError("write next_token_loss")
''',
    reference=next_token_loss,
    observe=watch(gradient=("logits",)),
    cases=(
        Case("2 texts of 6 tokens, vocabulary of 7", lambda g: text_and_logits(g, 2, 6, 7)),
        Case("2 tokens, the fewest", lambda g: text_and_logits(g, 1, 2, 3)),
        Case("a good model", lambda g: text_and_logits(g, 3, 6, 5, sure=True)),
        Case(
            "rows with different numbers of targets",
            lambda g: text_and_logits(g, 2, 5, 4, ignored=((0, 0), (0, 1), (0, 2), (1, 4))),
        ),
        Case("float64", lambda g: text_and_logits(g, 2, 4, 9, dtype=torch.float64)),
    ),
    misconceptions=(
        Misconception(
            "The targets are not shifted: each position is asked for the token that it has just read. "
            "Copying the input is then a perfect answer, and the model learns to write one letter for "
            "ever. Judge `logits[:, :-1]` by `tokens[:, 1:]`.",
            slips(
                plain_next_token_loss,
                {"logits[:, :-1]": "logits", "tokens[:, 1:]": "tokens"},
                {"logits[:, :-1]": "logits[:, 1:]"},
                {"tokens[:, 1:]": "tokens[:, :-1]"},
            ),
        ),
        Misconception(
            "The shift goes the wrong way: position t is judged by token t - 1, which is the past.",
            slips(
                plain_next_token_loss, {"logits[:, :-1]": "logits[:, 1:]", "tokens[:, 1:]": "tokens[:, :-1]"}
            ),
        ),
        Misconception(
            "The shift wraps round: the last position is judged by the first token of its row. Nothing "
            "follows it, so leave it out.",
            slips(
                plain_next_token_loss,
                {"logits[:, :-1]": "logits", "tokens[:, 1:]": "tokens.roll(-1, dims=1)"},
            ),
        ),
        Misconception(
            "The texts are joined before the shift: the last position of each row is judged by the first "
            "token of the next. Shift along the length, then flatten.",
            slips(
                plain_next_token_loss,
                {
                    "logits = logits[:, :-1]": "logits = logits.reshape(1, -1, vocab)[:, :-1]",
                    "tokens[:, 1:]": "tokens.reshape(1, -1)[:, 1:]",
                },
            ),
        ),
        Misconception(
            "The logits have gone through a softmax already. `F.cross_entropy` takes plain logits and does "
            "that itself; twice flattens everything, and the loss can't get near zero.",
            slips(
                plain_next_token_loss,
                {"logits[:, :-1]": "logits[:, :-1].softmax(dim=-1)"},
                {"logits[:, :-1]": "logits[:, :-1].sigmoid()"},
            ),
        ),
        Misconception(
            "The loss is summed, not averaged over the targets: it grows with the batch.",
            slips(
                plain_next_token_loss,
                {"ignore_index=-100": "ignore_index=-100, reduction='sum'"},
                {"ignore_index=-100)": "ignore_index=-100, reduction='sum') / len(tokens)"},
            ),
        ),
        Misconception(
            "Ignored targets still count in the average: divide by the number of targets that are not -100.",
            slips(
                plain_next_token_loss,
                {"ignore_index=-100)": "ignore_index=-100, reduction='sum') / targets.numel()"},
                {"ignore_index=-100)": "ignore_index=-100, reduction='none').mean()"},
            ),
        ),
        Misconception(
            "You average each text first and then the texts. A text with few targets would weigh as much as a "
            "long one: all targets count alike.",
            (
                lambda logits, tokens: torch.stack(
                    [plain_next_token_loss(a[None], b[None]) for a, b in zip(logits, tokens, strict=True)]
                ).mean(),
            ),
        ),
    ),
    hints=(
        "Write the text `t o b e` down, and below each letter the one that follows. Which position has none?",
        "Cut the last position off the logits and the first token off the targets.",
        "`F.cross_entropy` wants `[n, vocab]` and `[n]`: flatten batch and length, and pass "
        "`ignore_index=-100`.",
    ),
)


def plain_count_parameters(config):
    dim, bias = config.dim, int(config.bias)
    embeddings = config.vocab_size * dim + config.max_length * dim
    attention = 4 * (dim * dim + bias * dim)
    mlp = 8 * dim * dim + bias * 5 * dim
    norm = dim + bias * dim
    return embeddings + config.layers * (attention + mlp + 2 * norm) + norm


COUNT_PARAMETERS = Exercise(
    name="count_parameters",
    chapter="llm",
    title="Count the parameters",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
How many parameters does a GPT have? `config` is a `GPTConfig` with `vocab_size`, `max_length`, `layers`,
`heads`, `dim` and `bias`. There is a table of token embeddings and one of position embeddings. Each of
the `layers` blocks has four matrices of attention (query, key, value, output), an MLP that widens `dim`
to `4 * dim` and back, and two layer norms with a weight per feature; one more norm stands at the end.
With `bias`, every matrix of the blocks and every norm has one. The output matrix *is* the token embedding. Return
an `int`. GPT-2 small must come out at 124,439,808.
""",
    starter='''
def count_parameters(config):
    """How many parameters a GPT with this GPTConfig has: an int."""
    raise NotImplementedError("write count_parameters")
''',
    reference=count_parameters,
    cases=(
        Case("GPT-2 small", lambda g: {"config": GPTConfig.gpt2()}),
        Case("a tiny one", lambda g: {"config": GPTConfig.tiny()}),
        Case("without biases", lambda g: {"config": GPTConfig(65, 32, 3, 4, 24, bias=False)}),
        Case("one layer, one head", lambda g: {"config": GPTConfig(10, 5, 1, 1, 6)}),
    ),
    misconceptions=(
        Misconception(
            "The output matrix is counted beside the token embedding. They are one and the same (*weight "
            "tying*), so `vocab_size * dim` counts once.",
            slips(plain_count_parameters, {"config.vocab_size * dim": "2 * config.vocab_size * dim"}),
        ),
        Misconception(
            "The biases are missing. With `config.bias` every matrix has one for each feature that it puts "
            "out, and every norm has one for each feature.",
            slips(
                plain_count_parameters,
                {"int(config.bias)": "0"},
                {
                    "attention = 4 * (dim * dim + bias * dim)": "attention = 4 * dim * dim",
                    "+ bias * 5 * dim": "",
                },
            ),
        ),
        Misconception(
            "The biases are counted even where `config.bias` is False.",
            slips(
                plain_count_parameters,
                {"int(config.bias)": "1"},
                {"norm = dim + bias * dim": "norm = 2 * dim"},
            ),
        ),
        Misconception(
            "The position embeddings are missing: a vector for each of the `max_length` positions.",
            slips(plain_count_parameters, {" + config.max_length * dim": ""}),
        ),
        Misconception(
            "A norm is missing: two in every block, and one behind the last.",
            slips(
                plain_count_parameters,
                {" + 2 * norm) + norm": " + 2 * norm)"},
                {" + 2 * norm) + norm": " + norm) + norm"},
                {" + 2 * norm) + norm": ")"},
            ),
        ),
        Misconception(
            "A norm has a weight *and*, with `config.bias`, a bias: `2 * dim` numbers.",
            slips(plain_count_parameters, {"norm = dim + bias * dim": "norm = dim"}),
        ),
        Misconception(
            "A matrix of the attention is missing: query, key, value, and the one that writes the output.",
            slips(plain_count_parameters, {"4 * (dim": "3 * (dim"}),
        ),
        Misconception(
            "The heads are multiplied in. They share `dim` features among themselves: more heads are "
            "narrower heads, and the count stays.",
            slips(
                plain_count_parameters,
                {"4 * (dim": "4 * config.heads * (dim"},
                {"4 * (dim": "(3 * config.heads + 1) * (dim"},
            ),
        ),
        Misconception(
            "The MLP is too small: it has two matrices, `dim` to `4 * dim` and back, 8 · dim² together.",
            slips(
                plain_count_parameters, {"8 * dim * dim": "4 * dim * dim"}, {"8 * dim * dim": "2 * dim * dim"}
            ),
        ),
        Misconception(
            "The biases of a block's matrices are off: there are 9 · dim, `dim` for each of query, key, value and output, "
            "`4 * dim` for the first matrix of the MLP and `dim` for its second.",
            slips(
                plain_count_parameters,
                {"bias * 5 * dim": "bias * 2 * dim"},
                {"bias * 5 * dim": "bias * 8 * dim"},
                {"bias * 5 * dim": "bias * 4 * dim"},
            ),
        ),
        Misconception(
            "Only one block is counted: there are `config.layers` of them.",
            slips(plain_count_parameters, {"config.layers * (attention": "(attention"}),
        ),
    ),
    hints=(
        "A matrix from a to b features has a · b weights, and b biases if it has any.",
        "A block has 12 · dim² weights in its matrices: 4 in attention, 8 in the MLP. Then biases: "
        "4 · dim, 5 · dim, and norms.",
        "`(vocab_size + max_length) * dim`, plus `layers` times a block, plus one norm.",
    ),
)
