"""Instruction tuning: a model that continues text learns to do what it is told, from examples of instructions and answers.

The format is fixed: ``<|instruction|>`` what to do ``<|answer|>`` the answer ``<|end|>``. The three marks are new tokens,
which no text that somebody types can contain. Only the answer counts in the loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor, nn

from fmlib.checks import FLOAT, LONG, as_mask, check_tensors, check_whole, check_whole_numbers
from fmlib.data import Instruction
from fmlib.llm.generation.decode import generate, pad_left
from fmlib.llm.generation.sampling import Sampling
from fmlib.llm.gpt.cross_entropy import IGNORED
from fmlib.llm.gpt.model import GPT
from fmlib.llm.gpt.next_token import next_token_loss
from fmlib.llm.tokens.saving import tokenizer_from_json, tokenizer_to_json
from fmlib.llm.tokens.tokenizer import BPETokenizer
from fmlib.training.batches import ShuffledBatches, TextBatches
from fmlib.training.counted import Counted, Value
from fmlib.training.fit import fit
from fmlib.training.history import History

INSTRUCTION, ANSWER, END = MARKS = ("<|instruction|>", "<|answer|>", "<|end|>")
REPLAYED = 2  # pieces of old text in a batch
Example = tuple[list[int], list[int]]  # the prompt's tokens, the answer's with its end


def add_special_tokens(
    model: GPT, tokenizer: BPETokenizer, names: Sequence[str] = MARKS
) -> tuple[GPT, BPETokenizer]:
    """A copy of a model that knows a few more tokens; all others mean what they did.

    A new token's embedding starts as the mean of all others, so its logit is the mean of theirs. That of a small random one
    is near 0, which may well be the largest, since the output uses the same matrix.

    Args:
        model: left as it is.
        tokenizer: its tokenizer, left as it is.
        names: of the new tokens, which come behind all others.

    Returns:
        Model and tokenizer with the tokens.

    Raises:
        ValueError: a name that the tokenizer has, or a tokenizer of another vocabulary.

    Source: Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models".
    """
    known, size = tokenizer.special_tokens, tokenizer.vocab_size
    if size != model.config.vocab_size:
        raise ValueError(
            f"the tokenizer has {size} tokens and the model {model.config.vocab_size}: expected as many"
        )
    if set(names) & set(known) or len(set(names)) != len(names):
        raise ValueError(
            f"names are {list(names)}: expected new ones, since there is {sorted(known) or 'none'}"
        )
    told = tokenizer_to_json(tokenizer)
    told["special_tokens"] = known | {name: size + i for i, name in enumerate(names)}
    with torch.random.fork_rng(devices=[]):
        grown = GPT(replace(model.config, vocab_size=size + len(names)))
    weights = model.state_dict()
    old = weights["token_embedding.weight"]  # [vocab, dim]
    weights["token_embedding.weight"] = torch.cat([old, old.mean(dim=0).expand(len(names), -1)])
    grown.load_state_dict(weights)
    return grown.train(model.training), tokenizer_from_json(told)


def encode_prompt(tokenizer: BPETokenizer, instruction: str) -> list[int]:
    """An instruction between its marks; marks that somebody types into it are ordinary text."""
    marks = tokenizer.special_tokens
    return [marks[INSTRUCTION], *tokenizer.encode(instruction), marks[ANSWER]]


def encode_example(tokenizer: BPETokenizer, instruction: str, answer: str) -> Example:
    """Prompt and answer as tokens; the end mark belongs to the answer, or the model would never learn to stop."""
    return encode_prompt(tokenizer, instruction), [*tokenizer.encode(answer), tokenizer.special_tokens[END]]


def pad_examples(
    examples: Sequence[Example], pad: int = 0
) -> tuple[Int64[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
    """Examples of different lengths as one batch, padded on the right: in a causal model nothing before it sees that.

    Args:
        examples: prompt and answer, none of them empty.
        pad: any token; it is neither looked at nor counted.

    Returns:
        Tokens [batch, length of the longest], and a mask that is True at the answers' tokens.

    Raises:
        ValueError: no examples, an empty prompt or answer, or tokens that are no whole numbers from 0.
    """
    check_whole("pad", pad, least=0)
    examples = [tuple(check_whole_numbers("examples", part, 0) for part in example) for example in examples]
    if not examples or not all(len(prompt) and len(answer) for prompt, answer in examples):
        raise ValueError(
            "examples: an example is empty: expected at least one, each with a prompt and an answer"
        )
    tokens = torch.full((len(examples), max(len(p) + len(a) for p, a in examples)), pad)
    answers = torch.zeros(tokens.shape, dtype=torch.bool)
    for row, (prompt, answer) in enumerate(examples):
        end = len(prompt) + len(answer)
        tokens[row, :end] = torch.tensor([*prompt, *answer])
        answers[row, len(prompt) : end] = True
    return tokens, answers


def answer_loss(
    logits: Float[Tensor, "batch length vocab"],
    tokens: Int64[Tensor, "batch length"],
    answers: Bool[Tensor, "batch length"],
) -> Float[Tensor, ""]:
    """How surprising the answers are, each token after all that stands before it; what was asked does not count.

    Args:
        logits: of the model for these tokens; the last position is not needed.
        tokens: prompts and answers.
        answers: True at the answers' tokens, so False at prompts and padding.

    Returns:
        Mean cross-entropy in nats per token of the answers, all of the batch together.

    Raises:
        TypeError: logits that are no floats, tokens that are not torch.long, answers that are neither torch.bool nor 0, 1.
        ValueError: shapes that differ, or no token to count.

    Source: Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training", eq. 1, on answers only;
    Ouyang et al. 2022, "Training language models to follow instructions with human feedback", section 3.5.
    """
    text = ("tokens", tokens, LONG, "batch length")
    check_tensors(("logits", logits, FLOAT, "batch length vocab"), text)
    answers = as_mask("answers", answers, "batch length", text)
    if not bool(answers[:, 1:].any()):
        raise ValueError(
            "answers: no token is marked as an answer's: expected at least one behind the first position"
        )
    return next_token_loss(logits, tokens.masked_fill(~answers, IGNORED))


def tune_on_instructions(
    model: GPT,
    tokenizer: BPETokenizer,
    instructions: Sequence[Instruction],
    steps: int,
    batch_size: int = 32,
    rate: float = 1e-3,
    seed: int = 0,
    prompts_too: bool = False,
    replay: Integer[Tensor, "text"] | None = None,
    **options: Any,
) -> History:
    """Supervised fine-tuning: the model learns the answers.

    Args:
        model: with the marks, see `add_special_tokens`; trained in place.
        tokenizer: of the model, with the marks.
        instructions: with their answers.
        steps, batch_size, rate: of the run.
        seed: of the batches.
        prompts_too: count the prompts' tokens as well, to see what that costs.
        replay: a text of which a few pieces join each batch, so that it is not forgotten; their loss is added.
        **options: passed to `fit`; with `accumulate`, each micro-batch brings pieces of the old text.

    Raises:
        ValueError: an example longer than the model's positions.

    Source: Ouyang et al. 2022, "Training language models to follow instructions with human feedback", section 3.5;
    replay as the mix with pretraining in their eq. 2.
    """
    tokens, answers = pad_examples([encode_example(tokenizer, i.text, i.answer) for i in instructions])
    if tokens.shape[1] > model.config.max_length:
        raise ValueError(
            f"the longest example has {tokens.shape[1]} tokens: this model knows {model.config.max_length} positions"
        )
    ends = tokenizer.special_tokens[END]

    examples = ShuffledBatches(tokens, answers, batch_size=batch_size, seed=seed)
    pieces = None if replay is None else TextBatches(replay, model.config.max_length + 1, REPLAYED, seed=seed)

    def batches(step: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        return examples(step) if pieces is None else (*examples(step), pieces(step))

    def loss(model: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Value:
        rows, counted, *old = batch
        length = int(counted.nonzero()[:, 1].max()) + 1  # no position is computed that is padding in all rows
        rows, counted = rows[:, :length], counted[:, :length]
        if prompts_too:
            done = (rows == ends).cumsum(dim=1)
            counted = (done == 0) | ((done == 1) & (rows == ends))
        answered = Counted(answer_loss(model(rows), rows, counted), counted[:, 1:].sum())
        return [answered, *(next_token_loss(model(text[:, :-1]), text) for text in old)]

    return fit(model, batches, loss, steps=steps, rate=rate, seed=seed, **options)


@dataclass(frozen=True)
class Answer:
    """What a model wrote.

    Args:
        text: without the end mark.
        tokens: as they were written, with the end mark if there is one.
        stopped: whether the model ended it, and not the limit.
    """

    text: str
    tokens: tuple[int, ...]
    stopped: bool


def write_answers(
    model: GPT,
    tokenizer: BPETokenizer,
    prompts: Sequence[str],
    seed: int = 0,
    sampling: Sampling = Sampling(temperature=0.7),  # noqa: B008  (frozen)
    max_new_tokens: int = 80,
    batch_size: int = 128,
) -> list[Answer]:
    """Let a model answer.

    Args:
        model, tokenizer: with the marks.
        prompts: instructions.
        seed: of the draws.
        sampling: how tokens are taken.
        max_new_tokens: after which an answer is cut off; fewer where the model has no more positions.
        batch_size: prompts at a time.

    Raises:
        ValueError: a prompt that leaves the model no position to write at, sizes below 1.
    """
    check_whole("max_new_tokens", max_new_tokens)
    check_whole("batch_size", batch_size)
    written, end = [], tokenizer.special_tokens[END]
    place = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    for first in range(0, len(prompts), batch_size):
        rows, mask = pad_left([encode_prompt(tokenizer, p) for p in prompts[first : first + batch_size]])
        longest, known = rows.shape[1], model.config.max_length
        if longest >= known:
            place_of_it = first + int(mask.sum(dim=1).argmax())
            raise ValueError(
                f"prompts: number {place_of_it} has {longest} tokens with its marks, this model knows {known} positions: "
                f"expected at most {known - 1}, to leave room for an answer"
            )
        room = min(max_new_tokens, known - longest)
        rows, mask = rows.to(place), mask.to(place)
        made = generate(model, rows, room, sampling, mask=mask, stop=(end,), generator=generator)
        for tokens in made[:, rows.shape[1] :].tolist():
            stopped = end in tokens
            kept = tokens[: tokens.index(end)] if stopped else tokens
            written.append(Answer(tokenizer.decode(kept), tuple(kept + [end] * stopped), stopped))
    return written


def obedience(instructions: Sequence[Instruction], answers: Sequence[Answer]) -> dict[str, float]:
    """Which share of the answers does what was asked.

    Args:
        instructions: what was asked.
        answers: to each of them.

    Returns:
        In percent: "stops", "kind", "lines", "first" (of those that ask for a word), and "all": all of these at once.

    Raises:
        ValueError: not an answer for each instruction.
    """
    if len(instructions) != len(answers) or not instructions:
        raise ValueError(
            f"{len(instructions)} instructions and {len(answers)} answers: expected as many, not none"
        )
    parts: dict[str, list[bool]] = {"stops": [], "kind": [], "lines": [], "first": [], "all": []}
    for instruction, answer in zip(instructions, answers, strict=True):
        found = {"stops": answer.stopped, **instruction.obeyed_by(answer.text)}
        for name, value in found.items():
            parts[name].append(value)
        parts["all"].append(all(found.values()))
    return {name: 100 * sum(values) / max(1, len(values)) for name, values in parts.items()}


class Share(NamedTuple):
    """A share in percent, and how far it would move with other draws."""

    mean: float
    error: float


def obedience_by_chance(
    instructions: Sequence[Instruction], generator: torch.Generator, times: int = 200
) -> dict[str, Share]:
    """What good answers obey that were written for other instructions: the people's answers, dealt out at random.

    Args:
        instructions: with their answers, two or more.
        generator: deals them out.
        times: how often, 2 or more.

    Returns:
        As `obedience`, with the standard deviation from one deal to the next.

    Raises:
        ValueError: a single deal; see also `obedience`.
    """
    if times < 2:
        raise ValueError(f"times is {times}: expected 2 or more, to see how far chance goes")
    deals: dict[str, list[float]] = {}
    for _ in range(times):
        order = torch.randperm(len(instructions), generator=generator).tolist()
        dealt = [Answer(instructions[i].answer, (), True) for i in order]
        for name, share in obedience(instructions, dealt).items():
            deals.setdefault(name, []).append(share)
    return {
        name: Share(sum(shares) / times, float(torch.tensor(shares).std())) for name, shares in deals.items()
    }


def obedience_with_error(instructions: Sequence[Instruction], answers: Sequence[Answer]) -> dict[str, Share]:
    """Obedience, and its standard error: how far it would move with other instructions of the same sort.

    Several answers to one instruction are no independent draws: each instruction counts once, with the mean of its answers.

    Args:
        instructions: what was asked; the same one may come several times.
        answers: to each of them.

    Returns:
        As `obedience`; the error is nan where only one instruction was asked.

    Raises:
        ValueError: see `obedience`.
    """
    together = obedience(instructions, answers)
    groups: dict[Instruction, list[Answer]] = {}
    for instruction, answer in zip(instructions, answers, strict=True):
        groups.setdefault(instruction, []).append(answer)
    each = {name: [] for name in together}
    for instruction, own in groups.items():
        shares = obedience([instruction] * len(own), own)
        for name, share in shares.items():
            if name != "first" or instruction.first is not None:
                each[name].append(share)
    found = {}
    for name, shares in each.items():
        spread = torch.tensor(shares).std() if len(shares) > 1 else torch.tensor(torch.nan)
        found[name] = Share(together[name], float(spread / max(1, len(shares)) ** 0.5))
    return found
