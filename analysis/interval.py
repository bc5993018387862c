"""The interval of a fool rate, from its clustered variance.

All intervals here invert one statement, |p − p0| ≤ t √V(p0), for the rates p0 that a study does not rule out.

*Formula* (statistics.md): V(p0) = p0(1 − p0)/n_eff, the Wilson interval at the effective sample size, with t of
min(P, I) − 1 degrees of freedom.  It holds from 30 participants and 30 images on.

*Score*: V(p0) = b0/n + c·b0² with b0 = p0(1 − p0).  Trials' own variance is b0/n; what clusters add is the variance of
expit(b + effect), which grows with the square of b0 (the derivative of expit), not with b0.  c is matched to the
clustered variance at p.  Degrees of freedom by Satterthwaite 1946.  Used with fewer than 30 clusters, where
min(P, I) − 1 is far too few if the scarce clusters are not those that vary; and, where fewer than 25 effective
trials have the rarer outcome, beside the formula: the outer ends of both.  `make coverage` shows why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.proportions import Interval, wilson, z_quantile

Floats = npt.NDArray[np.float64]

ENOUGH_CLUSTERS = 30
ENOUGH_EVENTS = 25
BISECTIONS = 50


@dataclass(frozen=True)
class Pivot:
    """What an interval of rates p (...) is made of; all arrays of the shape of p.

    `n_eff` and `df` are the formula's (or, for few clusters, Satterthwaite's df); `linear` and `square` are the
    coefficients of b0 and b0² in V(p0).  `uses_formula` and `uses_score` say which ends count.
    """

    p: Floats
    n_eff: Floats
    df: Floats
    linear: Floats
    square: Floats
    uses_formula: npt.NDArray[np.bool_]
    uses_score: npt.NDArray[np.bool_]

    def ends(self, confidence: float = 0.95) -> Interval:
        """Lower and upper ends at a confidence level."""
        t = t_quantile(self.df, confidence)
        formula = wilson(self.p * self.n_eff, self.n_eff, z=t)
        if not self.uses_score.any():
            return formula
        low, high = (_score_end(self.p, t, self.linear, self.square, end) for end in (0.0, 1.0))
        low = np.where(self.uses_formula, np.minimum(low, formula.low), low)
        high = np.where(self.uses_formula, np.maximum(high, formula.high), high)
        return Interval(np.where(self.uses_score, low, formula.low), np.where(self.uses_score, high, formula.high))

    def p_value(self, null: float) -> Floats:
        """Two-sided p against a rate: one minus the highest confidence whose interval leaves it out."""
        if not 0 < null < 1:
            raise ValueError(f"null: expected a rate between 0 and 1, got {null}; write 10 % as 0.1")
        b0, gap = null * (1 - null), np.abs(self.p - null)
        formula = gap / np.sqrt(b0 / self.n_eff)
        score = gap / np.sqrt(self.linear * b0 + self.square * b0**2)
        t = np.where(self.uses_score, np.where(self.uses_formula, np.minimum(formula, score), score), formula)
        finite = np.where(np.isinf(self.df), 1.0, self.df)
        tail = np.where(np.isinf(self.df), special.ndtr(-t), special.stdtr(finite, -t))
        return np.asarray(np.minimum(1.0, 2 * tail))


def t_quantile(df: npt.ArrayLike, confidence: float) -> Floats:
    """Two-sided t quantile; the normal one where df is infinite."""
    df_ = np.asarray(df, dtype=np.float64)
    z = z_quantile(confidence)
    finite = np.where(np.isinf(df_), 1.0, df_)
    return np.where(np.isinf(df_), z, special.stdtrit(finite, (1 + confidence) / 2))


def effective_n(p: npt.ArrayLike, variance: npt.ArrayLike, n: int, extreme_design_effect: float) -> Floats:
    """Effective sample size of shares (...) with variances (...): n_eff = min(n, p(1 − p)/V).

    At p = 0 or 1 no variance exists and n_eff = n / extreme_design_effect.
    """
    p_, v = np.asarray(p, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    binomial = p_ * (1 - p_)
    estimated = np.divide(binomial, v, out=np.full_like(v, np.inf), where=v > 0)
    return np.where(binomial > 0, np.minimum(n, estimated), n / extreme_design_effect)


def satterthwaite(total: npt.ArrayLike, parts: list[tuple[Floats, int]], *, lowest: int) -> Floats:
    """Degrees of freedom of a variance V = Σ V_g ± …: V² / Σ V_g²/(G − 1), from `lowest` to Σ (G − 1).

    Satterthwaite 1946, doi:10.2307/3002019.
    """
    noise = np.asarray(sum(v**2 / (groups - 1) for v, groups in parts), dtype=np.float64)
    total_ = np.asarray(total, dtype=np.float64)
    df = np.divide(total_**2, noise, out=np.full_like(noise, float(lowest)), where=noise > 0)
    return np.clip(df, lowest, sum(groups - 1 for _, groups in parts))


def pivot_of(
    p: npt.ArrayLike, n: int, parts: list[tuple[Floats, int]], by_cell: Floats | None, extreme_design_effect: float
) -> Pivot:
    """Make the pivot of shares p (...) of n trials from one-way variances (...) with their numbers of clusters.

    `parts` are V_P and V_I (or one of them), `by_cell` is V_PI where both are there.
    """
    p_ = np.asarray(p, dtype=np.float64)
    shape = np.zeros_like(p_)
    b = p_ * (1 - p_)
    is_inner = b > 0
    floor = np.maximum.reduce([v for v, _ in parts]) if parts else b / n
    together = sum(v for v, _ in parts) - by_cell if by_cell is not None else floor
    fewest = min((groups for _, groups in parts), default=0)
    n_eff = effective_n(p_, np.maximum(together, floor), n, extreme_design_effect)
    if not parts:
        no = np.zeros(p_.shape, dtype=bool)
        return Pivot(p_, n_eff, shape + np.inf, 1 / n_eff, shape, ~no, no)
    # Without the floor of the parts: with few clusters the larger of two noisy numbers is mostly noise.
    variance = np.maximum(together, b / n)
    is_few = fewest < ENOUGH_CLUSTERS
    is_rare = n_eff * np.minimum(p_, 1 - p_) < ENOUGH_EVENTS
    df = satterthwaite(variance, parts, lowest=fewest - 1) if is_few else shape + (fewest - 1)
    squared = np.where(is_inner, b, 1.0) ** 2
    return Pivot(
        p=p_,
        n_eff=n_eff,
        df=np.where(is_inner, df, float(fewest - 1)),
        linear=np.where(is_inner, 1 / n, 1 / n_eff),
        square=np.where(is_inner, (variance - b / n) / squared, 0.0),
        uses_formula=np.full(p_.shape, not is_few) | ~is_inner,
        uses_score=(np.full(p_.shape, is_few) | is_rare) & is_inner,
    )


def _score_end(p: Floats, t: Floats, linear: Floats, square: Floats, end: float) -> Floats:
    """The p0 between p and 0 or 1 with (p − p0)² = t² (linear b0 + square b0²), by bisection."""
    inside, outside = p.copy(), np.full_like(p, end)
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        b0 = middle * (1 - middle)
        is_out = (p - middle) ** 2 > t**2 * (linear * b0 + square * b0**2)
        inside, outside = np.where(is_out, inside, middle), np.where(is_out, middle, outside)
    return np.asarray((inside + outside) / 2)
