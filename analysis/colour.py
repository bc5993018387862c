"""How the rates of single photographs go with their colours: distance to the original, colourfulness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.proportions import z_quantile

MIN_IMAGES = 5
FACTS = {
    "delta_e00_mean": "colour difference to the original (mean ΔE00)",
    "mean_chroma": "chroma of the original (mean C*ab)",
}


@dataclass(frozen=True)
class Association:
    """Spearman's ρ between a fact of a condition's photographs and their fool rates, over `n_images`.

    The interval is Fisher's z with the standard error √((1 + ρ²/2)/(n − 3)) (Bonett and Wright 2000).
    """

    condition: str
    fact: str
    reads: str
    n_images: int
    rho: float
    ci_low: float
    ci_high: float


def associations(images: pd.DataFrame, confidence: float = 0.95) -> tuple[Association, ...]:
    """Correlate every fact that is known with the fool rate, condition by condition."""
    found = []
    for condition, rows in images.groupby("condition", sort=False):
        for fact, reads in FACTS.items():
            if fact not in rows.columns:
                continue
            known = rows[rows[fact].notna()]
            if len(known) < MIN_IMAGES or known[fact].nunique() < 2 or known["fool_rate"].nunique() < 2:
                continue
            rho = float(known[fact].astype(float).rank().corr(known["fool_rate"].rank()))
            z = float(np.arctanh(np.clip(rho, -0.999999, 0.999999)))
            half = z_quantile(confidence) * np.sqrt((1 + rho**2 / 2) / (len(known) - 3))
            low, high = float(np.tanh(z - half)), float(np.tanh(z + half))
            found.append(Association(str(condition), fact, reads, len(known), rho, low, high))
    return tuple(found)
