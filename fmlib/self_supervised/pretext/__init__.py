"""Pretext tasks: questions whose answers come with the data, and which shortcut each of them leaves open.

In reading order:

    rotation       by how much was the picture turned?
    jigsaw         how were its tiles shuffled?
    colorization   which colors did it have?
    cpc            what comes next in the recording? Contrastive predictive coding
    diagrams       the networks, drawn
    training       how each is trained here: `recipe`, and a file for each
    listening      what features of sound are worth
    shortcuts      cues to plant, to take away, to measure
    experiments    the comparisons of the lesson
"""

from fmlib.self_supervised.pretext.colorization import ColorizationNet
from fmlib.self_supervised.pretext.cpc import CPC, CPCConfig
from fmlib.self_supervised.pretext.jigsaw import JigsawConfig, JigsawNet
from fmlib.self_supervised.pretext.rotation import RotationNet
from fmlib.self_supervised.pretext.training import (
    Puzzle,
    Recipe,
    train_colorizer,
    train_cpc,
    train_jigsaw,
    train_regressor,
    train_rotation,
)

__all__ = [
    "CPC",
    "CPCConfig",
    "ColorizationNet",
    "JigsawConfig",
    "JigsawNet",
    "Puzzle",
    "Recipe",
    "RotationNet",
    "train_colorizer",
    "train_cpc",
    "train_jigsaw",
    "train_regressor",
    "train_rotation",
]
