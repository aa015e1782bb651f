"""Filling a blank: one question for all of the family, whichever way a model reads.

The losses that the models are trained with cannot be compared: each is about other tokens, with other tokens in view. So ask
all of them the same: which token, of the same tokens of text, stands at this place of a play that nobody has read?
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from fmlib.checks import LONG, check_finite, check_likeliest, check_tensors, check_whole
from fmlib.evaluate import evaluating
from fmlib.llm.family.bert import Bert
from fmlib.llm.family.span_corruption import corrupt_spans
from fmlib.llm.family.t5 import T5, shift_right
from fmlib.llm.family.training import Recipe


class Blanks(NamedTuple):
    """Pieces of a text, and in each one span that is asked for.

    Attributes:
        pieces: what stands in the text, [count, length].
        starts: where the span of each piece begins, [count].
        span: how many tokens it has.
        places: where each span begins in the whole text, [count].
    """

    pieces: Int64[Tensor, "count length"]
    starts: Int64[Tensor, "count"]
    span: int
    places: Int64[Tensor, "count"]

    @property
    def missing(self) -> Int64[Tensor, "count span"]:
        """The tokens that are asked for."""
        return self.pieces.gather(1, self.columns)

    @property
    def columns(self) -> Int64[Tensor, "count span"]:
        """Where they stand in their pieces."""
        return self.starts[:, None] + torch.arange(self.span)

    def take(self, rows: Tensor | slice) -> "Blanks":
        """Some of them."""
        return Blanks(self.pieces[rows], self.starts[rows], self.span, self.places[rows])


def make_blanks(
    tokens: Int64[Tensor, "text"], count: int, length: int, span: int = 1, *, generator: torch.Generator
) -> Blanks:
    """Leave out one span in each of many pieces, somewhere in the middle half, so that both sides say something.

    Args:
        tokens: the text.
        count: how many pieces, spread evenly over the text.
        length: of a piece.
        span: tokens of a blank, at most a quarter of the length.
        generator: draws the places.

    Raises:
        TypeError: tokens that are not torch.long.
        ValueError: a text too short for so many pieces, or a span that is empty or too long.
    """
    check_tensors(("tokens", tokens, LONG, "text"))
    check_whole("count", count)
    check_whole("length", length)
    check_whole("span", span)
    if not 1 <= count <= len(tokens) // length:
        raise ValueError(
            f"count is {count}: expected 1 to {len(tokens) // length}, pieces of {length} in {len(tokens)} tokens"
        )
    if not 1 <= span <= length // 4:
        raise ValueError(f"span is {span}: expected 1 to {length // 4}, a quarter of the piece")
    first = torch.arange(count) * (len(tokens) // count)
    starts = torch.randint(length // 4, 3 * length // 4 - span + 1, (count,), generator=generator)
    return Blanks(tokens[first[:, None] + torch.arange(length)], starts, span, first + starts)


def cut(blanks: Blanks) -> list[Blanks]:
    """The same blanks with nothing behind them: one group for each place, since their pieces differ in length."""
    groups = []
    for start in blanks.starts.unique().tolist():
        rows = blanks.starts == start
        pieces = blanks.pieces[rows, : start + blanks.span]
        groups.append(Blanks(pieces, blanks.starts[rows], blanks.span, blanks.places[rows]))
    return groups


def blank_logits(model: nn.Module, recipe: Recipe, blanks: Blanks) -> Float[Tensor, "count span letters"]:
    """What a model thinks of each missing token, each in its own way.

    BERT sees both sides and fills all places of a span at once, none knowing what the others say. T5 sees both sides and
    writes the span token by token. Any other model sees what stands before.

    Args:
        model: GPT, LLaMA, BERT or T5.
        recipe: where its special tokens are.
        blanks: what is asked.

    Returns:
        Logits of the tokens of text only, wherever the blanks are: that a token of text is missing is known to all,
        whatever its kind.
    """
    place = next(model.parameters()).device
    pieces, columns = blanks.pieces.to(place), blanks.columns.to(place)
    if isinstance(model, Bert):
        read = pieces.scatter(1, columns, recipe.mask_token)
        logits = model(read).gather(1, columns[..., None].expand(-1, -1, recipe.vocab_size))
    elif isinstance(model, T5):
        gone = torch.zeros_like(pieces, dtype=torch.bool).scatter(1, columns, True)
        pairs = [corrupt_spans(*row, recipe.first_sentinel) for row in zip(pieces, gone, strict=True)]
        read, told = (torch.stack(part) for part in zip(*pairs, strict=True))
        logits = model(read, shift_right(told, recipe.start_token))[
            :, 1:-1
        ]  # behind the sentinel, and not of the last one
    else:
        before = columns[..., None].expand(-1, -1, recipe.vocab_size) - 1
        logits = model(pieces[:, :-1]).gather(1, before)
    return logits[..., : recipe.letters].to(blanks.pieces.device)


@torch.no_grad()
def blank_nats(
    model: nn.Module, recipe: Recipe, blanks: Blanks, *, left_only: bool = False, batch_size: int = 128
) -> Float[Tensor, "count span"]:
    """How surprising each missing token is: -log p, in nats.

    Args:
        model, recipe, blanks: as in `blank_logits`.
        left_only: take away what stands behind the blank. GPT and LLaMA never see it.
        batch_size: pieces at a time.

    Returns:
        In the order of the blanks.

    Raises:
        ValueError: a batch size below 1, or a model whose loss is no number.
    """
    check_whole("batch_size", batch_size)
    found = torch.empty(len(blanks.starts), blanks.span)
    order = {place: row for row, place in enumerate(blanks.places.tolist())}
    with evaluating(model):
        for group in cut(blanks) if left_only else [blanks]:
            for rows in torch.arange(len(group.starts)).split(batch_size):
                part = group.take(rows)
                logits = blank_logits(model, recipe, part).float()
                nats = F.cross_entropy(logits.flatten(0, 1), part.missing.flatten(), reduction="none")
                found[[order[place] for place in part.places.tolist()]] = nats.view(len(rows), part.span)
    check_finite("nats", found)
    return found


@torch.no_grad()
def reranked_nats(
    model: nn.Module, recipe: Recipe, blanks: Blanks, candidates: int = 64, behind: int = 8
) -> Float[Tensor, "count"]:
    """A model that reads from left to right fills a blank with both sides in view, by Bayes' rule.

    A token fits if it is likely after what stands before, and if what stands behind is likely after it. So each candidate
    is put in and the text goes on: `candidates` texts for one blank. The likeliest candidates share out anew what they had
    together; all other tokens keep what they had, so that the probabilities still sum to 1.

    Args:
        model: GPT or LLaMA.
        recipe: its sizes.
        blanks: of one token each.
        candidates: how many are tried.
        behind: how many tokens behind the blank are looked at.

    Raises:
        ValueError: blanks of several tokens, candidates or behind below 1, or a model whose loss is no number.
    """
    check_whole("candidates", candidates)
    check_whole("behind", behind)
    if blanks.span != 1:
        raise ValueError(f"blanks have {blanks.span} tokens: expected 1, candidates are single tokens")
    found = torch.empty(len(blanks.starts))
    pieces = blanks.pieces.to(next(model.parameters()).device)
    with evaluating(model):
        for row, (piece, start) in enumerate(zip(pieces, blanks.starts.tolist(), strict=True)):
            cache = model.make_cache(1, len(piece))
            left = model(piece[None, :start], cache=cache)[0, -1, : recipe.letters].log_softmax(-1)
            likely, tried = left.topk(candidates)
            for layer in cache:
                layer.select(torch.zeros(candidates, dtype=torch.long, device=piece.device))
            after = piece[start + 1 : start + 1 + behind].expand(candidates, -1)
            said = model(torch.cat([tried[:, None], after[:, :-1]], dim=1), cache=cache).log_softmax(-1)
            fits = likely + said.gather(-1, after[..., None])[..., 0].sum(-1)
            left[tried] = fits.log_softmax(-1) + likely.logsumexp(-1)
            found[row] = -left[piece[start]]
    check_finite("nats", found)
    return found


@torch.no_grad()
def accuracy(model: nn.Module, recipe: Recipe, blanks: Blanks) -> float:
    """Per cent of the missing tokens that the model thinks likeliest.

    Raises:
        ValueError: a model whose logits are no numbers.
    """
    with evaluating(model):
        logits = blank_logits(model, recipe, blanks)
    check_likeliest(logits)
    return 100 * (logits.argmax(-1) == blanks.missing).double().mean().item()
