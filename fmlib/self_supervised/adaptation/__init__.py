"""Adaptation: what to do with a pretrained encoder when there are labels, few or many.

In reading order:

    prototypes        the nearest class mean, which has nothing to train
    probe             the linear probe from its parts
    episodes          few-shot tasks, and how sure their average is
    fine_tuning       the encoder goes on learning; what must stand still
    label_efficiency  every way against the number of labels
    watching          what can be seen without labels, and what it is worth
    experiments       what moves, what breaks, how sure a number is, how peeking flatters
    diagrams          the five ways, drawn
    plots             the lesson's figures
"""

from fmlib.self_supervised.adaptation.episodes import (
    episode_accuracy,
    mean_interval,
    sample_episode,
    split_episode,
)
from fmlib.self_supervised.adaptation.fine_tuning import (
    Classifier,
    Frozen,
    StillNorms,
    Tuning,
    fine_tune,
    parameter_groups,
    train_classifier,
)
from fmlib.self_supervised.adaptation.probe import (
    choose_strength,
    logistic_regression,
    probe_head,
    standardize,
)
from fmlib.self_supervised.adaptation.prototypes import class_means, nearest_mean
from fmlib.self_supervised.adaptation.watching import pretrain, rank_correlation, signals

__all__ = [
    "Classifier",
    "Frozen",
    "StillNorms",
    "Tuning",
    "choose_strength",
    "class_means",
    "episode_accuracy",
    "fine_tune",
    "logistic_regression",
    "mean_interval",
    "nearest_mean",
    "parameter_groups",
    "pretrain",
    "probe_head",
    "rank_correlation",
    "sample_episode",
    "signals",
    "split_episode",
    "standardize",
    "train_classifier",
]
