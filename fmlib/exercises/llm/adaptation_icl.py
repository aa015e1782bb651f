"""Exercises of the lesson on adaptation, its part on prompts and in-context learning."""

import torch

from fmlib.exercises.exercise import Case, Exercise, Misconception, Prediction, slips
from fmlib.exercises.quizzes import Choice, Question, Quiz
from fmlib.llm.few_shot import few_shot_prompt
from fmlib.llm.in_context import in_context_batch
from fmlib.llm.induction import induction_score


def plain_prompt(examples, question):
    lines = []
    for asked, answer in examples:
        lines.append(f"{asked} -> {answer}")
    lines.append(f"{question} ->")
    return "\n".join(lines)


FEW_SHOT_PROMPT = Exercise(
    name="few_shot_prompt",
    chapter="llm",
    title="A few-shot prompt",
    kind="write",
    difficulty=1,
    minutes=5,
    goal="""
`examples` is a list of pairs (question, answer), `question` a text. Return one text: a line for each
example, such as `hot -> cold`, in their order, then a last line with the question in the same form and its
answer left open. Lines are joined by a line break; there is none at the end. What comes after the prompt
begins with a space, as every answer in the examples does. Without examples only the last line is left.
""",
    starter='''
def few_shot_prompt(examples, question):
    """Solved examples, a line each, and the question with its answer left open."""
    raise NotImplementedError("write few_shot_prompt")
''',
    reference=few_shot_prompt,
    cases=(
        Case(
            "2 examples",
            lambda g: {"examples": [("hot", "cold"), ("big", "small")], "question": "up"},
        ),
        Case("no examples", lambda g: {"examples": [], "question": "up"}),
        Case(
            "1 example of several words",
            lambda g: {"examples": [("New Zealand", "Wellington")], "question": "Costa Rica"},
        ),
        Case(
            "the question among the examples",
            lambda g: {"examples": [("up", "down"), ("hot", "cold"), ("on", "off")], "question": "hot"},
        ),
    ),
    misconceptions=(
        Misconception(
            "The prompt ends with a space. Most tokenizers keep a space together with the word behind it, "
            "so ` cold` is one token; a lone space at the end asks for a word that begins without one, which the "
            "model has hardly ever seen there. End with the arrow.",
            slips(plain_prompt, {'{question} ->"': '{question} -> "'}),
        ),
        Misconception(
            "The last line is not in the form of the others, or is missing. The model continues a pattern: "
            "the question must stand where the examples have theirs, with the arrow behind it.",
            slips(
                plain_prompt,
                {'f"{question} ->"': "question"},
                {'f"{question} ->"': 'f"{question}"'},
                {'lines.append(f"{question} ->")': "pass"},
                {'f"{question} ->"': 'f"{question} -> ?"'},
            ),
        ),
        Misconception(
            "The examples have no answers. A line of questions shows no task: it is the pair that the model "
            "continues.",
            slips(plain_prompt, {"{asked} -> {answer}": "{asked} ->"}),
        ),
        Misconception(
            "The question comes first. A model that reads from left to right answers at the *end* of the "
            "prompt, so the examples must stand before it.",
            slips(
                plain_prompt,
                {'lines.append(f"{question} ->")': 'lines.insert(0, f"{question} ->")'},
            ),
        ),
        Misconception(
            "Answer and question are swapped: question first, then the arrow, then the answer.",
            slips(plain_prompt, {"{asked} -> {answer}": "{answer} -> {asked}"}),
        ),
        Misconception(
            "The lines are not separated by one line break, or there is one at the end: then the model begins "
            "a new line instead of answering.",
            slips(
                plain_prompt,
                {'"\\n".join(lines)': '" ".join(lines)'},
                {'"\\n".join(lines)': '", ".join(lines)'},
                {'"\\n".join(lines)': '"".join(lines)'},
                {'"\\n".join(lines)': '"\\n\\n".join(lines)'},
                {'"\\n".join(lines)': '"\\n".join(lines) + "\\n"'},
            ),
        ),
        Misconception(
            "Examples are missing or in another order: all of them, as they came. Whoever measures few-shot "
            "accuracy leaves the asked question out of the examples before the prompt is written.",
            slips(
                plain_prompt,
                {"in examples": "in examples[1:]"},
                {"in examples": "in examples[:1]"},
                {"in examples": "in reversed(examples)"},
                {"in examples": "in [e for e in examples if e[0] != question]"},
            ),
        ),
    ),
    hints=(
        "The prompt is a list of lines that all look alike; the last one stops after the arrow.",
        '`[f"{asked} -> {answer}" for asked, answer in examples]`, and one line more.',
        '`"\\n".join(...)`, with `f"{question} ->"` as the last line and no space behind the arrow.',
    ),
)


def plain_batch(mappings, keys):
    batch, pairs = keys.shape
    tokens = torch.empty(batch, 2 * pairs, dtype=torch.long)
    tokens[:, 0::2] = keys
    tokens[:, 1::2] = mappings.gather(1, keys) + mappings.shape[1]
    return tokens


def mapped(generator, batch, keys, values, pairs):
    return {
        "mappings": torch.randint(values, (batch, keys), generator=generator),
        "keys": torch.randint(keys, (batch, pairs), generator=generator),
    }


IN_CONTEXT_BATCH = Exercise(
    name="in_context_batch",
    chapter="llm",
    title="Texts with a new mapping each",
    kind="write",
    difficulty=2,
    minutes=10,
    goal="""
`mappings` is `[batch, n]`: row b says which value, counted from 0, each of the n keys has in text b.
`keys` is `[batch, pairs]`: which keys text b shows, in which order. Return the texts,
`[batch, 2 * pairs]` tokens: a key, its value, the next key, its value, ... A key is its own token, 0 to
n - 1. Value v is the token n + v, so that no token means both. Both inputs and the result are `torch.long`.
""",
    starter='''
def in_context_batch(mappings, keys):
    """Texts [batch, 2 * pairs]: key, value, key, value, ..."""
    raise NotImplementedError("write in_context_batch")
''',
    reference=in_context_batch,
    cases=(
        Case("3 texts, 4 keys, 5 examples", lambda g: mapped(g, 3, 4, 6, 5)),
        Case("1 text, 1 example", lambda g: mapped(g, 1, 3, 5, 1)),
        Case(
            "the last keys are never shown",
            lambda g: mapped(g, 3, 6, 8, 4) | {"keys": torch.randint(4, (3, 4), generator=g)},
        ),
        Case("as many texts as keys", lambda g: mapped(g, 4, 4, 9, 6)),
        Case("more values than keys", lambda g: mapped(g, 5, 3, 20, 7)),
    ),
    misconceptions=(
        Misconception(
            "Keys and values share tokens: value v must become the token n + v. Otherwise the model cannot "
            "tell a question from an answer.",
            slips(plain_batch, {" + mappings.shape[1]": ""}),
        ),
        Misconception(
            "All texts use the mapping of the first row, or the mappings are mixed up between the rows. Row b of "
            "`keys` must be looked up in row b of `mappings`: `mappings.gather(1, keys)`.",
            slips(
                plain_batch,
                {"mappings.gather(1, keys)": "mappings[0][keys]"},
                {"mappings.gather(1, keys)": "mappings.flip(0).gather(1, keys)"},
                {"mappings.gather(1, keys)": "mappings.roll(1, 0).gather(1, keys)"},
            ),
        ),
        Misconception(
            "All keys come first, then all values. An example is a pair: each value stands right behind its key.",
            slips(
                plain_batch,
                {"0::2": ":pairs", "1::2": "pairs:"},
            ),
        ),
        Misconception(
            "The value stands before its key: the model would be asked for an answer before it has read the "
            "question.",
            slips(plain_batch, {"0::2] = keys": "1::2] = keys", "1::2] = mappings": "0::2] = mappings"}),
        ),
        Misconception(
            "The value is looked up by its place in the text, not by its key: text b shows `keys[b]`, and each of "
            "these chooses a column of `mappings`.",
            slips(
                plain_batch,
                {"mappings.gather(1, keys)": "mappings[:, torch.arange(pairs) % mappings.shape[1]]"},
            ),
        ),
        Misconception(
            "Values are shifted by the wrong number: by how many *keys* there are, `mappings.shape[1]`.",
            slips(
                plain_batch,
                {"mappings.shape[1]": "mappings.shape[0]"},
                {"mappings.shape[1]": "keys.shape[1]"},
                {"mappings.shape[1]": "mappings.shape[1] + 1"},
                {"mappings.shape[1]": "mappings.shape[1] - 1"},
                {"mappings.shape[1]": "mappings.max() + 1"},
                {"mappings.shape[1]": "keys.max() + 1"},
            ),
        ),
    ),
    hints=(
        "Two steps: find the value of every shown key, then put keys and values in turn.",
        "`mappings.gather(1, keys)` is `[batch, pairs]`: in each row the values of that row's keys.",
        "`torch.stack([keys, answers], dim=2).flatten(1)` alternates them; don't forget the shift of the values.",
    ),
)


def plain_score(maps, period):
    total = 0
    for i in range(period, 2 * period):
        total = total + maps[:, :, i, i - period + 1]
    return (total / period).mean(dim=0)


def some_maps(generator, batch, heads, period, layer="random"):
    logits = torch.randn(batch, heads, 2 * period, 2 * period, generator=generator)
    if layer == "induction":
        i = torch.arange(period, 2 * period)
        logits[:, 0, i, i - period + 1] += 5
    hidden = torch.ones(2 * period, 2 * period).triu(1).bool()
    return {"maps": logits.masked_fill(hidden, float("-inf")).softmax(dim=-1), "period": period}


INDUCTION_SCORE = Exercise(
    name="induction_score",
    chapter="llm",
    title="Find the induction heads",
    kind="write",
    difficulty=2,
    minutes=15,
    goal="""
A text of `period` tokens is read twice in a row, A B C D A B C D, so a layer's attention maps `maps` are
`[batch, heads, 2 * period, 2 * period]`; row i says where position i looks. Return a score for each head,
`[heads]`: the weight that a position of the *second* half gives to the place *behind* the earlier
occurrence of its own token, on average over the batch and all `period` positions of that half. At the second
A this place is the first B.
""",
    starter='''
def induction_score(maps, period):
    """How much each head looks at what came next the last time: [heads]."""
    raise NotImplementedError("write induction_score")
''',
    reference=induction_score,
    cases=(
        Case("3 texts, 2 heads, 5 tokens twice", lambda g: some_maps(g, 3, 2, 5)),
        Case("a head that does it", lambda g: some_maps(g, 2, 3, 6, "induction")),
        Case("1 text, 1 head", lambda g: some_maps(g, 1, 1, 4)),
        Case("as many heads as texts", lambda g: some_maps(g, 4, 4, 3)),
        Case("1 token, twice", lambda g: some_maps(g, 2, 2, 1)),
    ),
    misconceptions=(
        Misconception(
            "You measure the weight on the earlier occurrence itself. That head finds the same token again, "
            "which does not say what comes next: the place one behind it does, `i - period + 1`.",
            slips(plain_score, {"i - period + 1": "i - period"}),
        ),
        Misconception(
            "The place is one too early or too far: the token at position i stood at `i - period`, and what "
            "followed it stands at `i - period + 1`.",
            slips(
                plain_score,
                {"i - period + 1": "i - period - 1"},
                {"i - period + 1": "(i - period + 2).__int__()"},
            ),
        ),
        Misconception(
            "You measure how much a head looks at the position before its own. Such heads matter too (they tell "
            "the induction head what stood where), but their score is another one.",
            slips(plain_score, {"i - period + 1]": "i - 1]"}),
        ),
        Misconception(
            "Rows and columns are swapped: the row is the position that looks, the column where it looks. With a "
            "causal mask, all that you read is zero.",
            slips(plain_score, {"i, i - period + 1]": "i - period + 1, i]"}),
        ),
        Misconception(
            "The mean runs over both halves. In the first half nothing has been seen before: those rows say "
            "nothing about induction and make every score smaller.",
            slips(plain_score, {"total / period": "total / (2 * period)"}),
        ),
        Misconception(
            "Positions are left out, or added up without dividing: average over all `period` positions of the "
            "second half.",
            slips(
                plain_score,
                {"(total / period)": "(total * 1.0)"},
                {"range(period, 2 * period)": "range(period, 2 * period - 1)"},
                {"range(period, 2 * period)": "range(period + 1, 2 * period)"},
            ),
        ),
        Misconception(
            "The heads are averaged away, or the texts are kept apart: one number for each head.",
            slips(
                plain_score,
                {".mean(dim=0)": ".mean()"},
                {".mean(dim=0)": ".mean(dim=1)"},
                {".mean(dim=0)": ""},
            ),
        ),
    ),
    hints=(
        "For the text A B C D A B C D: position 4 is the second A. Where did A stand, and what came behind it?",
        "Position i of the second half should look at `i - period + 1`. Which i are there?",
        "`rows = torch.arange(period, 2 * period)`, then `maps[:, :, rows, rows - period + 1]` is "
        "`[batch, heads, period]`.",
    ),
)

UNSEEN_KEY = Prediction(
    name="in_context_accuracy",
    chapter="llm",
    question="How many percent of the questions does the model get right with 5 examples before each, when it has never "
    "seen the mapping and every example shows one of 6 keys?",
    explanation="What limits it is not reading but chance: with 5 examples some keys have not been shown yet, and nobody "
    "can know their values. Compare with the dashed line, the best that is possible.",
    close=0.15,
)

IN_CONTEXT = Quiz(
    name="in_context",
    chapter="llm",
    title="Quiz: learning from the prompt",
    questions=(
        Question(
            "A model answers better with four examples in its prompt than with none. What changed inside?",
            (
                Choice(
                    "Its weights took a small step for each example.",
                    "No gradient is computed: nothing is stored.",
                ),
                Choice(
                    "Only what its attention can look at: the weights are the same.",
                    "Take the examples away, and it is the model that it was.",
                    right=True,
                ),
                Choice(
                    "Its cache was trained on the examples.",
                    "The cache holds what the weights make of the prompt; nothing in it is trained.",
                ),
            ),
        ),
        Question(
            "Why is the mapping drawn anew for every text, and why are the mappings of the test kept apart?",
            (
                Choice(
                    "So that the task becomes harder to learn.",
                    "It does, but that is not what it is for.",
                ),
                Choice(
                    "So that a right answer can only come from reading the examples, not from weights.",
                    "With one mapping for all, the weights hold it, and the examples are never looked at.",
                    right=True,
                ),
                Choice(
                    "So that all tokens are equally frequent.",
                    "A fixed mapping with random keys could have that, too.",
                ),
            ),
        ),
        Question(
            "What does an induction head in the second layer need from the first?",
            (
                Choice(
                    "A head that writes into each position which token stood before it.",
                    "Then the place behind an earlier A says: before me stood A. That is what the second A looks for.",
                    right=True,
                ),
                Choice(
                    "A head that finds the same token again.",
                    "That finds the earlier A, while the answer stands one place behind it.",
                ),
                Choice(
                    "Nothing: one layer suffices.",
                    "In one layer a key says only what stands at its own position, not what stood before.",
                ),
            ),
        ),
        Question(
            "Accuracy falls to chance when you turn off a head of the first layer. Is it an induction head?",
            (
                Choice(
                    "Yes: only induction heads matter for in-context learning.",
                    "An induction head fails as well when what it reads is missing.",
                ),
                Choice(
                    "Not by that alone: a knock-out shows that a head is needed, its attention map what it does.",
                    "Here it is the previous-token head that the induction head depends on.",
                    right=True,
                ),
                Choice(
                    "No: heads of the first layer never matter.",
                    "They write what the second layer reads.",
                ),
            ),
        ),
        Question(
            "You compare few-shot accuracy at k = 1 and k = 8. Which of these spoils the comparison?",
            (
                Choice(
                    "Other examples are drawn for each question.",
                    "That is right: one lucky set of examples says little.",
                ),
                Choice(
                    "The question that is asked may be among the examples.",
                    "Then its answer stands in the prompt, the more often the larger k is.",
                    right=True,
                ),
                Choice(
                    "The candidates are the same at both k.",
                    "They must be, or chance differs.",
                ),
            ),
        ),
    ),
)

EXERCISES = (FEW_SHOT_PROMPT, IN_CONTEXT_BATCH, INDUCTION_SCORE)
PREDICTIONS = (UNSEEN_KEY,)
QUIZZES = (IN_CONTEXT,)
