"""The exposure at which people are right on three of four trials, from a curve through all looks of the staircases.

A participant's P(right) = ½ + ½ expit(s (ln t − ln T_p)), ln T_p ~ N(ln T, σ²): a logistic psychometric function of a
two-choice task (Wichmann and Hill 2001, doi:10.3758/BF03194544) with participants as a sample, by maximum likelihood.
Their own T_p must be in it: a staircase brings long looks to those who need them, so that one curve for all would be
flat.  The mode that HYPE-time prints is pulled towards where the staircase began; this is not.

Shape suffixes: P participants, L different levels, K nodes, 3 parameters (ln T, ln s, ln σ).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.bootstrap import THESE_IMAGES
from analysis.clustered import Labels, cluster
from analysis.designs import STAIRCASE, refuse_other
from analysis.interval import t_quantile
from analysis.outcomes import outcomes

Floats = npt.NDArray[np.float64]

GUESSING = 0.5
STEEPEST, FLATTEST = 40.0, 0.3
FIRST_GUESS = (4.0, 0.3)  # slope, spread
# The integral over people: a grid, because every participant's likelihood is narrow beside the spread.
NODES_K = np.linspace(-4, 4, 81)
WEIGHTS_K = special.log_softmax(-(NODES_K**2) / 2)


@dataclass(frozen=True)
class Psychometric:
    """The middle participant's 75 % point T in ms with its interval for new participants, slope s and spread σ.

    The interval is exp(ln T ± t √V): V is clustered by participant, t has one degree of freedom fewer than people.
    """

    threshold_ms: float
    ci_low_ms: float
    ci_high_ms: float
    slope: float
    sd_log: float
    n_participants: int
    confidence: float
    estimand: str = THESE_IMAGES


@dataclass(frozen=True)
class _Looks:
    """How often each participant was right and wrong at each level (P, L), and the levels' logarithms (L,)."""

    right_PL: Floats
    wrong_PL: Floats
    x_L: Floats

    def likelihood(self, place: Floats) -> tuple[Floats, Floats]:
        """Each participant's log-likelihood (P,) and its derivative by the parameters (P, 3)."""
        at, slope, sd = float(place[0]), math.exp(place[1]), math.exp(place[2])
        far_KL = self.x_L - (at + sd * NODES_K)[:, None]
        share_KL = special.expit(slope * far_KL)
        p_KL = np.clip(GUESSING + (1 - GUESSING) * share_KL, 1e-12, 1 - 1e-12)
        bend_KL = (1 - GUESSING) * share_KL * (1 - share_KL)
        log_PK = self.right_PL @ np.log(p_KL).T + self.wrong_PL @ np.log1p(-p_KL).T + WEIGHTS_K

        def by(change_KL: Floats) -> Floats:
            return np.asarray(self.right_PL @ (change_KL / p_KL).T - self.wrong_PL @ (change_KL / (1 - p_KL)).T)

        by_at_PK, by_slope_PK = by(-slope * bend_KL), by(slope * far_KL * bend_KL)
        total_P = special.logsumexp(log_PK, axis=1)
        belief_PK = np.exp(log_PK - total_P[:, None])
        slopes_P3 = np.stack(
            [(belief_PK * one).sum(axis=1) for one in (by_at_PK, by_slope_PK, by_at_PK * sd * NODES_K)], axis=1
        )
        return np.asarray(total_P), slopes_P3


def psychometric_threshold(
    correct: Labels,
    exposure_ms: npt.ArrayLike,
    participant: Labels,
    *,
    confidence: float = 0.95,
    design: str = STAIRCASE,
) -> Psychometric:
    """Fit the curve to n looks: right (0/1), how long in ms, and whose.

    Raises ValueError where the looks do not determine it: all right, all of one length, or a 75 % point beyond them.
    """
    refuse_other("psychometric function", design, STAIRCASE)
    looks = _count(outcomes(correct, "psychometric function"), np.asarray(exposure_ms, dtype=np.float64), participant)
    place, hessian = _fit(looks)
    _, score_P3 = looks.likelihood(place)
    n_people = len(score_P3)
    bread = np.linalg.pinv(hessian)
    variance = float((bread @ (score_P3.T @ score_P3) @ bread)[0, 0]) * n_people / (n_people - 1)
    half = float(t_quantile(np.asarray(n_people - 1.0), confidence)) * math.sqrt(variance)
    at, slope, sd = float(place[0]), math.exp(place[1]), math.exp(place[2])
    return Psychometric(math.exp(at), math.exp(at - half), math.exp(at + half), slope, sd, n_people, confidence)


def _count(y_n: Floats, t_n: Floats, participant: Labels) -> _Looks:
    if t_n.shape != y_n.shape or not (np.isfinite(t_n) & (t_n > 0)).all():
        raise ValueError(
            "psychometric function: expected an exposure above 0 ms in every trial, got none, NaN or others; "
            "leave trials without one out"
        )
    people = cluster(participant)
    levels_L, at_n = np.unique(t_n, return_inverse=True)
    if people.n_clusters < 2 or len(levels_L) < 2:
        raise ValueError(
            "psychometric function: expected two or more participants and looks of several lengths, got "
            f"{people.n_clusters} and {len(levels_L)}; collect more, with a staircase that moves"
        )
    shape = people.n_clusters, len(levels_L)
    where_n = people.codes_n * shape[1] + at_n
    right_PL, wrong_PL = (
        np.bincount(where_n, weights=of_n, minlength=shape[0] * shape[1]).reshape(shape) for of_n in (y_n, 1 - y_n)
    )
    return _Looks(right_PL.astype(np.float64), wrong_PL.astype(np.float64), np.log(levels_L))


def _fit(looks: _Looks) -> tuple[Floats, Floats]:
    """Where the likelihood is greatest, and minus its second derivatives there (3, 3)."""
    # Imported here: only staircases need it, and every other report would wait for it.
    from scipy.optimize import minimize

    def loss(place: Floats) -> tuple[float, Floats]:
        total_P, slopes_P3 = looks.likelihood(place)
        return -float(total_P.sum()), -slopes_P3.sum(axis=0)

    weight_L = looks.right_PL.sum(axis=0) + looks.wrong_PL.sum(axis=0)
    middle = float(looks.x_L[np.searchsorted(np.cumsum(weight_L), weight_L.sum() / 2)])
    limits = [(looks.x_L[0] - 1, looks.x_L[-1] + 1), (math.log(FLATTEST), math.log(STEEPEST)), (-6.0, 1.0)]
    guess = [middle, *np.log(FIRST_GUESS)]
    found = minimize(loss, guess, jac=True, method="L-BFGS-B", bounds=limits, options={"ftol": 1e-13, "gtol": 1e-7})
    place = np.asarray(found.x, dtype=np.float64)
    slope = math.exp(place[1])
    if not (1.01 * FLATTEST < slope < 0.99 * STEEPEST and looks.x_L[0] <= place[0] <= looks.x_L[-1]):
        share = looks.right_PL.sum() / weight_L.sum()
        raise ValueError(
            f"psychometric function: expected three of four right answers within the looks shown "
            f"({math.exp(looks.x_L[0]):.0f} to {math.exp(looks.x_L[-1]):.0f} ms), got {100 * share:.0f} % right over "
            "all and no such point; widen the staircase's limits"
        )
    step = 1e-4
    rows = [(loss(place + step * e)[1] - loss(place - step * e)[1]) / (2 * step) for e in np.eye(3)]
    return place, (np.array(rows) + np.array(rows).T) / 2
