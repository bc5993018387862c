"""Minimise a smooth function of few parameters, some of them bounded below, from exact gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Function = Callable[[Floats], tuple[float, Floats]]

# Where BFGS stops, as half the squared distance to the minimum in standard errors.
ROUGH = 1e-7
# Where Newton stops: 1e-11 is 5e-6 standard errors.
FINE = 1e-11
STEP = 1e-3
# A Hessian this near the minimum (in the parameters' own unit) is the minimum's to the digits that count.
NEAR = 3e-4


@dataclass(frozen=True)
class Minimum:
    """Where the search ended.  `hessian` is that of the free parameters, NaN in rows of parameters at a bound."""

    place: Floats
    value: float
    gradient: Floats
    hessian: Floats
    is_free: npt.NDArray[np.bool_]
    is_converged: bool
    n_iterations: int


def minimise(
    function: Function,
    start: Floats,
    curvature: Floats,
    lower: Floats,
    *,
    largest_step: float = 1.5,
    max_iterations: int = 100,
) -> Minimum:
    """Projected BFGS from a first guess of the Hessian, ended by Newton steps with a differenced Hessian.

    `curvature` (d, d) is positive definite; `lower` (d,) holds −inf where there is no bound.
    """
    place = np.maximum(start, lower)
    value, gradient = function(place)
    B = curvature.copy()
    iteration, is_restarted = 0, False
    while iteration < max_iterations:
        iteration += 1
        step, decrement = _step(B, gradient, _free(place, gradient, lower))
        if decrement < ROUGH:
            break
        moved = _search(function, place, value, gradient, step, lower, largest_step)
        if moved is None:
            B = curvature.copy()
            if is_restarted:
                break
            is_restarted = True
            continue
        is_restarted = False
        new, new_value, new_gradient = moved
        B = _update(B, new - place, new_gradient - gradient)
        place, value, gradient = new, new_value, new_gradient
    is_converged = False
    free = _free(place, gradient, lower)
    hessian = np.full_like(B, np.nan)
    for _ in range(8):
        free = _free(place, gradient, lower)
        hessian = hessian_by_differences(function, place, gradient, free, lower)
        inner = hessian[np.ix_(free, free)]
        if not np.isfinite(inner).all() or np.linalg.eigvalsh(inner).min(initial=np.inf) <= 0:
            break
        known = np.where(np.isnan(hessian), 0, hessian)
        step, decrement = _step(known, gradient, free)
        if decrement < FINE:
            is_converged = True
            break
        is_near = np.abs(step).max() < NEAR
        moved = _search(function, place, value, gradient, step, lower, largest_step)
        if moved is None:
            # Nothing lower can be told from rounding any more.
            is_converged = decrement < 1e-7
            break
        place, value, gradient = moved
        still = _free(place, gradient, lower)
        if is_near and (still == free).all() and _step(known, gradient, free)[1] < FINE:
            is_converged = True
            break
    return Minimum(place, value, gradient, hessian, free, is_converged, iteration)


def hessian_by_differences(
    function: Function, place: Floats, gradient: Floats, free: npt.NDArray[np.bool_], lower: Floats
) -> Floats:
    """Differentiate the gradient by central differences (forward ones beside a bound); NaN for parameters held."""
    hessian = np.full((len(place), len(place)), np.nan)
    for j in np.flatnonzero(free):
        h = STEP
        up = place.copy()
        up[j] += h
        forward = function(up)[1]
        if place[j] - h > lower[j]:
            down = place.copy()
            down[j] -= h
            column = (forward - function(down)[1]) / (2 * h)
        else:
            column = (forward - gradient) / h
        hessian[free, j] = column[free]
    return np.asarray((hessian + hessian.T) / 2)


def _free(place: Floats, gradient: Floats, lower: Floats) -> npt.NDArray[np.bool_]:
    """Parameters that are not held at their bound by a gradient pointing into it."""
    return ~((place <= lower) & (gradient > 0))


def _step(B: Floats, gradient: Floats, free: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    step = np.zeros_like(gradient)
    step[free] = -np.linalg.solve(B[np.ix_(free, free)], gradient[free])
    return step, float(-0.5 * (gradient @ step))


def _search(
    function: Function, place: Floats, value: float, gradient: Floats, step: Floats, lower: Floats, largest: float
) -> tuple[Floats, float, Floats] | None:
    """Halve the step until the function falls enough; None if it never does."""
    step = step * min(1.0, largest / max(float(np.abs(step).max()), 1e-300))
    for _ in range(25):
        new = np.maximum(place + step, lower)
        new_value, new_gradient = function(new)
        if np.isfinite(new_value) and new_value <= value + 1e-4 * float(gradient @ (new - place)) + 1e-12 * abs(value):
            return new, new_value, new_gradient
        step = step / 2
    return None


def _update(B: Floats, s: Floats, y: Floats) -> Floats:
    """BFGS, damped as by Powell 1978 so that it stays positive definite."""
    Bs = B @ s
    sBs = float(s @ Bs)
    if sBs <= 0:
        return B
    sy = float(s @ y)
    if sy < 0.2 * sBs:
        weight = 0.8 * sBs / (sBs - sy)
        y = weight * y + (1 - weight) * Bs
        sy = float(s @ y)
    return np.asarray(B - np.outer(Bs, Bs) / sBs + np.outer(y, y) / sy)
