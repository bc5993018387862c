"""The registry: every way of learning by its name.  A new one is one file (here or beside its model), one line here."""

from colorizer.models import MODELS
from colorizer.objectives.adversarial import Adversarial
from colorizer.objectives.base import Loss, Objective
from colorizer.objectives.classification import Classification
from colorizer.objectives.hints import HintedRegression
from colorizer.objectives.judged import Judged
from colorizer.objectives.masked import MaskedPrediction
from colorizer.objectives.perceptual import Perceptual
from colorizer.objectives.regression import Regression
from colorizer.recipe import Recipe

OBJECTIVES: dict[str, type[Objective]] = {
    "classification": Classification,
    "perceptual": Perceptual,
    "judged": Judged,
    "regression": Regression,
    "masked": MaskedPrediction,
    "hints": HintedRegression,
    "adversarial": Adversarial,
}


def objective_of(recipe: Recipe) -> type[Objective]:
    """The class of the recipe's objective: the one it names, or its model's own."""
    return OBJECTIVES[recipe.objective or MODELS[recipe.model].objective]


__all__ = ["OBJECTIVES", "Classification", "Loss", "MaskedPrediction", "Objective", "objective_of"]
