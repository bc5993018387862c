"""Tests of plain counts, for tables without participants or photographs.  Every one of them ignores clustering.

With trials that share participants or photographs their p-values are far too small; `fool_rate(…).p_value` and
`difference` are the tests for those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from analysis.proportions import LABEL, wilson

Alternative = Literal["two-sided", "less", "greater"]


@dataclass(frozen=True)
class CountTest:
    """A p-value and what it is of.  `statistic` is NaN for exact tests."""

    name: str
    p: float
    statistic: float = math.nan
    label: str = LABEL


@dataclass(frozen=True)
class TwoShares:
    """Difference of two shares k1/n1 − k2/n2 with Newcombe's interval and three tests."""

    difference: float
    ci_low: float
    ci_high: float
    chi2: CountTest
    chi2_corrected: CountTest
    fisher: CountTest
    label: str = LABEL


def binomial_test(k: int, n: int, null: float, alternative: Alternative = "two-sided") -> CountTest:
    """Exact test of k of n against a rate; `alternative` is two-sided, less or greater."""
    _check(k, n)
    if not 0 < null < 1:
        raise ValueError(f"null: expected a rate between 0 and 1, got {null}; write 10 % as 0.1")
    if alternative not in {"two-sided", "less", "greater"}:
        raise ValueError(f"alternative: expected two-sided, less or greater, got {alternative!r}")
    p = float(stats.binomtest(int(k), int(n), null, alternative=alternative).pvalue)
    return CountTest(f"exact binomial test ({alternative}) against {null:g}", p)


def equivalence_test(k: int, n: int, centre: float, margin: float) -> CountTest:
    """Exact two one-sided tests: p that the rate lies outside centre ± margin after all (Schuirmann 1987)."""
    if not 0 < margin < min(centre, 1 - centre):
        raise ValueError(
            f"margin: expected between 0 and {min(centre, 1 - centre):g}, got {margin}; declare it beforehand"
        )
    lower = binomial_test(k, n, centre - margin, "greater").p
    upper = binomial_test(k, n, centre + margin, "less").p
    return CountTest(f"exact two one-sided tests, {centre:g} ± {margin:g}", max(lower, upper))


def two_shares(k1: int, n1: int, k2: int, n2: int, confidence: float = 0.95) -> TwoShares:
    """Compare two independent shares: χ² with and without continuity correction, Fisher, Newcombe's interval 10."""
    _check(k1, n1)
    _check(k2, n2)
    p1, p2 = k1 / n1, k2 / n2
    one, other = wilson(k1, n1, confidence), wilson(k2, n2, confidence)
    gap = p1 - p2
    low = gap - math.hypot(p1 - float(one.low), float(other.high) - p2)
    high = gap + math.hypot(float(one.high) - p1, p2 - float(other.low))
    table = np.array([[k1, n1 - k1], [k2, n2 - k2]])
    if k1 + k2 in {0, n1 + n2}:
        nothing = CountTest("χ²: no variation, undefined", math.nan)
        return TwoShares(gap, low, high, nothing, nothing, CountTest("Fisher's exact test", 1.0))
    plain, corrected = (stats.chi2_contingency(table, correction=yes) for yes in (False, True))
    return TwoShares(
        gap,
        low,
        high,
        CountTest("χ² without continuity correction", float(plain.pvalue), float(plain.statistic)),
        CountTest("χ² with continuity correction", float(corrected.pvalue), float(corrected.statistic)),
        CountTest("Fisher's exact test", float(stats.fisher_exact(table).pvalue)),
    )


def mcnemar(b: int, c: int) -> CountTest:
    """Exact McNemar test of b against c discordant pairs."""
    if b < 0 or c < 0:
        raise ValueError(f"McNemar: expected counts of 0 or more, got {b} and {c}")
    if b + c == 0:
        return CountTest("McNemar: no discordant pairs", 1.0)
    return CountTest("McNemar's exact test", float(stats.binomtest(int(b), int(b + c), 0.5).pvalue))


def _check(k: int, n: int) -> None:
    if not (n > 0 and 0 <= k <= n):
        raise ValueError(f"k of n: expected 0 ≤ k ≤ n and n > 0, got {k} of {n}; count the scored trials again")
