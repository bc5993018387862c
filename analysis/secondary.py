"""Other estimates of the same rate, side by side, each with what it is about and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis import proportions
from analysis.estimate import BOTH, FoolRate

# A fit of more trials takes longer than the rest of the report.
LARGEST_FIT = 50_000

THESE_TRIALS = "these trials only: ignores clustering"


@dataclass(frozen=True)
class Estimate:
    """One method's rate and interval for one condition, with its estimand."""

    method: str
    estimand: str
    rate: float
    ci_low: float
    ci_high: float
    note: str = ""

    @property
    def short(self) -> str:
        """The method's name up to its first comma, for a figure."""
        return self.method.split(",")[0].split(" (")[0]


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


def secondary_estimates(rate: FoolRate, mixed: Mixed) -> tuple[Estimate, ...]:
    """Estimate one condition's rate again by every other method; the primary estimate comes first."""
    k, n, p = rate.n_fooled, rate.n_trials, rate.fool_rate
    rows = [Estimate(rate.method, rate.estimand, p, rate.ci_low, rate.ci_high, "primary")]
    if rate.condition in mixed.marginal:
        rows.append(mixed.marginal[rate.condition])
    for name, interval in (
        ("Wilson", proportions.wilson(k, n, rate.confidence)),
        ("Clopper–Pearson", proportions.clopper_pearson(k, n, rate.confidence)),
        ("Agresti–Coull", proportions.agresti_coull(k, n, rate.confidence)),
        ("Jeffreys", proportions.jeffreys(k, n, rate.confidence)),
    ):
        rows.append(Estimate(name, THESE_TRIALS, p, float(interval.low), float(interval.high), "naive"))
    return tuple(rows)


def mixed(test: pd.DataFrame, confidence: float) -> Mixed:
    """Fit the logistic mixed model to a long table; a table that carries none gets a note instead."""
    if len(test) > LARGEST_FIT:
        return Mixed(note=f"not fitted to more than {LARGEST_FIT:,} trials; use analysis.mixed_model")
    from analysis.mixed.model import mixed_model

    try:
        model = mixed_model(
            test["fooled"], test["participant"], test["image"], test["condition"].astype(str), confidence=confidence
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
