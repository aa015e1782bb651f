"""What the lesson measures besides its curves.

In reading order:

    few_shots    episodes of clothes and of emoji
    ways         what moves and what breaks
    certainty    how sure a number is
    peeking      how much choosing on the pictures that judge adds
"""

from fmlib.self_supervised.adaptation.experiments.certainty import draws_needed, many_draws
from fmlib.self_supervised.adaptation.experiments.few_shots import (
    artist_episode,
    episodes,
    few_shot_clothes,
    few_shot_emoji,
    gray_emoji,
)
from fmlib.self_supervised.adaptation.experiments.peeking import (
    PEEKED,
    best_of_draws,
    flattery,
    right_by_strength,
)
from fmlib.self_supervised.adaptation.experiments.ways import (
    LABELS,
    MOVED,
    WAYS,
    accuracy_in_training_mode,
    adapted,
    feature_drift,
    head_on,
    moved_pictures,
    rate_scan,
)

__all__ = [
    "LABELS",
    "MOVED",
    "PEEKED",
    "WAYS",
    "accuracy_in_training_mode",
    "adapted",
    "artist_episode",
    "best_of_draws",
    "draws_needed",
    "episodes",
    "feature_drift",
    "few_shot_clothes",
    "few_shot_emoji",
    "flattery",
    "gray_emoji",
    "head_on",
    "many_draws",
    "moved_pictures",
    "rate_scan",
    "right_by_strength",
]
