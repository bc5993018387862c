"""Marginal rates E[expit(b + N(0, σ²))] and back, by Gauss–Hermite quadrature.

The nodes lie in the probability integral's own scale; 80 of them give twelve digits for σ up to 3.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

N_NODES = 80


@lru_cache(maxsize=8)
def normal_nodes(n_nodes: int) -> tuple[Floats, Floats]:
    """Nodes and weights of E[f(N(0, 1))] ≈ Σ w f(x); weights sum to 1."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, weights / weights.sum()


def marginal_rate(intercept: npt.ArrayLike, sd: float) -> Floats:
    """E[expit(b + N(0, sd²))] for intercepts b of any shape; the fool rate of a whole population."""
    if not (sd >= 0 and np.isfinite(sd)):
        raise ValueError(f"marginal rate: expected a standard deviation of 0 or more, got {sd}")
    nodes, weights = normal_nodes(N_NODES)
    return np.asarray(special.expit(np.asarray(intercept, dtype=np.float64)[..., None] + sd * nodes) @ weights)


def marginal_slopes(intercept: float, sd: float) -> tuple[float, float]:
    """Derivatives of the marginal rate by b and by sd."""
    nodes, weights = normal_nodes(N_NODES)
    mu = special.expit(intercept + sd * nodes)
    slope = mu * (1 - mu)
    return float(weights @ slope), float(weights @ (slope * nodes))


def intercept_of(rate: float, sd: float) -> float:
    """The b whose marginal rate is the given one, in (0, 1)."""
    if not 0 < rate < 1:
        raise ValueError(f"marginal rate: expected a rate between 0 and 1, got {rate}; write 10 % as 0.1")
    high = abs(float(special.logit(rate))) * (1 + sd) + 10 + 4 * sd**2
    low = -high
    # Newton's steps, halving the bracket where one leaves it: scipy.optimize would take longer to import.
    b = following = 0.0
    for _ in range(200):
        b = following
        gap = float(marginal_rate(b, sd)) - rate
        low, high = (low, b) if gap > 0 else (b, high)
        slope = marginal_slopes(b, sd)[0]
        step = b - gap / slope if slope > 0 else math.inf
        following = step if low < step < high else (low + high) / 2
        if abs(following - b) <= 1e-13 * max(1.0, abs(b)):
            break
    return following
