"""Prompts: few_shot_prompt."""

from fmlib.exercises.exercise import Case, Exercise, Misconception, slips
from fmlib.llm.adaptation.few_shot import few_shot_prompt


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
