"""From a definition and photographs to trials: pure functions of their arguments.

`partition_photos` gives each photograph its role for the whole study, `assign_arm` deals conditions to sessions,
`plan_trials` makes one session's trials, and `Plan.presented` says which trial comes when some had to be void.
"""

from study.design.cells import ANSWERS, CELLS, ORDERS, SIDES, Cell, cells_of, other
from study.design.errors import DesignError
from study.design.plan import PRACTICE, Plan, PlannedTrial, assign_arm, plan_trials
from study.design.pools import ROLES, Pools, Treatment, partition_photos

__all__ = [
    "ANSWERS",
    "CELLS",
    "ORDERS",
    "PRACTICE",
    "ROLES",
    "SIDES",
    "Cell",
    "DesignError",
    "Plan",
    "PlannedTrial",
    "Pools",
    "Treatment",
    "assign_arm",
    "cells_of",
    "other",
    "partition_photos",
    "plan_trials",
]
