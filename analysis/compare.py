"""Differences between two conditions' fool rates, and adjustment for several of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from analysis.clustered import TwoWayVariance, cross, two_way_variance
from analysis.designs import COMPARED, PAIR, refuse_other
from analysis.interval import ENOUGH_CLUSTERS, satterthwaite, t_quantile

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """fool rate of a − fool rate of b, in [−1, 1], for new participants and new photographs.

    `p_holm` and `p_bh` are adjusted within the family of `pairwise`; alone they equal `p`.
    """

    condition_a: str
    condition_b: str
    difference: float
    ci_low: float
    ci_high: float
    t: float
    df: float
    p: float
    p_holm: float
    p_bh: float


def difference(
    trials: pd.DataFrame,
    condition_a: str,
    condition_b: str,
    *,
    confidence: float = 0.95,
    is_floored: bool = True,
    design: str = PAIR,
) -> Difference | None:
    """Contrast two conditions of a table with columns condition, participant, image, fooled (0/1).

    Influence values (y − p_A)/n_A and −(y − p_B)/n_B are summed per participant over both arms, and per image, so
    that what a person or a photograph gives to both rates cancels.  Trials of further conditions have influence 0
    and count only in the corrections G/(G − 1), as in R's sandwich::vcovCL on a model of all conditions.
    df = min(P, I) − 1 where the same people saw both, min(P_A, P_B, I) − 1 for separate arms; with fewer than 30
    clusters Satterthwaite's, at least that many.  V_P + V_I − V_PI is noisy where few people judge the same few
    photographs, and is floored by the smaller of V_P and V_I (docs/coverage.md: coverage .89 to .94 becomes .95 to
    .96); `is_floored=False` takes it and min(P, I) − 1 as they are, as R does.
    None where fewer than two participants or images leave no variance.  `design` is pair, single or rating.
    """
    refuse_other("difference", design, *COMPARED)
    if missing := [name for name in ("condition", "participant", "image", "fooled") if name not in trials.columns]:
        raise ValueError(
            f"difference: expected the columns condition, participant, image and fooled, got none named {missing[0]}; "
            "use `analysis.analyse(export).test`, or rename the columns"
        )
    is_a, is_b = (trials["condition"].eq(name).to_numpy() for name in (condition_a, condition_b))
    y = trials["fooled"].to_numpy(dtype=np.float64)
    for name, arm in ((condition_a, is_a), (condition_b, is_b)):
        if not arm.any():
            raise ValueError(f"difference: expected trials of {name}, got none; name conditions of the table")
    p_a, p_b = float(y[is_a].mean()), float(y[is_b].mean())
    influence = is_a * (y - p_a) / is_a.sum() - is_b * (y - p_b) / is_b.sum()
    people, photos = trials["participant"].to_numpy(), trials["image"].to_numpy()
    people_a, people_b = set(people[is_a]), set(people[is_b])
    n_people = len(people_a | people_b) if people_a & people_b else min(len(people_a), len(people_b))
    n_photos = len(set(photos[is_a | is_b]))
    if min(n_people, n_photos) < 2:
        return None
    layout = cross(people, photos)
    variance, df_ = contrast_variance(two_way_variance(influence, layout), n_people, n_photos, is_floored=is_floored)
    df, se = float(df_), math.sqrt(float(variance))
    gap = p_a - p_b
    half = float(t_quantile(df, confidence)) * se
    t = gap / se if se > 0 else (math.copysign(math.inf, gap) if gap else 0.0)
    p = float(2 * special.stdtr(df, -abs(t)))
    return Difference(condition_a, condition_b, gap, gap - half, gap + half, t, df, p, p, p)


def contrast_variance(
    parts: TwoWayVariance, n_people: int, n_photos: int, *, is_floored: bool = True
) -> tuple[Floats, Floats]:
    """Variance of differences (...) and their degrees of freedom, from the parts of the two-way variance."""
    by_people, by_photos = parts.by_participant, parts.by_image
    lowest = min(n_people, n_photos) - 1
    if not is_floored:
        return np.maximum(parts.sum, 0.0), np.full_like(by_people, lowest)
    variance = np.maximum(parts.sum, np.minimum(by_people, by_photos))
    if lowest + 1 >= ENOUGH_CLUSTERS:
        return variance, np.full_like(variance, lowest)
    return variance, satterthwaite(variance, [(by_people, n_people), (by_photos, n_photos)], lowest=lowest)


def pairwise(
    trials: pd.DataFrame,
    conditions: list[str],
    *,
    confidence: float = 0.95,
    is_floored: bool = True,
    design: str = PAIR,
) -> tuple[Difference, ...]:
    """Return every pair of conditions in their order, with Holm and Benjamini–Hochberg within the family."""
    found = [
        difference(trials, a, b, confidence=confidence, is_floored=is_floored, design=design)
        for a, b in combinations(conditions, 2)
    ]
    pairs = [pair for pair in found if pair is not None]
    p = np.array([pair.p for pair in pairs])
    return tuple(
        Difference(**{**vars(pair), "p_holm": float(h), "p_bh": float(b)})
        for pair, h, b in zip(pairs, holm(p), benjamini_hochberg(p), strict=True)
    )


def holm(p: npt.ArrayLike) -> Floats:
    """Holm 1979: p-values adjusted for the family-wise error rate, for confirmatory families.

    A missing p-value (NaN) stays missing and does not count as a test, as in R's p.adjust.
    """
    return _adjust(p, lambda sorted_p, m: np.maximum.accumulate((m - np.arange(m)) * sorted_p))


def benjamini_hochberg(p: npt.ArrayLike) -> Floats:
    """Benjamini and Hochberg 1995: for the false discovery rate, in exploratory families; NaN as in `holm`."""
    return _adjust(p, lambda sorted_p, m: np.minimum.accumulate((m / np.arange(1, m + 1) * sorted_p)[::-1])[::-1])


def _adjust(p: npt.ArrayLike, rule: Callable[[Floats, int], Floats]) -> Floats:
    """Apply a rule to the sorted p-values that are there, and put its results into their places."""
    p_ = np.asarray(p, dtype=np.float64)
    known = p_[~np.isnan(p_)]
    if not np.all((known >= 0) & (known <= 1)):
        raise ValueError("p-values: expected numbers from 0 to 1 (or NaN for a missing test), got others")
    order = np.argsort(known)
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(1, rule(known[order], len(known)))
    out = np.full_like(p_, np.nan)
    out[~np.isnan(p_)] = adjusted
    return out
