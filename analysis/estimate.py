"""The fool rate of one condition, with an interval for new people and new photographs.

k of n with the two-way (participant × image) cluster-robust variance V, turned into a Wilson interval at the
effective sample size n_eff = min(n, p(1 − p)/V) with a t quantile of min(P, I) − 1 degrees of freedom
(statistics.md, "Primary estimator"; the Wilson form at an effective size: Korn and Graubard 1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.clustered import Clustering, Labels, Layout, cluster, cross, one_way_variance, two_way_variance
from analysis.outcomes import outcomes
from analysis.proportions import Interval, wilson, z_quantile

Floats = npt.NDArray[np.float64]

# A fool rate exists where a fake stands beside its original; single pictures and preference have other outcomes.
PAIR_DESIGNS = frozenset({"sequential_pair"})

CHANCE = 0.5

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

    def interval(self, confidence: float) -> tuple[float, float]:
        """Ends of the same interval at another confidence level, e.g. .90 for an equivalence statement."""
        ends = interval_at_effective_n(self.fool_rate, self.n_eff, self.df, confidence)
        return float(ends.low), float(ends.high)

    def p_value(self, null: float) -> float:
        """Two-sided p against a rate in (0, 1): one minus the highest confidence whose interval leaves it out.

        The Wilson ends solve |p − p0| = t √(p0 (1 − p0)/n_eff), so the inversion is t → 2 P(T_df > t).
        """
        if not 0 < null < 1:
            raise ValueError(f"null: expected a rate between 0 and 1, got {null}; write 10 % as 0.1")
        t = abs(self.fool_rate - null) / math.sqrt(null * (1 - null) / self.n_eff)
        return float(min(1.0, 2 * (special.ndtr(-t) if math.isinf(self.df) else special.stdtr(self.df, -t))))


def t_quantile(df: npt.ArrayLike, confidence: float) -> Floats:
    """Two-sided t quantile; the normal one where df is infinite."""
    df_ = np.asarray(df, dtype=np.float64)
    z = z_quantile(confidence)
    finite = np.where(np.isinf(df_), 1.0, df_)
    return np.where(np.isinf(df_), z, special.stdtrit(finite, (1 + confidence) / 2))


def effective_n(p: npt.ArrayLike, variance: npt.ArrayLike, n: int, extreme_design_effect: float) -> Floats:
    """Effective sample size of shares (...) with variances (...): n_eff = min(n, p(1 − p)/V).

    At p = 0 or 1 no variance exists and n_eff = n / extreme_design_effect.
    """
    p_, v = np.asarray(p, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    binomial = p_ * (1 - p_)
    estimated = np.divide(binomial, v, out=np.full_like(v, np.inf), where=v > 0)
    return np.where(binomial > 0, np.minimum(n, estimated), n / extreme_design_effect)


def interval_at_effective_n(
    p: npt.ArrayLike, n_eff: npt.ArrayLike, df: npt.ArrayLike, confidence: float = 0.95
) -> Interval:
    """Wilson interval of shares (...) at effective sizes (...) with a t quantile for z."""
    p_, n_ = np.asarray(p, dtype=np.float64), np.asarray(n_eff, dtype=np.float64)
    return wilson(p_ * n_, n_, z=t_quantile(df, confidence))


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
    if design not in PAIR_DESIGNS:
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
    n_eff = float(effective_n(p, variance, n, assumed))
    ends = interval_at_effective_n(p, n_eff, spread.df, confidence)
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
        n_eff=n_eff,
        df=spread.df,
        n_participants=spread.n_participants,
        n_images=spread.n_images,
        estimand=spread.estimand,
        method=spread.method,
        confidence=confidence,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True)
class _Spread:
    """What the layout of the trials allows: a variance, its degrees of freedom, and what it speaks about."""

    variance: float | None
    df: float
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
        layout: Layout = cross(people.codes_n, photos.codes_n)
        return _Spread(
            float(two_way_variance(influence_n, layout).total),
            min(n_people, n_photos) - 1,
            n_people,
            n_photos,
            BOTH,
            "Wilson at the effective sample size, two-way cluster-robust variance (participant × image), t",
            (people, photos),
        )
    if people and n_people > 1:
        return _Spread(
            float(one_way_variance(influence_n, people)),
            n_people - 1,
            n_people,
            n_photos,
            ONE_IMAGE if photos else NO_IMAGES,
            "Wilson at the effective sample size, one-way cluster-robust variance (participant), t",
            (people,),
            ("one photograph only: the interval says nothing about other photographs",) if photos else (),
        )
    if photos and n_photos > 1:
        return _Spread(
            float(one_way_variance(influence_n, photos)),
            n_photos - 1,
            n_people,
            n_photos,
            ONE_PARTICIPANT if people else NO_PARTICIPANTS,
            "Wilson at the effective sample size, one-way cluster-robust variance (image), t",
            (photos,),
            ("one participant only: the interval says nothing about other people",) if people else (),
        )
    return _Spread(
        None,
        math.inf,
        n_people,
        n_photos,
        ONE_OF_EACH,
        "Wilson (ignores clustering)",
        (),
        ("neither participants nor photographs vary: the interval is about these trials only",),
    )
