"""Mean ratings with the same two-way clustered variance as the fool rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.clustered import Labels, cross, two_way_variance
from analysis.compare import contrast_variance
from analysis.designs import RATING, refuse_other
from analysis.estimate import BOTH
from analysis.interval import t_quantile


@dataclass(frozen=True)
class MeanRating:
    """Mean of n ratings on their own scale, with an interval for new participants and new photographs."""

    condition: str
    n_trials: int
    mean: float
    ci_low: float
    ci_high: float
    se: float
    design_effect: float
    df: float
    n_participants: int
    n_images: int
    estimand: str = BOTH


def mean_rating(
    rating: Labels,
    participant: Labels,
    image: Labels,
    *,
    condition: str = "",
    confidence: float = 0.95,
    design: str = RATING,
) -> MeanRating:
    """Mean ± t·√V; V and df from the influences (y − ȳ)/n, as for a difference (Cameron, Gelbach, Miller 2011)."""
    refuse_other("mean rating", design, RATING)
    y = pd.to_numeric(pd.Series(np.asarray(rating)), errors="coerce").to_numpy(dtype=np.float64)
    if len(y) == 0 or not np.isfinite(y).all():
        raise ValueError(
            f"ratings: expected a finite number in every trial, got {int((~np.isfinite(y)).sum())} others of {len(y)}; "
            "leave unanswered trials out first"
        )
    layout = cross(participant, image)
    n_people, n_photos = layout.participants.n_clusters, layout.images.n_clusters
    if min(n_people, n_photos) < 2:
        raise ValueError(
            f"ratings: expected at least 2 participants and 2 images, got {n_people} and {n_photos}; collect more"
        )
    mean, n = float(y.mean()), len(y)
    parts = two_way_variance((y - mean) / n, layout)
    variance, df = map(float, contrast_variance(parts, n_people, n_photos))
    half = float(t_quantile(df, confidence)) * math.sqrt(variance)
    independent = float(y.var()) / n
    return MeanRating(
        condition, n, mean, mean - half, mean + half, math.sqrt(variance),
        variance / independent if independent > 0 else math.nan, df, n_people, n_photos,
    )  # fmt: skip
