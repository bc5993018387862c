"""Binomial intervals for k of n.  Every one of them ignores clustering: say so wherever one is printed.

For trials that share participants or photographs they are much too short (statistics.md: a Wilson interval covers
50 % instead of 95 % in a study of 40 people × 40 photos); the fool rate's own interval is in `estimate`.
All take arrays or numbers, 0 ≤ k ≤ n, n > 0, and return ends in [0, 1].  n may be an effective, broken number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

LABEL = "ignores clustering"


class Interval(NamedTuple):
    """Lower and upper end, rates in [0, 1], of the shape of k."""

    low: Floats
    high: Floats


def z_quantile(confidence: float) -> float:
    """Two-sided standard normal quantile of a confidence level in (0, 1), 1.96 for .95."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence}; use 0.95 for 95 %")
    return float(special.ndtri((1 + confidence) / 2))


def _counts(k: npt.ArrayLike, n: npt.ArrayLike) -> tuple[Floats, Floats]:
    k_, n_ = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(n, dtype=np.float64))
    if not (np.all(np.isfinite(k_)) and np.all(np.isfinite(n_))):
        raise ValueError("k of n: expected numbers, got NaN or infinity; drop unanswered trials first")
    if np.any(n_ <= 0) or np.any(k_ < 0) or np.any(k_ > n_):
        raise ValueError("k of n: expected 0 ≤ k ≤ n and n > 0, got others; count the scored trials again")
    return k_, n_


def wilson(k: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95, *, z: npt.ArrayLike | None = None) -> Interval:
    """Wilson 1927: the rates p0 with |p − p0| ≤ z √(p0 (1 − p0)/n).  `z` replaces the normal quantile."""
    k_, n_ = _counts(k, n)
    z_ = np.asarray(z_quantile(confidence) if z is None else z, dtype=np.float64)
    p = k_ / n_
    middle = (p + z_**2 / (2 * n_)) / (1 + z_**2 / n_)
    half = z_ / (1 + z_**2 / n_) * np.sqrt(p * (1 - p) / n_ + z_**2 / (4 * n_**2))
    # At k = 0 and k = n the ends are 0 and 1 exactly; rounding would leave 1e-17 beside them.
    low = np.where(k_ == 0, 0.0, np.maximum(middle - half, 0.0))
    high = np.where(k_ == n_, 1.0, np.minimum(middle + half, 1.0))
    return Interval(low, high)


def clopper_pearson(k: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Clopper and Pearson 1934: never covers less than it says, and is wide for it."""
    k_, n_ = _counts(k, n)
    tail = special.ndtr(-z_quantile(confidence))
    low = np.where(k_ == 0, 0.0, special.betaincinv(np.maximum(k_, 1e-300), n_ - k_ + 1, tail))
    high = np.where(k_ == n_, 1.0, special.betaincinv(k_ + 1, np.maximum(n_ - k_, 1e-300), 1 - tail))
    return Interval(low, high)


def agresti_coull(k: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Agresti and Coull 1998: Wald after adding z²/2 successes and z²/2 failures; ends cut at 0 and 1."""
    k_, n_ = _counts(k, n)
    z = z_quantile(confidence)
    n_tilde = n_ + z**2
    p_tilde = (k_ + z**2 / 2) / n_tilde
    half = z * np.sqrt(p_tilde * (1 - p_tilde) / n_tilde)
    return Interval(np.maximum(p_tilde - half, 0.0), np.minimum(p_tilde + half, 1.0))


def jeffreys(k: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Equal-tailed interval under the Beta(½, ½) prior; low is 0 at k = 0, high is 1 at k = n.

    Brown, Cai and DasGupta 2001, section 4.1.2, whose rule for the ends that is.
    """
    k_, n_ = _counts(k, n)
    tail = special.ndtr(-z_quantile(confidence))
    low = np.where(k_ == 0, 0.0, special.betaincinv(k_ + 0.5, n_ - k_ + 0.5, tail))
    high = np.where(k_ == n_, 1.0, special.betaincinv(k_ + 0.5, n_ - k_ + 0.5, 1 - tail))
    return Interval(low, high)
