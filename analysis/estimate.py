"""The fool rate of one condition, with an interval for new people and new photographs.

k of n with the two-way (participant × image) cluster-robust variance V, turned into a Wilson interval at the
effective sample size n_eff = min(n, p(1 − p)/V) with a t quantile of min(P, I) − 1 degrees of freedom
(statistics.md, "Primary estimator"; the Wilson form at an effective size: Korn and Graubard 1998).  Where clusters or
fooled trials are few that formula is weak; `analysis.interval` has what replaces it there, docs/coverage.md the proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.clustered import Clustering, Labels, cluster, cross, one_way_variance, two_way_variance
from analysis.designs import PAIR, PAIR_DESIGNS
from analysis.interval import ENOUGH_CLUSTERS, Pivot, pivot_of
from analysis.outcomes import outcomes

Floats = npt.NDArray[np.float64]

CHANCE = 0.5

# Which interval of `analysis.interval` a rate has.
FORMULA, SCORE, OUTER = "formula", "score", "outer"

# Correlation of two answers of one participant, or on one photograph, assumed where the data cannot tell
# (k = 0 or k = n).  Shares near .3 with sd .5 and 1.0 on the logit give .04 and .15.
ASSUMED_CORRELATION = 0.1

BOTH = "this population of participants and this population of photographs"
ONE_PARTICIPANT = "this participant only, and this population of photographs"
ONE_IMAGE = "this population of participants, and this photograph only"
ONE_OF_EACH = "this participant and this photograph only"
NO_IMAGES = "this population of participants; the photographs are not named"
NO_PARTICIPANTS = "this population of photographs; the participants are not named"


@dataclass(frozen=True)
class FoolRate:
    """k of n with its interval.  Rates lie in [0, 1]; `n_eff` is the number of independent trials they are worth.

    `interval_kind` names the interval (`analysis.interval`), `clustered_square` is the coefficient c of its variance.
    `se` is NaN where no variance can be estimated (all or none fooled); `df` is infinite where no cluster is left.
    """

    condition: str
    n_trials: int
    n_fooled: int
    fool_rate: float
    ci_low: float
    ci_high: float
    se: float
    design_effect: float
    n_eff: float
    df: float
    n_participants: int
    n_images: int
    estimand: str
    method: str
    confidence: float = 0.95
    warnings: tuple[str, ...] = ()
    interval_kind: str = FORMULA
    clustered_square: float = 0.0

    def interval(self, confidence: float) -> tuple[float, float]:
        """Ends of the same interval at another confidence level, e.g. .90 for an equivalence statement."""
        ends = self._pivot().ends(confidence)
        return float(ends.low), float(ends.high)

    def p_value(self, null: float) -> float:
        """Two-sided p against a rate in (0, 1): one minus the highest confidence whose interval leaves it out."""
        return float(self._pivot().p_value(null))

    def _pivot(self) -> Pivot:
        p, n_eff, df, square = (
            np.asarray(x, dtype=np.float64) for x in (self.fool_rate, self.n_eff, self.df, self.clustered_square)
        )
        kind = self.interval_kind
        return Pivot(
            p, n_eff, df, np.asarray(1 / self.n_trials), square, np.asarray(kind != SCORE), np.asarray(kind != FORMULA)
        )


def assumed_design_effect(*clusterings: Clustering) -> float:
    """The design effect to assume at k = 0 or n: 1 + Σ (m̄ − 1)·ρ with m̄ trials per cluster (Kish 1965)."""
    return 1 + sum((c.mean_size - 1) * ASSUMED_CORRELATION for c in clusterings)


def fool_rate(
    fooled: Labels,
    participant: Labels | None,
    image: Labels | None,
    *,
    condition: str = "",
    confidence: float = 0.95,
    design: str = "sequential_pair",
    extreme_design_effect: float | None = None,
) -> FoolRate:
    """Estimate the fool rate of n scored test trials: `fooled` (0/1 or booleans), and who saw which image.

    `participant` or `image` may be None where it is not known: the variance is then one-way.
    `extreme_design_effect` is the design effect of the study's other conditions; it serves only at k = 0 or n.
    """
    # A fool rate exists where a fake stands beside its original; single pictures and preference have other outcomes.
    if design not in PAIR_DESIGNS and design != PAIR:
        raise ValueError(
            f"fool rate: expected a pair design ({', '.join(sorted(PAIR_DESIGNS))}), got {design!r}; "
            "single pictures have d′ and error rates, preference has win rates"
        )
    y = outcomes(fooled)
    for name, labels in (("participant", participant), ("image", image)):
        if labels is not None and len(np.asarray(labels)) != len(y):
            raise ValueError(
                f"fool rate: expected one {name} per trial ({len(y)}), got {len(np.asarray(labels))}; "
                "pass columns of one table"
            )
    n, k = len(y), int(y.sum())
    p = k / n
    spread = _spread((y - p) / n, participant, image)
    warnings = list(spread.warnings)
    assumed = max(extreme_design_effect or 0.0, 1.0)
    if k in {0, n}:
        if assumed <= 1:
            assumed = assumed_design_effect(*spread.clusterings)
        warnings.append(
            f"{'none' if k == 0 else 'all'} of {n} trials fooled: no variance can be estimated, a design effect "
            f"of {assumed:.1f} is assumed"
        )
    variance = p * (1 - p) / n if spread.variance is None else spread.variance
    pivot = pivot_of(p, n, list(spread.parts), spread.by_cell, assumed)
    ends = pivot.ends(confidence)
    kind = FORMULA if not pivot.uses_score else OUTER if pivot.uses_formula else SCORE
    extreme = k in {0, n}
    return FoolRate(
        condition=condition,
        n_trials=n,
        n_fooled=k,
        fool_rate=p,
        ci_low=float(ends.low),
        ci_high=float(ends.high),
        se=math.nan if extreme else math.sqrt(variance),
        design_effect=assumed if extreme else variance / (p * (1 - p) / n),
        n_eff=float(pivot.n_eff),
        df=float(pivot.df),
        n_participants=spread.n_participants,
        n_images=spread.n_images,
        estimand=spread.estimand,
        method=_method(kind, spread.method),
        confidence=confidence,
        warnings=tuple(warnings),
        interval_kind=kind,
        clustered_square=float(pivot.square),
    )


def _method(kind: str, variance: str) -> str:
    if variance == "ignores clustering":
        return "Wilson (ignores clustering)"
    if kind == SCORE:
        return f"score interval (fewer than {ENOUGH_CLUSTERS} clusters), {variance} of Satterthwaite"
    wilson = f"Wilson at the effective sample size, {variance}"
    return wilson if kind == FORMULA else f"{wilson}; the outer ends of it and of the score interval (few events)"


@dataclass(frozen=True)
class _Spread:
    """What the layout of the trials allows: a variance, its parts, and what it speaks about."""

    variance: float | None
    parts: tuple[tuple[Floats, int], ...]
    by_cell: Floats | None
    n_participants: int
    n_images: int
    estimand: str
    method: str
    clusterings: tuple[Clustering, ...] = ()
    warnings: tuple[str, ...] = ()


def _spread(influence_n: Floats, participant: Labels | None, image: Labels | None) -> _Spread:
    """Choose two-way, one-way or no clustering by what the trials were drawn from."""
    people = None if participant is None else cluster(participant)
    photos = None if image is None else cluster(image)
    n_people = people.n_clusters if people else 0
    n_photos = photos.n_clusters if photos else 0

    if people and photos and n_people > 1 and n_photos > 1:
        both = two_way_variance(influence_n, cross(people.codes_n, photos.codes_n))
        return _Spread(
            float(both.total),
            ((both.by_participant, n_people), (both.by_image, n_photos)),
            both.by_cell,
            n_people,
            n_photos,
            BOTH,
            "two-way cluster-robust variance (participant × image), t",
            (people, photos),
        )
    if people and n_people > 1:
        variance = one_way_variance(influence_n, people)
        return _Spread(
            float(variance),
            ((variance, n_people),),
            None,
            n_people,
            n_photos,
            ONE_IMAGE if photos else NO_IMAGES,
            "one-way cluster-robust variance (participant), t",
            (people,),
            ("one photograph only: the interval says nothing about other photographs",) if photos else (),
        )
    if photos and n_photos > 1:
        variance = one_way_variance(influence_n, photos)
        return _Spread(
            float(variance),
            ((variance, n_photos),),
            None,
            n_people,
            n_photos,
            ONE_PARTICIPANT if people else NO_PARTICIPANTS,
            "one-way cluster-robust variance (image), t",
            (photos,),
            ("one participant only: the interval says nothing about other people",) if people else (),
        )
    return _Spread(
        None,
        (),
        None,
        n_people,
        n_photos,
        ONE_OF_EACH,
        "ignores clustering",
        (),
        ("neither participants nor photographs vary: the interval is about these trials only",),
    )
