"""Zero-shot and few-shot: the task stands in the prompt, and the model's weights stay as they are."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib.checks import check_finite, check_whole

Example = tuple[str, str]  # a question, its answer

CAPITALS: tuple[Example, ...] = (
    ("France", "Paris"),
    ("Japan", "Tokyo"),
    ("Italy", "Rome"),
    ("Egypt", "Cairo"),
    ("Russia", "Moscow"),
    ("Spain", "Madrid"),
    ("Germany", "Berlin"),
    ("Greece", "Athens"),
    ("Cuba", "Havana"),
    ("Austria", "Vienna"),
    ("Ireland", "Dublin"),
    ("Portugal", "Lisbon"),
    ("Peru", "Lima"),
    ("Poland", "Warsaw"),
    ("Hungary", "Budapest"),
    ("Norway", "Oslo"),
    ("Kenya", "Nairobi"),
    ("Iraq", "Baghdad"),
    ("Denmark", "Copenhagen"),
    ("Sweden", "Stockholm"),
)
OPPOSITES: tuple[Example, ...] = (
    ("hot", "cold"),
    ("big", "small"),
    ("day", "night"),
    ("love", "hate"),
    ("good", "bad"),
    ("old", "young"),
    ("rich", "poor"),
    ("up", "down"),
    ("true", "false"),
    ("war", "peace"),
    ("friend", "enemy"),
    ("black", "white"),
    ("left", "right"),
    ("first", "last"),
    ("high", "low"),
    ("life", "death"),
    ("sweet", "bitter"),
    ("open", "closed"),
    ("strong", "weak"),
    ("heaven", "hell"),
)


def few_shot_prompt(examples: Sequence[Example], question: str) -> str:
    """Solved examples, a line each, and the question in the same form, its answer left open.

    Args:
        examples: question and answer of each; none of them makes the prompt zero-shot.
        question: what is asked.

    Returns:
        Lines such as ``"hot -> cold"``, and the last one ``"up ->"``. No space at its end: to most tokenizers it belongs
        to the next word, and a prompt that ends with one is a text that hardly ever occurs.

    Source: Brown et al. 2020, "Language Models are Few-Shot Learners", figure 2.1.
    """
    lines = [f"{asked} -> {answer}" for asked, answer in examples]
    return "\n".join([*lines, f"{question} ->"])


@torch.no_grad()
def answer_log_probabilities(
    model: nn.Module, encode: Callable[[str], list[int]], prompt: str, answers: Sequence[str]
) -> Float[Tensor, "answers"]:
    """The log probability of each answer as the continuation of a prompt: the sum over its tokens, in nats.

    The prompt goes through the model once; what it leaves in the cache serves every answer.

    Args:
        model: a language model with `make_cache`.
        encode: text -> token ids.
        prompt: without a space at its end.
        answers: without a space at their beginning; it is added.

    Raises:
        ValueError: no answers, an empty prompt or answer, or a model whose probabilities are no numbers.
    """
    if not answers or not prompt or not all(answers):
        raise ValueError(
            f"prompt {prompt!r} and answers {list(answers)!r}: expected texts, none of them empty"
        )
    device = next(model.parameters()).device
    known = torch.tensor([encode(prompt)], device=device)
    spelled = [encode(f" {answer}") for answer in answers]
    cache = model.make_cache(1, known.shape[1] + max(map(len, spelled)))
    first = model(known, cache=cache)[0, -1:]
    totals = []
    for tokens in spelled:
        logits = first
        if len(tokens) > 1:
            more = model(torch.tensor([tokens[:-1]], device=device), cache=cache)[0]
            logits = torch.cat([first, more])
            for layer in cache:
                layer.length = known.shape[1]  # the next answer begins where the prompt ends
        scores = logits.float().log_softmax(dim=-1)
        totals.append(scores[torch.arange(len(tokens)), torch.tensor(tokens)].sum())
    found = torch.stack(totals).cpu()
    check_finite("log probabilities", found)
    return found


def few_shot_accuracy(
    model: nn.Module,
    encode: Callable[[str], list[int]],
    items: Sequence[Example],
    shots: int,
    generator: torch.Generator,
) -> float:
    """How often the right answer is likelier than those of all other items.

    Args:
        model, encode: as in `answer_log_probabilities`.
        items: questions with their answers; each is asked once.
        shots: how many of the *others* are shown as examples, drawn anew for each question.
        generator: draws them.

    Returns:
        A share from 0 to 1; guessing gets 1 / items.

    Raises:
        ValueError: not enough items for so many examples.
    """
    check_whole("shots", shots, least=0)
    if not shots < len(items):
        raise ValueError(
            f"shots is {shots}: expected 0 to {len(items) - 1}, since there are {len(items)} items"
        )
    answers, right = [answer for _, answer in items], 0
    for i, (question, _) in enumerate(items):
        order = torch.randperm(len(items), generator=generator).tolist()
        examples = [items[j] for j in order if j != i][:shots]
        scores = answer_log_probabilities(model, encode, few_shot_prompt(examples, question), answers)
        right += int(scores.argmax()) == i
    return right / len(items)
