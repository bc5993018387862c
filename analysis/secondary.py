"""Other estimates of the same rate, side by side, each with what it is about and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis import proportions
from analysis.bootstrap import nested_bootstrap, participant_bootstrap, two_way_bootstrap
from analysis.estimate import BOTH, FoolRate

# A fit, or a bootstrap, of more trials takes longer than the rest of the report.
LARGEST_FIT = 50_000

# Enough for a table's second digit; percentiles of 2,000 draws are good to a twentieth of the interval's width.
TWO_WAY_DRAWS, NESTED_DRAWS = 2_000, 2_000
NESTED = "nested bootstrap of AMT_Real_vs_Fake, mean ± sd"

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


def secondary_estimates(rate: FoolRate, mixed: Mixed, rows: pd.DataFrame, design: str) -> tuple[Estimate, ...]:
    """Estimate one condition's rate again by every other method; the primary estimate comes first.

    `rows` are the condition's trials with participant, image and fooled (0/1); a large table's are not drawn again.
    """
    k, n, p = rate.n_fooled, rate.n_trials, rate.fool_rate
    found = [Estimate(_capital(rate.method), rate.estimand, p, rate.ci_low, rate.ci_high, "primary")]
    if rate.condition in mixed.marginal:
        found.append(mixed.marginal[rate.condition])
    found += _bootstraps(rate, rows, design)
    for name, interval in (
        ("Wilson", proportions.wilson(k, n, rate.confidence)),
        ("Clopper–Pearson", proportions.clopper_pearson(k, n, rate.confidence)),
        ("Agresti–Coull", proportions.agresti_coull(k, n, rate.confidence)),
        ("Jeffreys", proportions.jeffreys(k, n, rate.confidence)),
    ):
        found.append(Estimate(name, THESE_TRIALS, p, float(interval.low), float(interval.high), "naive"))
    return tuple(found)


def _bootstraps(rate: FoolRate, rows: pd.DataFrame, design: str) -> list[Estimate]:
    """The bootstraps that the layout allows; none of a rate without variance, which they would call certain."""
    if rate.n_fooled in {0, rate.n_trials} or rate.n_participants < 2 or len(rows) > LARGEST_FIT:
        return []
    found = []
    if rate.n_images > 1:
        both = two_way_bootstrap(
            rows["fooled"],
            rows["participant"],
            rows["image"],
            confidence=rate.confidence,
            n_draws=TWO_WAY_DRAWS,
            design=design,
        )
        found.append(Estimate(_drawn(both.method, both.n_draws), BOTH, rate.fool_rate, both.ci_low, both.ci_high))
    people = participant_bootstrap(rows["fooled"], rows["participant"], confidence=rate.confidence, design=design)
    found.append(
        Estimate(_drawn(people.method, people.n_draws), people.estimand, rate.fool_rate, people.ci_low, people.ci_high)
    )
    nested = nested_bootstrap(rows["fooled"], rows["participant"], n_draws=NESTED_DRAWS, design=design)
    mean, sd = float(nested.mean[0]), float(nested.sd[0])
    reads = "mean ± 1 sd, as papers that used the tool print it: these images, participants' noise counted twice"
    found.append(Estimate(_drawn(NESTED, nested.n_draws), reads, mean, mean - sd, mean + sd, "± sd"))
    return found


def _drawn(method: str, n_draws: int) -> str:
    return f"{_capital(method)}, {n_draws:,} draws"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


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
