"""How the quick start judges what a method has learned: one small function for each kind of data.

Each asks about held-out data, and puts beside the answer what needs no training. Pictures, spoken words and letters are
those of validation splits: a quick start may be run again and again, and what is chosen by it has spoiled no test. Emoji
and the voices of recordings have no such split, and are asked about the data that the lesson asks about.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fmlib import scale
from fmlib.data import load_fashion_mnist, load_spoken_words
from fmlib.evaluate import embed, evaluating, linear_probe
from fmlib.self_supervised.encoder import make_encoder
from fmlib.self_supervised.masked.bert import BertPretraining
from fmlib.self_supervised.masked.experiments import asked_nats
from fmlib.self_supervised.masked.guesses import choose_between, left_nats
from fmlib.self_supervised.masked.pairs import join_pairs
from fmlib.self_supervised.masked.plays import MARKS, ask, load_plays
from fmlib.self_supervised.pretext.cpc import CPC
from fmlib.self_supervised.pretext.experiments import (
    emoji_commonest,
    emoji_drawings,
    emoji_probes,
    gray_of,
)
from fmlib.self_supervised.pretext.listening import hear, log_mel, pool_time, word_and_voice
from fmlib.self_supervised.pretext.training import make_cpc
from fmlib.training.batches import consecutive_pieces

CONTEXTS = 1  # what `hear` returns of a CPC: not its frames, but what it has heard so far
CHOOSING = 50_000  # letters of the validation plays that the counts are smoothed by; the others are asked for


@dataclass(frozen=True)
class Report:
    """What was learned, and what needs no training, asked the same.

    Args:
        asked: the question, in a line.
        row: how an answer reads, a format of its `name` and its numbers.
        answers: name -> the numbers, what was learned first.
        drawn: what was drawn only once.
    """

    asked: str
    row: str
    answers: Mapping[str, Mapping[str, float]]
    drawn: str = "One seed"

    def __str__(self) -> str:
        rows = (self.row.format(name=name, **numbers) for name, numbers in self.answers.items())
        last = f"{self.drawn}: the lesson has the measured comparison."
        return "\n".join([self.asked, *("  " + row for row in rows), last])


# ---- pictures


def picture_features(encoder: nn.Module) -> Float[Tensor, "pictures features"]:
    """Of the 2,000 validation pictures, in their order."""
    return embed(encoder, load_fashion_mnist("validation").images)


def judge_pictures(encoder: nn.Module, seed: int) -> Report:
    """A linear probe with 100 labels of validation pictures, asked for the 1,900 others; beside it raw pixels.

    Args:
        encoder: from pictures to features.
        seed: which pictures have labels.
    """
    pictures = load_fashion_mnist("validation")
    known = pictures.sample(10, torch.Generator().manual_seed(seed))
    rows = torch.isin(pictures.source_index, known.source_index)
    told = {"learned features": picture_features(encoder), "raw pixels": pictures.images.flatten(1) / 255}
    return Report(
        "With 100 labels, a linear probe names of 1,900 other pictures",
        "{right:5.1f} % right from {name}",
        {
            name: {"right": linear_probe(x[rows], pictures.labels[rows], x[~rows], pictures.labels[~rows])}
            for name, x in told.items()
        },
        drawn="One seed and one draw of labels",
    )


# ---- emoji


def emoji_features(encoder: nn.Module) -> Float[Tensor, "drawings features"]:
    """Of the gray drawings of held-out emoji."""
    return embed(encoder, gray_of(emoji_drawings("held_out_emoji")))


def judge_emoji(encoder: nn.Module, seed: int) -> Report:
    """The lesson's probes: what held-out emoji show, and who drew them; beside them what the lesson has there.

    Emoji have no validation split: the lesson asks about the same drawings.

    Args:
        encoder: from gray pictures to features.
        seed: of the random weights beside it.
    """
    answers = {
        "learned features": emoji_probes(encoder),
        "random weights": emoji_probes(make_encoder(1, seed)),
        "gray pixels": emoji_probes(nn.Flatten()),
        "the commonest answer": emoji_commonest(),
    }
    return Report(
        f"Of {len(emoji_drawings('held_out_emoji'))} gray drawings of other emoji, a linear probe tells",
        "{group:5.1f} % of the groups and {artist:5.1f} % of the artists right from {name}",
        {
            name: {"group": found["known artists"], "artist": found["artist"]}
            for name, found in answers.items()
        },
    )


# ---- spoken words


def sound_features(model: CPC) -> Float[Tensor, "recordings features"]:
    """Of the validation recordings: the contexts, as the probes get them."""
    return pool_time(hear(model, load_spoken_words("validation").waves, CONTEXTS))


def judge_sound(model: CPC, seed: int) -> Report:
    """The lesson's probes, words by validation voices and voices in held-out takes; beside them random weights and the
    log-mel spectrogram.

    Args:
        model: trained.
        seed: of the random weights beside it.
    """
    untrained = make_cpc(seed, model.config)
    heard = {
        "learned features": lambda waves: hear(model, waves, CONTEXTS),
        "random weights": lambda waves: hear(untrained, waves, CONTEXTS),
        "the log-mel spectrogram, which nobody trained": log_mel,
    }
    return Report(
        "By voices that were never heard, a linear probe tells the word, and by others the voice",
        "{word:5.1f} % of the words and {voice:5.1f} % of the voices right from {name}",
        {name: word_and_voice(features, "validation") for name, features in heard.items()},
    )


# ---- letters


@torch.no_grad()
def letter_features(model: BertPretraining, most: int = 1000) -> Float[Tensor, "pieces features"]:
    """Of pieces of the validation plays with nothing hidden: the mean over all that the last block says of a piece."""
    plays, vocabulary = load_plays()
    length = model.config.max_length - MARKS
    first, second = consecutive_pieces(plays.validation, length)[:most].split(length // 2, dim=1)
    tokens, types = join_pairs(first, second, vocabulary.start, vocabulary.end)
    place, found = next(model.parameters()).device, []
    with evaluating(model):
        for rows in torch.arange(len(tokens)).split(256):
            hidden = model.bert.hidden(tokens[rows].to(place), types=types[rows].to(place))
            found.append(hidden.mean(dim=1).float().cpu())
    return torch.cat(found)


def judge_letters(model: BertPretraining, seed: int) -> Report:
    """Bits for each hidden letter of validation plays; beside them what counting says of the same letters.

    Args:
        model: trained.
        seed: which letters are hidden.
    """
    plays, vocabulary = load_plays()
    text, count = plays.validation[CHOOSING:], scale.pick(smoke=30, cpu=1500, gpu=1500)
    draw = torch.Generator().manual_seed(seed)
    asked = ask(text, model.config.max_length - MARKS, vocabulary, count, generator=draw)
    counted = plays.train[: scale.pick(smoke=30_000, cpu=None, gpu=None)].numpy()
    choosing, places = plays.validation[:CHOOSING].numpy(), asked.places.numpy()
    between = choose_between(counted, choosing, vocabulary.size)
    nats = {
        "BERT": asked_nats(model, asked).double(),
        "counts of the neighbors on both sides": between.nats(text.numpy(), places),
        "counts of letters": left_nats(counted, choosing, text.numpy(), vocabulary.size, 1)[places],
    }
    return Report(
        f"That is in nats. In bits, each of {len(places):,} hidden letters of plays that it has not seen costs",
        "{bits:5.2f} guessed by {name}",
        {name: {"bits": found.mean().item() / math.log(2)} for name, found in nats.items()},
    )
