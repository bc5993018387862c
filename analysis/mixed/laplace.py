"""Laplace's negative log-likelihood of the crossed logistic model, with its exact gradient.

For standardized effects x = (u, z), F(θ) = g(x̂; θ) + ½ log det H(x̂; θ), g = −Σ [k η − n log(1 + e^η)] + ½ xᵀx,
η = β + σ_P u + (z Q½), H = ∂²g/∂x².  The gradient follows x̂ as θ moves (Skaug and Fournier 2006,
doi:10.1016/j.csda.2006.03.005), here in closed form: only the third derivative of log(1 + e^η) is needed.

Shape suffixes: T cells, P participants, J image columns, B = width of an image's block, K conditions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.mixed.cells import Cells
from analysis.mixed.coupling import Factor, Pattern

Floats = npt.NDArray[np.float64]

MAX_NEWTON = 100
MAX_CONJUGATE = 40
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the effects on the logit: participants, images, image × condition (0 where absent)."""

    participant: float
    image: float
    interaction: float = 0.0

    def half(self, width: int) -> Floats:
        """Symmetric square root of the covariance σ_I² 11ᵀ + σ_IC² 1 of one image's columns, (B, B)."""
        mean = np.full((width, width), 1 / width)
        return np.asarray(self.interaction * (np.eye(width) - mean) + self._along(width) * mean)

    def half_slopes(self, width: int) -> tuple[Floats, Floats]:
        """Derivatives of `half` by σ_I and by σ_IC."""
        mean = np.full((width, width), 1 / width)
        along = self._along(width)
        return width * self.image / along * mean, np.eye(width) - mean + self.interaction / along * mean

    def _along(self, width: int) -> float:
        return math.sqrt(self.interaction**2 + width * self.image**2)


class Laplace:
    """F and its gradient at θ = (β_K, σ_P, σ_I[, σ_IC]); remembers x̂ and the last factor for a warm start."""

    def __init__(self, cells: Cells, *, has_interaction: bool) -> None:
        self.cells, self.has_interaction = cells, has_interaction
        self.pattern = Pattern(cells)
        self.u_P = np.zeros(cells.n_people)
        self.z_J = np.zeros(cells.n_columns)
        self.factor: Factor | None = None

    def spread(self, theta: Floats) -> Spread:
        """Read the standard deviations out of θ."""
        return Spread(*(float(sd) for sd in theta[self.cells.n_conditions :]))

    def _predictor(self, beta_K: Floats, u_P: Floats, z_J: Floats, sd: float, half_BB: Floats) -> Floats:
        cells = self.cells
        effect_J = (z_J.reshape(-1, cells.width) @ half_BB).reshape(-1)
        return beta_K[cells.condition_T] + sd * u_P[cells.person_T] + effect_J[cells.column_T]

    def _joint(self, eta_T: Floats, u_P: Floats, z_J: Floats) -> float:
        cells = self.cells
        likelihood = cells.k_T @ eta_T - cells.n_T @ np.logaddexp(0, eta_T)
        return float(-likelihood + 0.5 * (u_P @ u_P + z_J @ z_J))

    def _pull(self, value_T: Floats, sd: float, half_BB: Floats) -> tuple[Floats, Floats]:
        """Lᵀ Zᵀ times values per cell: shapes (P,) and (J,)."""
        cells = self.cells
        by_person = np.bincount(cells.person_T, weights=value_T, minlength=cells.n_people)
        by_column = np.bincount(cells.column_T, weights=value_T, minlength=cells.n_columns)
        return np.asarray(sd * by_person), (by_column.reshape(-1, cells.width) @ half_BB).reshape(-1)

    def _mode(self, beta_K: Floats, sd: float, half_BB: Floats) -> tuple[Floats, float]:
        """Find x̂ by Newton's method, its steps solved by conjugate gradients under the last factor."""
        cells = self.cells
        zeros_K = np.zeros_like(beta_K)
        eta_T = self._predictor(beta_K, self.u_P, self.z_J, sd, half_BB)
        joint = self._joint(eta_T, self.u_P, self.z_J)
        for _ in range(MAX_NEWTON):
            mu_T = special.expit(eta_T)
            W_T = cells.n_T * mu_T * (1 - mu_T)
            pull_P, pull_J = self._pull(cells.k_T - cells.n_T * mu_T, sd, half_BB)
            down_P, down_J = pull_P - self.u_P, pull_J - self.z_J
            if self.factor is None:
                self.factor = Factor(self.pattern, cells, W_T, sd, half_BB)
            step = self._newton_step(W_T, down_P, down_J, sd, half_BB)
            if step is None:
                self.factor = Factor(self.pattern, cells, W_T, sd, half_BB)
                step = self.factor.solve(down_P, down_J)
            step_P, step_J = step
            decrease = float(down_P @ step_P + down_J @ step_J)
            slope_T = self._predictor(zeros_K, step_P, step_J, sd, half_BB)
            size = 1.0
            while True:
                new_P, new_J = self.u_P + size * step_P, self.z_J + size * step_J
                new_eta = eta_T + size * slope_T
                new_joint = self._joint(new_eta, new_P, new_J)
                # g is convex, so halving ends; the last digits of g are noise.
                if new_joint <= joint - 1e-4 * size * decrease + 1e-10 * abs(joint) or size < 1e-6:
                    break
                size /= 2
            self.u_P, self.z_J, eta_T, joint = new_P, new_J, new_eta, new_joint
            if max(np.abs(step_P).max(), np.abs(step_J).max()) < TOLERANCE**0.5:
                # Newton's error is squared at each step, so the next one would move less than TOLERANCE.
                break
        return special.expit(eta_T), joint

    def _newton_step(
        self, W_T: Floats, right_P: Floats, right_J: Floats, sd: float, half_BB: Floats
    ) -> tuple[Floats, Floats] | None:
        """H⁻¹ right by conjugate gradients preconditioned with the last factor; None if that is a poor one."""
        assert self.factor is not None
        n_people = len(right_P)
        zeros_K = np.zeros(self.cells.n_conditions)

        def times(x: Floats) -> Floats:
            along_T = self._predictor(zeros_K, x[:n_people], x[n_people:], sd, half_BB)
            return x + np.concatenate(self._pull(W_T * along_T, sd, half_BB))

        right = np.concatenate([right_P, right_J])
        x = np.concatenate(self.factor.solve(right_P, right_J))
        residual = right - times(x)
        y = np.concatenate(self.factor.solve(residual[:n_people], residual[n_people:]))
        direction, rho = y, float(residual @ y)
        start = float(right @ x)
        for _ in range(MAX_CONJUGATE):
            if rho <= 1e-20 + 1e-14 * abs(start):
                return x[:n_people], x[n_people:]
            image = times(direction)
            alpha = rho / float(direction @ image)
            x = x + alpha * direction
            residual = residual - alpha * image
            y = np.concatenate(self.factor.solve(residual[:n_people], residual[n_people:]))
            rho, before = float(residual @ y), rho
            direction = y + rho / before * direction
        return None

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """F(θ) and its gradient."""
        cells = self.cells
        beta_K, spread = theta[: cells.n_conditions], self.spread(theta)
        sd, half_BB = spread.participant, spread.half(cells.width)
        mu_T, joint = self._mode(beta_K, sd, half_BB)
        W_T = cells.n_T * mu_T * (1 - mu_T)
        self.factor = factor = Factor(self.pattern, cells, W_T, sd, half_BB)
        posterior = factor.posterior()
        # ½ d log det H through W, per cell, and what of it reaches θ by way of x̂.
        bend_T = 0.5 * posterior.leverage_T * W_T * (1 - 2 * mu_T)
        adjoint_P, adjoint_J = factor.solve(*self._pull(bend_T, sd, half_BB))
        back_T = W_T * self._predictor(np.zeros_like(beta_K), adjoint_P, adjoint_J, sd, half_BB)
        residual_T = cells.k_T - cells.n_T * mu_T
        per_eta_T = -residual_T + bend_T - back_T
        gradient_K = np.bincount(cells.condition_T, weights=per_eta_T, minlength=cells.n_conditions)

        # ∂η/∂σ with x held; the pull of x̂ along σ gives residual terms beside those through η.
        by_person = np.bincount(cells.person_T, weights=per_eta_T, minlength=cells.n_people)
        own = np.bincount(cells.person_T, weights=residual_T, minlength=cells.n_people)
        gradient = [float(by_person @ self.u_P + adjoint_P @ own) + (cells.n_people - posterior.person) / sd]
        by_column = np.bincount(cells.column_T, weights=per_eta_T, minlength=cells.n_columns)
        own_J = np.bincount(cells.column_T, weights=residual_T, minlength=cells.n_columns)
        z_IB, adjoint_IB = (values.reshape(-1, cells.width) for values in (self.z_J, adjoint_J))
        inverse_BB = np.linalg.inv(half_BB)
        slopes = spread.half_slopes(cells.width)[: 2 if self.has_interaction else 1]
        for slope_BB in slopes:
            along = ((z_IB @ slope_BB).reshape(-1)) @ by_column
            moved = ((adjoint_IB @ slope_BB).reshape(-1)) @ own_J
            ratio_BB = inverse_BB @ slope_BB
            determinant = cells.n_images * np.trace(ratio_BB) - np.trace(posterior.image_BB @ ratio_BB)
            gradient.append(float(along + moved + determinant))
        return joint + 0.5 * posterior.log_det, np.concatenate([gradient_K, gradient])

    def curvature(self, theta: Floats) -> Floats:
        """A positive definite guess of F's Hessian where F was last evaluated: information about β with x profiled out.

        For the standard deviations, twice the number of units, discounted by how little each unit says.
        """
        cells = self.cells
        assert self.factor is not None
        K, spread = cells.n_conditions, self.spread(theta)
        sd, half_BB = spread.participant, spread.half(cells.width)
        eta_T = self._predictor(theta[:K], self.u_P, self.z_J, sd, half_BB)
        mu_T = special.expit(eta_T)
        W_T = cells.n_T * mu_T * (1 - mu_T)
        out = np.zeros((len(theta), len(theta)))
        zeros_K = np.zeros(K)
        for k in range(K):
            weight_T = np.where(cells.condition_T == k, W_T, 0.0)
            answer = self.factor.solve(*self._pull(weight_T, sd, half_BB))
            left_T = weight_T - W_T * self._predictor(zeros_K, *answer, sd, half_BB)
            out[:K, k] = np.bincount(cells.condition_T, weights=left_T, minlength=K)
        for at, (n_units, size) in enumerate(
            ((cells.n_people, sd), (cells.n_images, spread.image), (cells.n_columns, spread.interaction))
        ):
            if at < len(theta) - K:
                per_unit = W_T.sum() / n_units * size**2
                out[K + at, K + at] = 2 * n_units / size**2 * (per_unit / (1 + per_unit)) ** 2
        return np.asarray((out + out.T) / 2)
