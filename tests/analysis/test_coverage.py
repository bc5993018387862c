"""Recovery of a simulated truth: the interval covers the marginal fool rate as often as it says.

Each study draws new people and new photographs; the truth is the marginal rate, by quadrature.  With 2,000 studies
the Monte-Carlo error is half a point, so the bands below accept [.94, .96] and stop a true coverage that is outside
at 99.99 % (3.89 standard errors).
"""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from analysis.clustered import cross, two_way_variance
from analysis.compare import difference
from analysis.estimate import assumed_design_effect, effective_n, fool_rate, interval_at_effective_n
from analysis.proportions import wilson

N_STUDIES = 2000
Z_9999 = 3.89


def intercept_of(rate, sd):
    """Solve E[expit(b + N(0, sd²))] = rate for b, by Gauss–Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    return brentq(lambda b: weights @ expit(b + sd * nodes) - rate, -20, 20)


def simulate(rate, people, photos, *, sd_people, sd_photos, seed, n_studies=N_STUDIES):
    """Draw outcomes (S, n) of S studies that share one layout of who saw what."""
    rng = np.random.default_rng(seed)
    b = intercept_of(rate, math.hypot(sd_people, sd_photos))
    effect_people = rng.normal(0, sd_people, (n_studies, people.max() + 1))
    effect_photos = rng.normal(0, sd_photos, (n_studies, photos.max() + 1))
    eta = b + effect_people[:, people] + effect_photos[:, photos]
    return (rng.random(eta.shape) < expit(eta)).astype(float)


def grid(n_people, n_photos):
    return np.repeat(np.arange(n_people), n_photos), np.tile(np.arange(n_photos), n_people)


def pool(n_people, n_each, n_photos, seed=0):
    rng = np.random.default_rng(seed)
    shown = [rng.choice(n_photos, n_each, replace=False) for _ in range(n_people)]
    return np.repeat(np.arange(n_people), n_each), np.concatenate(shown)


def intervals(y_Sn, people, photos):
    """The primary interval of every study, by the functions that fool_rate itself calls."""
    layout = cross(people, photos)
    n = y_Sn.shape[-1]
    p = y_Sn.mean(axis=-1)
    variance = two_way_variance((y_Sn - p[:, None]) / n, layout).total
    n_eff = effective_n(p, variance, n, assumed_design_effect(layout.participants, layout.images))
    df = min(layout.participants.n_clusters, layout.images.n_clusters) - 1
    return interval_at_effective_n(p, n_eff, df)


def covered(interval, truth):
    return float(np.mean((interval.low <= truth) & (truth <= interval.high)))


def band(nominal, n_studies=N_STUDIES):
    return Z_9999 * math.sqrt(nominal * (1 - nominal) / n_studies)


@pytest.mark.parametrize(
    ("rate", "layout"),
    [(0.32, grid(40, 40)), (0.10, grid(40, 40)), (0.5, grid(40, 40)), (0.32, grid(12, 20)), (0.32, pool(40, 40, 1000))],
    ids=["40x40 .32", "40x40 .10", "40x40 .50", "12x20 .32", "40 of 1000 .32"],
)
def test_covers_at_the_nominal_rate(rate, layout):
    """With participant and image effects, the 95 % interval covers the marginal rate in 94 to 96 of 100 studies."""
    y = simulate(rate, *layout, sd_people=0.5, sd_photos=1.0, seed=20261122)
    coverage = covered(intervals(y, *layout), rate)
    assert 0.94 - band(0.94) <= coverage <= 0.96 + band(0.96), coverage


def test_covers_without_clustering_and_is_at_most_a_little_wide():
    """Where trials are independent the interval covers, in at most 97.5 of 100 studies."""
    people, photos = grid(40, 40)
    y = simulate(0.32, people, photos, sd_people=0, sd_photos=0, seed=1)
    coverage = covered(intervals(y, people, photos), 0.32)
    assert 0.95 - band(0.95) <= coverage <= 0.975 + band(0.975), coverage


def test_naive_wilson_fails():
    """A Wilson interval over pooled trials covers in about half of the studies: the reason for this module."""
    people, photos = grid(40, 40)
    y = simulate(0.32, people, photos, sd_people=0.5, sd_photos=1.0, seed=20261122)
    coverage = covered(wilson(y.sum(axis=-1), y.shape[-1]), 0.32)
    # statistics.md: .505
    assert abs(coverage - 0.505) < 0.01 + band(0.505), coverage


def test_none_fooled_covers_small_rates():
    """Studies in which nobody is fooled still cover the small rate behind them."""
    people, photos = grid(10, 10)
    y = simulate(0.01, people, photos, sd_people=0.5, sd_photos=1.0, seed=5)
    none = y.sum(axis=-1) == 0
    assert none.sum() > 400
    ends = intervals(y[none], people, photos)
    assert (ends.high > 0.03).all()
    assert covered(intervals(y, people, photos), 0.01) > 0.94 - band(0.94)


def test_the_simulated_studies_are_what_fool_rate_computes():
    """The vectorised path and the public function agree to the last digit."""
    people, photos = pool(15, 12, 40)
    y = simulate(0.1, people, photos, sd_people=0.5, sd_photos=1.0, seed=9, n_studies=30)
    ends = intervals(y, people, photos)
    for study in range(30):
        rate = fool_rate(y[study], people, photos)
        assert (rate.ci_low, rate.ci_high) == pytest.approx((ends.low[study], ends.high[study]), abs=1e-12)


def test_quadrature_gives_the_marginal_rate():
    """The intercept found by quadrature gives the stated rate in a large sample."""
    b = intercept_of(0.32, math.hypot(0.5, 1.0))
    drawn = expit(b + np.random.default_rng(2).normal(0, math.hypot(0.5, 1.0), 400_000))
    assert abs(drawn.mean() - 0.32) < 5 * drawn.std() / math.sqrt(len(drawn))
    assert abs(expit(b) - 0.32) > 0.02  # the conditional rate is another number


@pytest.mark.slow
def test_difference_covers():
    """Two conditions seen by the same people on the same photographs: the interval covers their true difference."""
    n_studies, people, photos = 400, *grid(20, 24)
    is_b = (people + photos) % 2 == 1
    rng = np.random.default_rng(8)
    b_a, b_b = intercept_of(0.3, math.hypot(0.5, 1.0)), intercept_of(0.4, math.hypot(0.5, 1.0))
    hits = 0
    for _ in range(n_studies):
        eta = np.where(is_b, b_b, b_a) + rng.normal(0, 0.5, 20)[people] + rng.normal(0, 1, 24)[photos]
        fooled = (rng.random(len(eta)) < expit(eta)).astype(float)
        trials = pd.DataFrame(
            {"condition": np.where(is_b, "b", "a"), "participant": people, "image": photos, "fooled": fooled}
        )
        pair = difference(trials, "a", "b")
        hits += pair.ci_low <= -0.1 <= pair.ci_high
    coverage = hits / n_studies
    assert 0.94 - band(0.94, n_studies) <= coverage <= 0.975 + band(0.975, n_studies), coverage
