"""Rates of single photographs and people, drawn towards the mean by how little each of them says.

The extreme ones of many small samples are mostly luck; ranking by shrunken rates keeps 2 of 2 behind 38 of 40.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]


def intraclass_correlation(k: npt.ArrayLike, n: npt.ArrayLike) -> float:
    """Moment estimator of the beta-binomial correlation within G groups of k_g of n_g, in [0, 1].

    Kleinman 1973 (doi:10.1080/01621459.1973.10481332) with weights n_g: Σ n_g (p_g − p)² has the expectation
    p(1 − p) [(G − 1) + ρ (N − Σ n_g²/N − (G − 1))].
    """
    k_, n_ = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    total, groups = n_.sum(), len(n_)
    p = k_.sum() / total
    room = total - (n_**2).sum() / total - (groups - 1)
    if p in {0.0, 1.0} or groups < 2 or room <= 0:
        return 0.0
    spread = (n_ * (k_ / n_ - p) ** 2).sum() / (p * (1 - p))
    return float(np.clip((spread - (groups - 1)) / room, 0, 1))


def shrunken_rates(k: npt.ArrayLike, n: npt.ArrayLike) -> Floats:
    """Posterior means (k + M p)/(n + M), with M = (1 − ρ)/ρ the prior's worth in trials; shape (G,)."""
    k_, n_ = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    correlation = intraclass_correlation(k_, n_)
    p = k_.sum() / n_.sum()
    # (k + M p)/(n + M) multiplied through by ρ, so that ρ = 0 (everything is luck) needs no case of its own.
    return np.asarray((correlation * k_ + (1 - correlation) * p) / (correlation * n_ + (1 - correlation)))


def heterogeneity_p(k: npt.ArrayLike, n: npt.ArrayLike, rate: float) -> float:
    """P-value of Pearson's χ² that all groups share one given rate; small means that their rates differ.

    Σ (k_g − n_g p)²/(n_g p (1 − p)) on G degrees of freedom, p being given and not estimated.
    """
    k_, n_ = np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64)
    statistic = ((k_ - n_ * rate) ** 2 / (n_ * rate * (1 - rate))).sum()
    return float(special.chdtrc(len(n_), statistic))
