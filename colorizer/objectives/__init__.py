"""The registry: every way of learning by its name.  A new one is one file (here or beside its model), one line here."""

from colorizer.objectives.adversarial import Adversarial
from colorizer.objectives.base import Loss, Objective
from colorizer.objectives.classification import Classification
from colorizer.objectives.hints import HintedRegression
from colorizer.objectives.regression import Regression

OBJECTIVES: dict[str, type[Objective]] = {
    "classification": Classification,
    "regression": Regression,
    "hints": HintedRegression,
    "adversarial": Adversarial,
}

__all__ = ["OBJECTIVES", "Loss", "Objective"]
