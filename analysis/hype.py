"""HYPE, Human eYe Perceptual Evaluation (Zhou et al. 2019): how long a look must be, and how often fakes pass.

HYPE-time: per participant the exposure at which a staircase settles, averaged.  HYPE-infinity: the error rate over
single pictures without a time limit, fakes and originals in equal numbers; 50 % is chance, above it fakes look more
real than originals.  Both with the paper's bootstrap over participants: the pictures are held fixed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.bootstrap import N_DRAWS, THESE_IMAGES, bootstrap_mean
from analysis.clustered import Labels
from analysis.designs import SINGLE, STAIRCASE, refuse_other
from analysis.outcomes import labels_of, outcomes


@dataclass(frozen=True)
class HypeTime:
    """Mean threshold in milliseconds with its 95 % bootstrap interval; higher is more realistic."""

    threshold_ms: float
    se_ms: float
    ci_low_ms: float
    ci_high_ms: float
    n_participants: int
    seed: int
    estimand: str = THESE_IMAGES


@dataclass(frozen=True)
class HypeInfinity:
    """Error rates in [0, 1] with the interval of the overall one; participants count alike."""

    error_rate: float
    se: float
    ci_low: float
    ci_high: float
    fake_error_rate: float
    real_error_rate: float
    n_trials: int
    n_participants: int
    seed: int
    estimand: str = THESE_IMAGES


def staircase_threshold(exposures_ms: npt.ArrayLike) -> float:
    """Threshold of one staircase: the exposure it stood at most often, the longer of equals (the paper's mode)."""
    x = np.asarray(exposures_ms, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not (np.isfinite(x) & (x > 0)).all():
        raise ValueError("HYPE-time: expected the exposures of a staircase in ms, above 0, got none, NaN or others")
    values, counts = np.unique(x, return_counts=True)
    return float(values[counts == counts.max()].max())


def hype_time(
    exposures_ms: npt.ArrayLike,
    participant: Labels,
    block: Labels | None = None,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    design: str = STAIRCASE,
) -> HypeTime:
    """Score n staircase trials in their order: thresholds per participant (mean over `block`s), then their mean."""
    refuse_other("HYPE-time", design, STAIRCASE)
    x = np.asarray(exposures_ms, dtype=np.float64)
    blocks = np.zeros(len(x)) if block is None else np.asarray(block)
    table = pd.DataFrame({"participant": np.asarray(participant), "block": blocks, "ms": x})
    if table.isna().any(axis=None):
        raise ValueError("HYPE-time: expected an exposure and a participant in every trial, got missing ones")
    thresholds = table.groupby(["participant", "block"], sort=False)["ms"].agg(lambda ms: staircase_threshold(ms))
    per_person = thresholds.groupby(level=0, sort=False).mean()
    mean, se, low, high = bootstrap_mean(per_person.to_numpy(), n_draws=n_draws, seed=seed)
    return HypeTime(mean, se, low, high, len(per_person), seed)


def hype_infinity(
    is_wrong: Labels,
    is_real: Labels,
    participant: Labels,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    design: str = SINGLE,
) -> HypeInfinity:
    """Score n single-picture judgements: whether each was wrong (0/1), and whether the picture was an original."""
    refuse_other("HYPE-infinity", design, SINGLE)
    y = outcomes(is_wrong, "HYPE-infinity")
    real = outcomes(is_real, "HYPE-infinity, is_real").astype(bool)
    found = labels_of(participant, len(y), "participant", "HYPE-infinity")
    if len(real) != len(y) or found is None or real.all() or not real.any():
        raise ValueError(
            "HYPE-infinity: expected one participant and one kind per judgement, of fakes and of originals; "
            "its error rate is over both"
        )
    codes = found[0]
    per_person = np.bincount(codes, weights=y) / np.bincount(codes)
    mean, se, low, high = bootstrap_mean(per_person, n_draws=n_draws, seed=seed)
    return HypeInfinity(
        mean, se, low, high, float(y[~real].mean()), float(y[real].mean()), len(y), len(per_person), seed
    )
