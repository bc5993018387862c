"""The confidence sequence: false alarms under peeking, the truth recovered, refusals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import confidence_sequence
from analysis.proportions import wilson
from analysis.sequential import log_capital


@pytest.mark.parametrize("truth", [0.05, 0.3, 0.5])
def test_looking_after_everybody_rarely_misses(truth):
    """With a look after every participant, at most 5 % of 2,000 studies ever leave the truth; Wilson does in half."""
    rng = np.random.default_rng(4)
    rate = rng.beta(4 * truth, 4 * (1 - truth), (2000, 100))
    means = rng.binomial(20, rate) / 20
    alarms = (log_capital(means, np.full(2000, truth)) >= math.log(20)).any(axis=1).mean()
    # Four Monte-Carlo standard errors above .05.
    assert alarms <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 2000)
    people = np.arange(1, 101)
    low, high = wilson(np.cumsum(means, axis=1) * 20, people * 20)
    assert ((truth < low) | (truth > high)).any(axis=1).mean() > 0.4


def test_capital_is_a_fair_game():
    """At the truth the mean of each half's capital is 1: checked where every outcome can be listed."""
    outcomes = np.array(np.meshgrid(*[[0.0, 1.0]] * 8)).reshape(8, -1).T
    weight = 0.3 ** outcomes.sum(axis=1) * 0.7 ** (8 - outcomes.sum(axis=1))
    hedged = np.exp(log_capital(outcomes, np.full(len(outcomes), 0.3))[:, -1])
    # max(K⁺, K⁻)/2 lies between their mean halves.
    assert 0.5 <= float(weight @ hedged) <= 1 + 1e-12


@given(means=st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_intervals_only_shrink(means):
    """Later intervals lie within earlier ones, in [0, 1]."""
    sequence = confidence_sequence(means)
    low, high = sequence.low_T, sequence.high_T
    alive = ~np.isnan(low)
    assert (np.diff(low[alive]) >= 0).all()
    assert (np.diff(high[alive]) <= 0).all()
    assert 0 <= low[0] <= high[0] <= 1
    assert sequence.mean == pytest.approx(np.mean(means))


def test_finds_the_rate():
    """Three hundred people around .3 give an interval around .3, narrower than after thirty."""
    means = np.random.default_rng(1).binomial(20, 0.3, 300) / 20
    sequence = confidence_sequence(means)
    assert sequence.low < 0.3 < sequence.high
    assert sequence.high - sequence.low < 0.08
    assert sequence.high_T[29] - sequence.low_T[29] > 2 * (sequence.high - sequence.low)


def test_all_or_none_fooled():
    """When nobody is fooled the lower end stays 0 and the upper one falls."""
    sequence = confidence_sequence(np.zeros(50))
    assert sequence.low == 0
    assert sequence.high < 0.25
    mirrored = confidence_sequence(np.ones(50))
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - sequence.high, 1))


@pytest.mark.parametrize("means", [[], [0.2, math.nan], [0.2, 1.2], [[0.1, 0.2]]])
def test_refuses(means):
    """Missing means, none, and numbers that are no rates are refused."""
    with pytest.raises(ValueError, match="sequence: expected"):
        confidence_sequence(means)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_is_what_the_bets_have_left(confidence):
    """Person by person and rate by rate, as the paper writes it: bets follow the variance so far."""
    means = np.random.default_rng(8).binomial(10, 0.35, 25) / 10
    alpha, grid = 1 - confidence, np.linspace(0, 1, 1001)
    alive = np.ones(1001, bool)
    log_up, log_down = np.zeros(1001), np.zeros(1001)
    total, squares, known = 0.5, 0.25, 0.25
    low, high = [], []
    for t, x in enumerate(means, start=1):
        bet = math.sqrt(2 * math.log(2 / alpha) / (known * t * math.log(t + 1)))
        for at, m in enumerate(grid):
            up = min(bet, 0.5 / m) if m > 0 else bet
            down = min(bet, 0.5 / (1 - m)) if m < 1 else bet
            log_up[at] += math.log(1 + up * (x - m))
            log_down[at] += math.log(1 - down * (x - m))
        alive &= np.maximum(log_up, log_down) - math.log(2) < math.log(1 / alpha)
        low.append(max(grid[alive].min() - 0.001, 0))
        high.append(min(grid[alive].max() + 0.001, 1))
        total += x
        squares += (x - total / (t + 1)) ** 2
        known = squares / (t + 1)
    found = confidence_sequence(means, confidence=confidence)
    np.testing.assert_allclose(found.low_T, low, atol=1e-9)
    np.testing.assert_allclose(found.high_T, high, atol=1e-9)
    assert found.confidence == confidence
