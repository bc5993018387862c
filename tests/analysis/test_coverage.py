"""Recovery of a simulated truth: intervals cover the marginal rate as often as they say.

Each study draws new people and new photographs; the truth is the marginal rate, by quadrature.  With 2,000 studies
the Monte-Carlo error is half a point, so the bands below accept [.94, .96] and stop a true coverage that is outside
at 99.99 % (3.89 standard errors).  `make coverage` does the same with 20,000 studies in 46 designs.
"""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from analysis.compare import contrast_variance, difference
from analysis.estimate import ASSUMED_CORRELATION, fool_rate
from analysis.interval import pivot_of, t_quantile
from analysis.mixed.marginal import intercept_of
from analysis.proportions import wilson
from analysis.simulation import Sheet, Simulator, Spreads, grid, pool, unbalanced

N_STUDIES = 2000
Z_9999 = 3.89
BOTH, ALONE = Spreads(0.5, 1.0, 0.0), Spreads(0, 0, 0)


def simulate(rate, sheet, spreads, *, seed=20261122, n_studies=N_STUDIES):
    simulator = Simulator(sheet, (rate,), spreads)
    return simulator, simulator.outcomes(np.random.default_rng(seed), n_studies)


def intervals(simulator, y_Sn):
    """The primary interval of every study, by the functions that fool_rate itself calls."""
    P, I, n = simulator.P, simulator.I, y_Sn.shape[1]  # noqa: E741 -- participants and images
    p, parts = simulator.rate(y_Sn)
    assumed = 1 + (n / P - 1 + n / I - 1) * ASSUMED_CORRELATION
    return pivot_of(p, n, [(parts.by_participant, P), (parts.by_image, I)], parts.by_cell, assumed).ends()


def covered(interval, truth):
    return float(np.mean((interval.low <= truth) & (truth <= interval.high)))


def band(nominal, n_studies=N_STUDIES):
    return Z_9999 * math.sqrt(nominal * (1 - nominal) / n_studies)


@pytest.mark.parametrize(
    ("rate", "sheet"),
    [
        (0.32, grid(40, 40)),
        (0.03, grid(40, 40)),
        (0.32, grid(12, 20)),
        (0.32, grid(8, 10)),
        (0.32, grid(5, 40)),
        (0.13, grid(40, 4)),
        (0.32, unbalanced(15, 25)),
        (0.32, pool(40, 40, 1000)),
    ],
    ids=["40x40", "40x40 rare", "12x20", "8x10", "5x40", "40x4", "unbalanced", "40 of 1000"],
)
def test_covers_at_the_nominal_rate(rate, sheet):
    """With participant and image effects, the 95 % interval covers the marginal rate in 94 to 96 of 100 studies."""
    coverage = covered(intervals(*simulate(rate, sheet, BOTH)), rate)
    assert 0.94 - band(0.94) <= coverage <= 0.96 + band(0.96), coverage


def test_the_plain_formula_is_too_wide_with_five_people():
    """What the score interval is for: min(P, I) − 1 degrees of freedom cover 98 % where photographs vary most."""
    simulator, y = simulate(0.32, grid(5, 40), BOTH)
    p, parts = simulator.rate(y)
    n_eff = np.minimum(200, p * (1 - p) / parts.total)
    plain = wilson(p * n_eff, n_eff, z=t_quantile(4, 0.95))
    assert covered(plain, 0.32) > 0.97
    ours = intervals(simulator, y)
    assert (ours.high - ours.low).mean() < 0.9 * (plain.high - plain.low).mean()


def test_covers_without_clustering_and_is_at_most_a_little_wide():
    """Where trials are independent the interval covers, in at most 97.5 of 100 studies."""
    coverage = covered(intervals(*simulate(0.32, grid(40, 40), ALONE)), 0.32)
    assert 0.95 - band(0.95) <= coverage <= 0.975 + band(0.975), coverage


def test_naive_wilson_fails():
    """A Wilson interval over pooled trials covers in about half of the studies: the reason for this module."""
    _, y = simulate(0.32, grid(40, 40), BOTH)
    coverage = covered(wilson(y.sum(axis=-1), y.shape[-1]), 0.32)
    # statistics.md: .505
    assert abs(coverage - 0.505) < 0.01 + band(0.505), coverage


def test_none_fooled_covers_small_rates():
    """Studies in which nobody is fooled still cover the small rate behind them."""
    simulator, y = simulate(0.01, grid(10, 10), BOTH)
    ends = intervals(simulator, y)
    none = y.sum(axis=-1) == 0
    assert none.sum() > 400
    assert (ends.high[none] > 0.03).all()
    assert covered(ends, 0.01) > 0.94 - band(0.94)


def test_the_simulated_studies_are_what_fool_rate_computes():
    """The vectorised path and the public function agree, in the formula's and in the score's reach."""
    for sheet in (pool(15, 12, 40), grid(30, 31)):
        simulator, y = simulate(0.1, sheet, BOTH, n_studies=20)
        ends = intervals(simulator, y)
        for study in range(20):
            rate = fool_rate(y[study], sheet.participant_n, sheet.image_n)
            # The simulation sums in single precision.
            assert (rate.ci_low, rate.ci_high) == pytest.approx((ends.low[study], ends.high[study]), abs=1e-5)


def test_quadrature_gives_the_marginal_rate():
    """The intercept found by quadrature gives the stated rate in a large sample."""
    b = intercept_of(0.32, BOTH.total)
    drawn = expit(b + np.random.default_rng(2).normal(0, BOTH.total, 400_000))
    assert abs(drawn.mean() - 0.32) < 5 * drawn.std() / math.sqrt(len(drawn))
    assert abs(expit(b) - 0.32) > 0.02  # the conditional rate is another number


@pytest.mark.parametrize("sheet", [grid(12, 20, 2), grid(40, 40, 2)], ids=["12x20", "40x40"])
def test_difference_covers(sheet):
    """Two conditions seen by the same people: the interval covers their true difference in 94 to 96 of 100."""
    simulator = Simulator(sheet, (0.3, 0.4), BOTH)
    gap, parts = simulator.difference(simulator.outcomes(np.random.default_rng(8), N_STUDIES))
    variance, df = contrast_variance(parts, simulator.P, simulator.I)
    coverage = float(np.mean(np.abs(gap + 0.1) <= t_quantile(df, 0.95) * np.sqrt(variance)))
    assert 0.94 - band(0.94) <= coverage <= 0.96 + band(0.96), coverage


def test_the_simulated_differences_are_what_difference_computes():
    """The vectorised difference and the public function agree, within and between participants."""
    for is_between in (False, True):
        sheet = grid(12, 20, 2)
        arm = sheet.participant_n % 2 if is_between else sheet.condition_n
        sheet = Sheet(sheet.participant_n, sheet.image_n, arm)
        simulator = Simulator(sheet, (0.3, 0.4), BOTH)
        y = simulator.outcomes(np.random.default_rng(8), 5)
        gap, parts = simulator.difference(y)
        variance, df = contrast_variance(parts, 6 if is_between else 12, 20)
        for study in range(5):
            table = pd.DataFrame(
                {
                    "condition": arm,
                    "participant": sheet.participant_n,
                    "image": sheet.image_n,
                    "fooled": y[study].astype(float),
                }
            )
            found = difference(table, 0, 1)
            assert found.difference == pytest.approx(gap[study], abs=1e-6)
            assert found.df == pytest.approx(df[study], rel=1e-4)
            half = t_quantile(df, 0.95)[study] * math.sqrt(variance[study])
            assert found.ci_high - found.ci_low == pytest.approx(2 * half, rel=1e-4)
