"""The logistic model with one grouping factor, by adaptive Gauss–Hermite quadrature (Pinheiro and Bates 1995).

Shape suffixes: n trials, G groups, K conditions, Q nodes.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.mixed.marginal import normal_nodes

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

STEP = 1e-3


class OneFactor:
    """Negative log-likelihood at θ = (β_K, σ) and its gradient; one node is Laplace."""

    def __init__(self, fooled_n: Floats, group_n: Integers, condition_n: Integers, n_nodes: int) -> None:
        if n_nodes < 1:
            raise ValueError(f"mixed model: expected at least 1 node, got {n_nodes}")
        n_groups, n_conditions = int(group_n.max()) + 1, int(condition_n.max()) + 1
        at = group_n * n_conditions + condition_n
        shape = (n_groups, n_conditions)
        self.n_GK = np.bincount(at, minlength=n_groups * n_conditions).reshape(shape).astype(np.float64)
        self.k_GK = np.bincount(at, weights=fooled_n, minlength=n_groups * n_conditions).reshape(shape)
        self.n_nodes = n_nodes

    def value(self, theta: Floats) -> float:
        """Return the negative log-likelihood."""
        beta_K, sd = theta[:-1], float(theta[-1])
        u_G = np.zeros(len(self.n_GK))
        for _ in range(100):
            mu_GK = special.expit(beta_K + sd * u_G[:, None])
            slope_G = sd * (self.k_GK - self.n_GK * mu_GK).sum(axis=1) - u_G
            curve_G = 1 + sd**2 * (self.n_GK * mu_GK * (1 - mu_GK)).sum(axis=1)
            # The curvature is at least 1 and changes slowly: steps of at most 1 cannot overshoot far.
            step_G = np.clip(slope_G / curve_G, -1, 1)
            u_G = u_G + step_G
            if np.abs(step_G).max() < 1e-12:
                break
        nodes_Q, weights_Q = normal_nodes(self.n_nodes)
        mu_GK = special.expit(beta_K + sd * u_G[:, None])
        width_G = 1 / np.sqrt(1 + sd**2 * (self.n_GK * mu_GK * (1 - mu_GK)).sum(axis=1))
        u_GQ = u_G[:, None] + width_G[:, None] * nodes_Q
        log_GQ = -0.5 * u_GQ**2 + 0.5 * nodes_Q**2
        for k in range(len(beta_K)):
            eta_GQ = beta_K[k] + sd * u_GQ
            log_GQ += self.k_GK[:, k, None] * eta_GQ - self.n_GK[:, k, None] * np.logaddexp(0, eta_GQ)
        integral_G = special.logsumexp(log_GQ, axis=1, b=weights_Q) + np.log(width_G)
        return -float(integral_G.sum())

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Value and gradient, the latter by central differences of the fourth order."""
        gradient = np.empty_like(theta)
        for at in range(len(theta)):

            def along(h: float, at: int = at) -> float:
                moved = theta.copy()
                moved[at] += h
                return self.value(moved)

            gradient[at] = (8 * (along(STEP) - along(-STEP)) - (along(2 * STEP) - along(-2 * STEP))) / (12 * STEP)
        value = self.value(theta)
        if not math.isfinite(value):
            return math.inf, np.zeros_like(theta)
        return value, gradient
