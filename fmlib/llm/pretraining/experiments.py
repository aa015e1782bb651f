"""All rows of the lesson on pretraining: `make compare WHAT=pretraining` runs each with three seeds.

Rates, schedules, batch sizes, warm-up and clipping of short runs are judged on the validation plays, in bits per
character, and so are the runs to which the scaling law is fitted: what is chosen by these numbers is not reported on the
test plays.
"""

import math
from dataclasses import replace
from typing import Any

import torch

from fmlib import scale
from fmlib.data import load_shakespeare
from fmlib.llm.gpt.measure import nats_per_token
from fmlib.llm.pretraining.scaling import scaling_recipes
from fmlib.llm.pretraining.training import Recipe, shakespeare_tokens, text_bits_per_character, train_gpt
from fmlib.llm.tokens.characters import ByteTokenizer
from fmlib.results.compare import Comparison
from fmlib.training.schedules import Schedule

RATES = {"rate_low": 1e-3, "rate_middle": 3e-3, "rate_high": 1e-2}
OPTIMIZERS = ("adamw", "muon")
BATCH_SIZES = {"batch_2": 2, "batch_8": 8, "batch_32": 32}
SCHEDULES: dict[str, Schedule] = {"falls_along_cosine": "cosine", "falls_along_line": "linear"}
STABILITY = {  # what keeps a high rate in check
    "as_it_is": {},
    "no_warmup": {"warmup": 0},
    "no_clipping": {"clip": None},
    "neither": {"warmup": 0, "clip": None},
}
BEYOND = {  # rows that check what the others suggest
    "rate_higher_muon": {"rate": 3e-2},  # beyond the highest of `RATES`, where Muon is best
    "batch_32_faster": {"batch_size": 32, "rate": 1.6e-2},  # the others have the rate that suits batches of 8
}
NO_WARMUP = {  # warm-up left out where the rate is not too high
    "no_warmup_middle": {"optimizer": "adamw", "rate": RATES["rate_middle"]},
    "no_warmup_muon": {},
}


def changed(row: str) -> tuple[Recipe, dict[str, Any]]:
    """The short recipe with the one change that a row is named for, and options for `fit`.

    Raises:
        ValueError: an unknown row.
    """
    short = Recipe.short()
    if row in BATCH_SIZES:  # as many tokens in all, so fewer steps of larger batches
        size = BATCH_SIZES[row]
        return replace(short, batch_size=size, steps=max(1, short.steps * short.batch_size // size)), {}
    if row in BEYOND:
        recipe = replace(short, **BEYOND[row])
        return replace(recipe, steps=max(1, short.steps * short.batch_size // recipe.batch_size)), {}
    if row in NO_WARMUP:
        return replace(short, **NO_WARMUP[row]), {"warmup": 0}
    if row in SCHEDULES:
        return replace(short, schedule=SCHEDULES[row]), {}
    for optimizer in OPTIMIZERS:
        name = row.removesuffix(f"_{optimizer}")
        if name != row and name in RATES:
            return replace(short, optimizer=optimizer, rate=RATES[name]), {}
    if row in STABILITY:
        return replace(short, optimizer="adamw", rate=RATES["rate_high"]), dict(STABILITY[row])
    raise ValueError(f"there is no row {row!r}: expected one of {', '.join(SHORT_ROWS)}")


SHORT_ROWS = (
    *(f"{rate}_{optimizer}" for optimizer in OPTIMIZERS for rate in RATES),
    *BATCH_SIZES,
    *SCHEDULES,
    *STABILITY,
    *BEYOND,
    *NO_WARMUP,
)


def short_row(row: str, seed: int, **options: Any) -> dict[str, float]:
    """Bits per character of validation plays after a short run with one change."""
    recipe, more = changed(row)
    tokenizer, tokens = shakespeare_tokens(recipe.model.vocab_size)
    model, _ = train_gpt(tokens, recipe, seed, **{"progress": False, **more, **options})
    held_out = load_shakespeare("validation").text[: scale.pick(smoke=500, cpu=100_000, gpu=100_000)]
    return {row: text_bits_per_character(model, tokenizer, held_out)}


def scaling_rows() -> dict[str, Recipe]:
    """Row -> recipe of each run of the scaling law, the larger one that is predicted last."""
    small, larger = scaling_recipes(vocab_size=256)
    return {f"width_{recipe.model.dim}": recipe for recipe in (*small, larger)}


def scaling_row(row: str, seed: int, **options: Any) -> dict[str, float]:
    """Bits per character (here a byte) of validation plays that a model of one size reaches."""
    recipe = scaling_rows()[row]
    train, held_out = (
        torch.tensor(ByteTokenizer().encode(load_shakespeare(split).text))
        for split in ("train", "validation")
    )
    model, _ = train_gpt(train, recipe, seed, **{"progress": False, **options})
    held_out = held_out[: scale.pick(smoke=500, cpu=100_000, gpu=300_000)]
    return {row: nats_per_token(model, held_out) / math.log(2)}


COMPARISON = Comparison(
    version=2,
    prefix="llm/pretraining",
    unit="bits",
    measured="bits per character of validation plays",
    rows={
        **{row: (lambda seed, row=row: short_row(row, seed)) for row in SHORT_ROWS},
        **{row: (lambda seed, row=row: scaling_row(row, seed)) for row in scaling_rows()},
    },
)
