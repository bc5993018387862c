"""Judgements of single pictures, “real or fake?”: accuracy, sensitivity, bias.

A rate of fakes judged real means little alone: who says “real” to everything is always taken in.  So both kinds of
picture are reported, with d′ (how well they are told apart) and the criterion (what people tend to say).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from analysis.clustered import cross, two_way_variance
from analysis.compare import Difference, contrast_variance, difference
from analysis.designs import SINGLE, refuse_other
from analysis.estimate import FoolRate, fool_rate
from analysis.interval import t_quantile

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sensitivity:
    """d′ = z(H) − z(F) and criterion c = −[z(H) + z(F)]/2 of a yes-no task, with intervals.

    H: share of fakes called fake, F: share of originals called fake; positive c: people tend to say “real”.
    """

    d_prime: float
    d_low: float
    d_high: float
    criterion: float
    c_low: float
    c_high: float


@dataclass(frozen=True)
class YesNo:
    """Everything about one table of single-picture judgements; accuracies are shares of trials judged rightly.

    `naive_p`: the χ² test that takes trials for independent, beside the clustered `difference` of fakes − originals.
    """

    accuracy: FoolRate
    accuracy_fake: FoolRate
    accuracy_real: FoolRate
    difference: Difference | None
    naive_p: float
    sensitivity: Sensitivity | None
    is_balanced: bool


def share(
    hit: pd.Series[Any],
    trials: pd.DataFrame,
    name: str,
    confidence: float = 0.95,
    *,
    extreme_design_effect: float | None = None,
) -> FoolRate:
    """Estimate any share over participants and photographs: its variance does not know what its outcome is called."""
    return fool_rate(
        hit,
        trials["participant"],
        trials["image"],
        condition=name,
        confidence=confidence,
        extreme_design_effect=extreme_design_effect,
    )


def yes_no(trials: pd.DataFrame, *, confidence: float = 0.95, design: str = SINGLE) -> YesNo:
    """Analyse a table with columns participant, image, is_fake, judged_real (booleans)."""
    refuse_other("single pictures", design, SINGLE)
    fake, said_real = trials["is_fake"].astype(bool), trials["judged_real"].astype(bool)
    if fake.all() or not fake.any():
        kind = "fakes" if fake.all() else "originals"
        raise ValueError(
            f"single pictures: expected fakes and originals, got only {kind}; name the column that tells them apart "
            "(--is-fake), or analyse pairs"
        )
    correct = said_real != fake
    long = pd.DataFrame(
        {
            "condition": np.where(fake, "fake", "real"),
            "participant": trials["participant"].to_numpy(),
            "image": trials["image"].to_numpy(),
            "fooled": correct.to_numpy(dtype=float),
        }
    )
    return YesNo(
        accuracy=share(correct, trials, "all", confidence),
        accuracy_fake=share(correct[fake], trials[fake], "fake", confidence),
        accuracy_real=share(correct[~fake], trials[~fake], "real", confidence),
        difference=difference(long, "fake", "real", confidence=confidence, design=SINGLE),
        naive_p=_chi_square_p(fake.to_numpy(), correct.to_numpy()),
        sensitivity=sensitivity(trials, confidence=confidence),
        is_balanced=abs(float(fake.mean()) - 0.5) < 0.005,
    )


def _chi_square_p(group: npt.NDArray[np.bool_], outcome: npt.NDArray[np.bool_]) -> float:
    """P-value of Pearson's χ² for two shares, without continuity correction; NaN where all outcomes agree."""
    pooled = outcome.mean()
    if pooled in {0, 1}:
        return math.nan
    variance = pooled * (1 - pooled) * (1 / group.sum() + 1 / (~group).sum())
    statistic = (outcome[group].mean() - outcome[~group].mean()) ** 2 / variance
    return float(special.chdtrc(1, statistic))


def sensitivity(trials: pd.DataFrame, *, confidence: float = 0.95) -> Sensitivity | None:
    """d′ and c with the log-linear correction (Hautus 1995) and two-way clustered delta-method intervals.

    The influence of a trial on z(H) is (y − H)/(n φ(z(H))); both rates' influences are summed per participant and per
    photograph, with the degrees of freedom of a difference.  None with fewer than two participants or photographs.
    """
    fake, said_fake = trials["is_fake"].to_numpy(dtype=bool), ~trials["judged_real"].to_numpy(dtype=bool)
    layout = cross(trials["participant"], trials["image"])
    n_people, n_photos = layout.participants.n_clusters, layout.images.n_clusters
    if min(n_people, n_photos) < 2:
        return None
    z, influence = {}, {}
    for name, rows in (("hit", fake), ("false_alarm", ~fake)):
        n, k = int(rows.sum()), int(said_fake[rows].sum())
        rate = (k + 0.5) / (n + 1)
        z[name] = float(special.ndtri(rate))
        density = math.exp(-(z[name] ** 2) / 2) / math.sqrt(2 * math.pi)
        influence[name] = rows * (said_fake - k / n) / (n * density)

    def around(value: float, influence_n: Floats) -> tuple[float, float, float]:
        variance, df = contrast_variance(two_way_variance(influence_n, layout), n_people, n_photos)
        half = float(t_quantile(df, confidence)) * math.sqrt(float(variance))
        return value, value - half, value + half

    d = around(z["hit"] - z["false_alarm"], influence["hit"] - influence["false_alarm"])
    c = around(-(z["hit"] + z["false_alarm"]) / 2, -(influence["hit"] + influence["false_alarm"]) / 2)
    return Sensitivity(*d, *c)
