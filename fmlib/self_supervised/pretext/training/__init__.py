"""How each pretext task is trained in this lesson. Everything is a function of a seed.

In reading order:

    recipe          the numbers of a run
    rotation        which way is up
    jigsaw          puzzles, and an encoder for whole pictures from one of tiles
    colorization    a choice from a palette, or the colors themselves
    sound           contrastive predictive coding
"""

from fmlib.self_supervised.pretext.training.colorization import (
    Paintings,
    color_targets,
    palette_of,
    train_colorizer,
    train_regressor,
)
from fmlib.self_supervised.pretext.training.jigsaw import (
    Prepare,
    Puzzle,
    Seeing,
    as_it_is,
    jigsaw_accuracy,
    picture_encoder,
    train_jigsaw,
)
from fmlib.self_supervised.pretext.training.recipe import Recipe
from fmlib.self_supervised.pretext.training.rotation import rotation_answers, train_rotation
from fmlib.self_supervised.pretext.training.sound import make_cpc, train_cpc, vary

__all__ = [
    "Paintings",
    "Prepare",
    "Puzzle",
    "Recipe",
    "Seeing",
    "as_it_is",
    "color_targets",
    "jigsaw_accuracy",
    "make_cpc",
    "palette_of",
    "picture_encoder",
    "rotation_answers",
    "train_colorizer",
    "train_cpc",
    "train_jigsaw",
    "train_regressor",
    "train_rotation",
    "vary",
]
