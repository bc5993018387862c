"""Intervals of a binomial share, which take every trial for a person of its own: as most papers print them."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis import proportions
from analysis.estimate import FoolRate
from analysis.estimators.base import THESE_TRIALS, Estimate


def estimates(rate: FoolRate, rows: pd.DataFrame, design: str) -> Iterator[Estimate]:
    """Give the rate with four intervals of the pooled share."""
    k, n = rate.n_fooled, rate.n_trials
    for name, interval in (
        ("Wilson", proportions.wilson(k, n, rate.confidence)),
        ("Clopper–Pearson", proportions.clopper_pearson(k, n, rate.confidence)),
        ("Agresti–Coull", proportions.agresti_coull(k, n, rate.confidence)),
        ("Jeffreys", proportions.jeffreys(k, n, rate.confidence)),
    ):
        yield Estimate(name, THESE_TRIALS, rate.fool_rate, float(interval.low), float(interval.high), "naive")
