"""Other estimates of the same rate, side by side, each with what it is about and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.estimate import BOTH, FoolRate
from analysis.estimators import ESTIMATORS
from analysis.estimators.base import LARGEST_FIT, Estimate, capital


@dataclass(frozen=True)
class MixedTerm:
    """One line of a mixed model: a fixed effect on the logit or a standard deviation of random effects."""

    term: str
    estimate: float
    se: float


@dataclass(frozen=True)
class Mixed:
    """The mixed model of all conditions: its lines, its marginal rates by condition, and what to know about it.

    `terms` is empty where it was not fitted; `note` then says why.
    """

    terms: tuple[MixedTerm, ...] = ()
    marginal: dict[str, Estimate] = field(default_factory=dict)
    note: str = ""


def secondary_estimates(rate: FoolRate, mixed: Mixed, rows: pd.DataFrame, design: str) -> tuple[Estimate, ...]:
    """Estimate one condition's rate again by every other method; the primary estimate comes first.

    `rows` are the condition's trials with participant, image and fooled (0/1); a large table's are not drawn again.
    """
    found = [Estimate(capital(rate.method), rate.estimand, rate.fool_rate, rate.ci_low, rate.ci_high, "primary")]
    if rate.condition in mixed.marginal:
        found.append(mixed.marginal[rate.condition])
    for estimator in ESTIMATORS:
        found += estimator.estimates(rate, rows, design)
    return tuple(found)


def mixed(test: pd.DataFrame, confidence: float, design: str) -> Mixed:
    """Fit the logistic mixed model to a long table; a table that carries none gets a note instead."""
    if len(test) > LARGEST_FIT:
        return Mixed(note=f"not fitted to more than {LARGEST_FIT:,} trials; use analysis.mixed_model")
    from analysis.mixed.model import mixed_model

    try:
        model = mixed_model(
            test["fooled"],
            test["participant"],
            test["image"],
            test["condition"].astype(str),
            confidence=confidence,
            design=design,
        )
    except (ValueError, np.linalg.LinAlgError) as error:
        return Mixed(note=f"not fitted: {error}")
    terms = tuple(
        MixedTerm(name, float(estimate), float(se))
        for name, estimate, se in zip(model.terms, model.estimates, model.se, strict=True)
    )
    note = "; ".join(model.warnings)
    name = f"Logistic mixed model ({model.method}), marginal rate"
    marginal = {
        one.condition: Estimate(name, BOTH, one.estimate, one.ci_low, one.ci_high, "model")
        for one in model.marginal
        if np.isfinite([one.ci_low, one.ci_high]).all() and model.is_converged
    }
    return Mixed(terms, marginal, f"{model.formula}{'; ' + note if note else ''}")
