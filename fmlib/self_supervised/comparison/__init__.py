"""The lesson that puts all methods of the chapter side by side, in reading order: `budget` gives each the same budget,
`measures` are what features are asked, `cost` what a step of each takes, `experiments` all rows with three seeds.
"""

from fmlib.self_supervised.comparison.budget import METHODS, Budget
from fmlib.self_supervised.comparison.cost import StepCost, step_cost
from fmlib.self_supervised.comparison.measures import measure

__all__ = ["METHODS", "Budget", "StepCost", "measure", "step_cost"]
