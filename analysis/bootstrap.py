"""Bootstrap intervals of a fool rate: of participants, of participants and images, and the published tool's.

A draw of G clusters with replacement is a vector of multinomial weights, so thousands of draws are one product of
weights and counts.

Shape suffixes: n trials, P participants, I images, K conditions, D draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from analysis.clustered import Labels
from analysis.designs import PAIR, SHARES, refuse_other
from analysis.outcomes import labels_of, outcomes

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

N_DRAWS = 10_000
THESE_IMAGES = "this population of participants, and these images only"
BOTH = "this population of participants and this population of photographs"
# Entries of a block of draws handled at a time: 100 MB.
BLOCK = 12_000_000


@dataclass(frozen=True)
class Bootstrap:
    """A fool rate with its bootstrap standard error and percentile interval, rates in [0, 1]."""

    fool_rate: float
    se: float
    ci_low: float
    ci_high: float
    n_draws: int
    seed: int
    confidence: float
    estimand: str
    method: str


@dataclass(frozen=True)
class NestedBootstrap:
    """What AMT_Real_vs_Fake prints: the bootstrap's mean ± its standard deviation per condition.

    `better[i, j]` is the share of draws in which condition i fooled more often than j, ties counted half.
    """

    conditions: tuple[str, ...]
    fool_rate: Floats
    mean: Floats
    sd: Floats
    better: Floats
    n_draws: int
    seed: int
    method: str = "nested bootstrap of AMT_Real_vs_Fake (participants, then their trials): mean ± sd"


def participant_bootstrap(
    fooled: Labels,
    participant: Labels,
    *,
    confidence: float = 0.95,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    design: str = PAIR,
) -> Bootstrap:
    """Draw participants with all their trials: an interval for these images only."""
    refuse_other("participant bootstrap", design, *SHARES)
    y, ((codes, people),) = _columns(fooled, participant=participant)
    k_P, n_P = np.bincount(codes, weights=y), np.bincount(codes).astype(np.float64)
    rng = np.random.default_rng(seed)
    weights_DP = _weights(rng, n_draws, len(people))
    drawn = (weights_DP @ k_P) / (weights_DP @ n_P)
    return _summary(y, drawn, confidence, seed, THESE_IMAGES, "bootstrap of participants, percentile")


def two_way_bootstrap(
    fooled: Labels,
    participant: Labels,
    image: Labels,
    *,
    confidence: float = 0.95,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    design: str = PAIR,
) -> Bootstrap:
    """Draw participants and, independently, images; a trial counts as often as both of its own were drawn.

    Owen 2007, doi:10.1214/07-AOAS122: never too short, and wider than needed (coverage .96 to .99).
    """
    refuse_other("two-way bootstrap", design, *SHARES)
    y, ((person, people), (photo, photos)) = _columns(fooled, participant=participant, image=image)
    shape = (len(people), len(photos))
    k_PI = sparse.csr_array((y, (person, photo)), shape=shape)
    n_PI = sparse.csr_array((np.ones_like(y), (person, photo)), shape=shape)
    rng = np.random.default_rng(seed)
    drawn: list[Floats] = []
    step = max(1, BLOCK // sum(shape))
    for first in range(0, n_draws, step):
        size = min(step, n_draws - first)
        by_people, by_photos = _weights(rng, size, shape[0]), _weights(rng, size, shape[1])
        total = np.asarray((by_people @ n_PI) * by_photos).sum(axis=1)
        # In a sparse table a draw can leave no trial at all; it says nothing.
        with np.errstate(invalid="ignore"):
            drawn.append(np.asarray((by_people @ k_PI) * by_photos).sum(axis=1) / total)
    rates = np.concatenate(drawn)
    return _summary(
        y, rates[np.isfinite(rates)], confidence, seed, BOTH, "bootstrap of participants and images, percentile"
    )


def nested_bootstrap(
    fooled: Labels,
    participant: Labels,
    condition: Labels | None = None,
    *,
    n_draws: int = N_DRAWS,
    seed: int = 0,
    design: str = PAIR,
) -> NestedBootstrap:
    """Draw participants, and within each drawn one their trials, over all conditions together.

    The numbers of github.com/phillipi/AMT_Real_vs_Fake (process_csv.py), for comparison with papers that used it.  It
    holds the photographs fixed, and draws trials twice over: participants' own noise is counted twice.
    """
    refuse_other("nested bootstrap", design, *SHARES)
    condition = np.full(len(np.asarray(fooled)), "all") if condition is None else condition
    y, ((person, people), (group, names)) = _columns(fooled, participant=participant, condition=condition)
    order = np.argsort(names.astype(str))
    group = np.argsort(order)[group]
    P, K = len(people), len(names)
    count = np.bincount((person * K + group) * 2 + y.astype(np.int64), minlength=P * K * 2).reshape(P, K * 2)
    n_P = count.sum(axis=1)
    rng = np.random.default_rng(seed)
    rates = []
    step = max(1, BLOCK // (P * K * 2))
    for first in range(0, n_draws, step):
        who_DP = rng.integers(P, size=(min(step, n_draws - first), P))
        again = rng.multinomial(n_P[who_DP], (count / n_P[:, None])[who_DP]).sum(axis=1).reshape(-1, K, 2)
        with np.errstate(invalid="ignore"):
            rates.append(again[:, :, 1] / again.sum(axis=2))
    drawn_DK = np.concatenate(rates)
    above = [[_above(drawn_DK[:, i], drawn_DK[:, j]) for j in range(K)] for i in range(K)]
    return NestedBootstrap(
        conditions=tuple(str(names[at]) for at in order),
        fool_rate=np.asarray(np.bincount(group, weights=y) / np.bincount(group)),
        mean=np.nanmean(drawn_DK, axis=0),
        sd=np.nanstd(drawn_DK, axis=0),
        better=np.array(above),
        n_draws=n_draws,
        seed=seed,
    )


def bootstrap_mean(
    values: npt.ArrayLike, *, confidence: float = 0.95, n_draws: int = N_DRAWS, seed: int = 0
) -> tuple[float, float, float, float]:
    """Mean of values (one per participant), its bootstrap standard error, and percentile ends."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError("bootstrap: expected finite values of two or more participants; drop unfinished ones")
    drawn = _weights(np.random.default_rng(seed), n_draws, len(x)) @ x / len(x)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(x.mean()), float(drawn.std()), float(low), float(high)


def _weights(rng: np.random.Generator, n_draws: int, n_clusters: int) -> Floats:
    """Multinomial weights (D, G): how often each cluster was drawn."""
    if n_clusters < 2:
        raise ValueError("bootstrap: expected two or more participants (and images), got 1; it has nothing to draw")
    return rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=n_draws).astype(np.float64)


def _columns(fooled: Labels, **labels: Labels) -> tuple[Floats, list[tuple[Integers, npt.NDArray[Any]]]]:
    y = outcomes(fooled, "bootstrap")
    found = [labels_of(column, len(y), name, "bootstrap") for name, column in labels.items()]
    return y, [column for column in found if column is not None]


def _above(one: Floats, other: Floats) -> float:
    return float(np.mean(one > other) + 0.5 * np.mean(one == other))


def _summary(y: Floats, drawn: Floats, confidence: float, seed: int, estimand: str, method: str) -> Bootstrap:
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Bootstrap(
        float(y.mean()),
        float(drawn.std(ddof=1)),
        float(low),
        float(high),
        len(drawn),
        seed,
        confidence,
        estimand,
        method,
    )
