"""What features of sound are worth: which word is said, by a voice never heard; and whose voice it is."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from fmlib import scale
from fmlib.checks import FLOAT, LONG, check_tensors, check_whole
from fmlib.data import Recordings, load_spoken_words
from fmlib.data.spoken_words import RATE
from fmlib.evaluate import evaluating, linear_probe
from fmlib.self_supervised.pretext.cpc import CPC

Hear = Callable[[Tensor], Tensor]  # recordings [n, samples] -> features [n, frames, dim]


def log_mel(
    waves: Float[Tensor, "n samples"], bands: int = 32, window: int = 256, frame: int = 80
) -> Float[Tensor, "n frames bands"]:
    """The classical features of speech: the logarithm of the energy in bands that the ear hears as equally wide.

    Args:
        waves: 8,000 samples a second.
        bands: from 0 to 4,000 Hz.
        window, frame: samples of a Hann window, and from one to the next.

    Raises:
        TypeError, ValueError: not recordings in floats, shorter than a window, or sizes that are not positive.

    Source: Davis and Mermelstein 1980, without the last step (a cosine transform).
    """
    check_tensors(("waves", waves, FLOAT, "n samples"))
    for name, size in {"bands": bands, "window": window, "frame": frame}.items():
        check_whole(name, size)
    if waves.shape[1] < window:
        raise ValueError(f"waves have {waves.shape[1]} samples: expected at least {window}, a window")
    pieces = waves.unfold(1, window, frame) * torch.hann_window(
        window, dtype=waves.dtype, device=waves.device
    )
    energy = torch.fft.rfft(pieces).abs().square()  # [n, frames, frequencies]
    return (energy @ mel_bands(bands, window).to(energy) + 1e-4).log()


def mel_bands(bands: int, window: int) -> Float[Tensor, "frequencies bands"]:
    """Triangles over the frequencies, equally wide on the mel scale."""
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)  # Hz
    frequencies = torch.linspace(0, RATE / 2, window // 2 + 1)[:, None]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    return torch.minimum(rising, falling).clamp(min=0)


def pool_time(features: Float[Tensor, "n frames dim"], parts: int = 4) -> Float[Tensor, "n pooled"]:
    """Means over equal parts of the time, so that beginning and end of a word are told apart."""
    check_tensors(("features", features, FLOAT, "n frames dim"))
    check_whole("parts", parts)
    return F.adaptive_avg_pool1d(features.transpose(1, 2), parts).flatten(1)


@torch.no_grad()
def hear(model: CPC, waves: Tensor, what: int) -> Float[Tensor, "n frames dim"]:
    """Frames z (what = 0) or contexts c (what = 1) of many recordings."""
    device = next(model.parameters()).device
    with evaluating(model):
        return torch.cat([model(batch.to(device))[what].cpu() for batch in waves.split(128)])


def word_and_voice(features: Hear, test: str = "held_out_voices") -> dict[str, float]:
    """Two linear probes on the same features, in per cent.

    Args:
        features: recordings -> features of each frame.
        test: whose words are asked for, "validation" or "held_out_voices".

    Returns:
        "word": of voices that neither the features nor the probe has heard; "voice": of the training voices, in takes that
        neither has heard.
    """
    train, takes, voices = (_some(load_spoken_words(split)) for split in ("train", "held_out_takes", test))
    known = pool_time(features(train.waves))
    word = linear_probe(known, train.words, pool_time(features(voices.waves)), voices.words)
    voice = linear_probe(known, train.voices, pool_time(features(takes.waves)), takes.voices)
    return {"word": word, "voice": voice}


def _some(recordings: Recordings) -> Recordings:
    """All recordings; at scale smoke a few voices."""
    few = recordings.voices <= recordings.voices.min() + 1
    return scale.pick(smoke=recordings.subset(few), cpu=recordings, gpu=recordings)


def voice_folds(voices: Int64[Tensor, "n"]) -> list[tuple[Bool[Tensor, "n"], Bool[Tensor, "n"]]]:
    """Ways to split recordings so that no voice is on both sides: each voice is tested by what the others taught.

    Args:
        voices: who speaks in each recording.

    Returns:
        For each voice, from the lowest number on: which recordings to train on, and which to test on.

    Raises:
        TypeError: not torch.long.
        ValueError: fewer than two voices.
    """
    check_tensors(("voices", voices, LONG, "n"))
    every = voices.unique()
    if len(every) < 2:
        raise ValueError(f"voices has {len(every)} voice: expected at least two")
    return [(voices != voice, voices == voice) for voice in every]
