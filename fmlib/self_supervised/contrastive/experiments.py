"""All rows of the lesson on contrastive learning: `make compare WHAT=contrastive` runs each with three seeds."""

from fmlib.results.compare import Comparison
from fmlib.self_supervised.contrastive.ablations import (
    AUGMENTATIONS,
    BATCH_SIZES,
    OPTIMIZERS,
    QUEUES,
    TEMPERATURES,
    ablation_row,
)
from fmlib.self_supervised.contrastive.emoji_views import EMOJI_VIEWS, emoji_row
from fmlib.self_supervised.contrastive.label_efficiency import (
    careless_row,
    moco_row,
    pixels_row,
    random_row,
    simclr_row,
    supervised_row,
)
from fmlib.self_supervised.contrastive.taken_apart import LOSSES, taken_apart_row

COMPARISON = Comparison(
    version=3,
    prefix="self_supervised/contrastive",
    rows={
        "pixels": pixels_row,
        "random": random_row,
        "supervised": supervised_row,
        "careless": careless_row,
        "simclr": simclr_row,
        "moco": moco_row,
        **{
            row: (lambda seed, row=row: ablation_row(row, seed))
            for row in [*TEMPERATURES, *BATCH_SIZES, *OPTIMIZERS, *AUGMENTATIONS, "queue_simclr", *QUEUES]
        },
        **{row: (lambda seed, row=row: taken_apart_row(row, seed)) for row in LOSSES},
        **{
            row: (lambda seed, row=row: emoji_row(row, seed))
            for row in ["emoji_pixels", "emoji_random", *EMOJI_VIEWS]
        },
    },
)
