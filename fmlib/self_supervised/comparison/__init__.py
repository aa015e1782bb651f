"""The lesson that puts all methods of the chapter side by side, in reading order: `budget` gives each the same budget,
`counting` checks that it is kept, `measures` are what features are asked, `cost` what a step of each takes, `experiments`
all rows with three seeds, `rows` what the ledger has of them and any one computed now, `judging` what may be said of the
differences, `unfair` how to be ahead without being better; `plots` and `diagrams` draw.
"""

from fmlib.self_supervised.comparison.budget import METHODS, Budget
from fmlib.self_supervised.comparison.cost import StepCost, step_cost
from fmlib.self_supervised.comparison.counting import pictures_seen, seen_by_learner
from fmlib.self_supervised.comparison.judging import (
    expected_best,
    paired_difference,
    pareto_front,
    score_of_chosen,
    sign_flip_p,
)
from fmlib.self_supervised.comparison.measures import measure
from fmlib.self_supervised.comparison.rows import compute_row

__all__ = [
    "METHODS",
    "Budget",
    "StepCost",
    "compute_row",
    "expected_best",
    "measure",
    "paired_difference",
    "pareto_front",
    "pictures_seen",
    "score_of_chosen",
    "seen_by_learner",
    "sign_flip_p",
    "step_cost",
]
