"""d′, biases, lapses, shrinkage: against R, and against what was put in."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from analysis.detection import called_fake, d_prime_2afc, detection, interval_bias, lapse_correction, side_bias
from analysis.estimate import fool_rate
from analysis.proportions import wilson
from analysis.shrinkage import heterogeneity_p, intraclass_correlation, shrunken_rates


def test_d_prime_equals_r(reference):
    """d′ of two places and the criterion equal R's, extreme counts included."""
    for _, row in reference("dprime_bias").iterrows():
        counts = [int(row[name]) for name in ("hits", "n_left_fake", "fas", "n_right_fake")]
        found = d_prime_2afc(*counts)
        assert found.d_prime == pytest.approx(row["dprime_2afc_loglin"], rel=1e-9, abs=1e-12)
        assert found.criterion == pytest.approx(row["c_loglin"], rel=1e-9, abs=1e-12)


def trials_of(side, order, response, question="fake"):
    n = len(side)
    return pd.DataFrame(
        {
            "side_of_a": side,
            "order_of_a": order,
            "response": response,
            "question": question,
            "participant_id": [f"p{i % 4}" for i in range(n)],
            "image_id": [f"i{i // 4}" for i in range(n)],
        }
    )


def test_called_fake_turns_with_the_question():
    """Choosing a calls it fake if the fake was asked for, and real if the real one was."""
    sides = ["left", "left", "right", "right"]
    trials = trials_of(sides, ["first"] * 4, ["left", "right", "left", "right"])
    assert called_fake(trials).tolist() == [True, False, False, True]
    assert called_fake(trials.assign(question="real")).tolist() == [False, True, True, False]


def test_side_and_interval_bias_find_what_was_put_in():
    """Someone who always presses left, with the fake left and first by halves, has a side bias and no other."""
    sides, orders = ["left", "right"] * 8, ["first", "first", "second", "second"] * 4
    trials = trials_of(sides, orders, ["left"] * 16)
    assert side_bias(trials).share == 1
    assert interval_bias(trials).share == 0.5
    assert detection(trials).d_prime == pytest.approx(0, abs=1e-12)
    assert detection(trials).criterion < -1


def test_a_bias_is_a_share_over_people_and_photographs():
    """With the interval of any other share, and the name that a report prints."""
    dice = np.random.default_rng(2)
    sides, orders, answers = (dice.choice(of, 16) for of in (["left", "right"], ["first", "second"], ["left", "right"]))
    trials = trials_of(sides, orders, answers)
    for found, name, hit in (
        (side_bias(trials), "left picture chosen", answers == "left"),
        (interval_bias(trials), "first picture chosen", (answers == sides) == (orders == "first")),
    ):
        rate = fool_rate(hit, trials["participant_id"], trials["image_id"])
        assert (found.name, found.n_trials, found.k) == (name, 16, hit.sum())
        assert (found.share, found.ci_low, found.ci_high) == (rate.fool_rate, rate.ci_low, rate.ci_high)


def test_d_prime_counts_each_side_by_itself():
    """Three fakes at the left, all found; five at the right, one called left."""
    sides = ["left"] * 3 + ["right"] * 5
    found = detection(trials_of(sides, ["first"] * 8, ["left"] * 3 + ["left"] + ["right"] * 4))
    assert found == d_prime_2afc(3, 3, 1, 5)
    z = norm.ppf([3.5 / 4, 1.5 / 6])
    assert (found.d_prime, found.criterion) == pytest.approx(((z[0] - z[1]) / np.sqrt(2), -z.sum() / 2))


def test_a_lapse_correction_is_as_wide_as_both_intervals_allow():
    """The corrected rate falls with the rate and, below one half, with the lapses: the ends are the far corners."""
    fooled = np.random.default_rng(3).permutation(np.arange(400) < 120)
    rate = fool_rate(fooled, np.repeat(np.arange(20), 20), np.tile(np.arange(20), 20))
    assert rate.ci_high < 0.5
    found = lapse_correction(rate, 40, 3)
    ends = wilson(3, 40)
    lapses = [2 * float(end) for end in (ends.low, 3 / 40, ends.high)]
    assert [found.lapse_low, found.lapse_rate, found.lapse_high] == pytest.approx(lapses)
    corners = [(p - lapse / 2) / (1 - lapse) for p in (rate.ci_low, rate.ci_high) for lapse in (lapses[0], lapses[2])]
    assert (found.low, found.high) == pytest.approx((max(0, min(corners)), max(corners)))
    assert found.corrected == pytest.approx((0.3 - lapses[1] / 2) / (1 - lapses[1]))
    assert lapse_correction(rate, 19, 0) is None
    assert lapse_correction(rate, 20, 20).lapse_rate == 0.99


def test_d_prime_needs_both_sides():
    """With the fake only ever on the left, d′ is not defined and not made up."""
    assert detection(trials_of(["left"] * 4, ["first"] * 4, ["left"] * 4)) is None


def test_lapse_correction_recovers_the_attentive_rate(crossed):
    """A rate of .10 seen through lapses of 10 % is .14; the correction gives .10 back (statistics.md)."""
    rate = fool_rate(*crossed(10, 100, rate=0.14))
    seen = 0.1 * 0.9 + 0.1 / 2
    exact = fool_rate(np.arange(1000) < 1000 * seen, *crossed(10, 100)[1:])
    found = lapse_correction(exact, 1000, 50)
    assert found.lapse_rate == pytest.approx(0.1)
    assert found.corrected == pytest.approx(0.1)
    assert found.low < exact.ci_low
    assert lapse_correction(rate, 5, 0) is None


def test_shrinkage_by_hand():
    """Kleinman's estimator on three groups of four, worked out by hand."""
    k, n = [0, 2, 4], [4, 4, 4]
    # p = .5, Σ n (p_g − p)² = 2, divided by p(1−p) = 8; (8 − 2) / (12 − 4 − 2) = 1: groups differ completely.
    assert intraclass_correlation(k, n) == 1
    np.testing.assert_allclose(shrunken_rates(k, n), [0, 0.5, 1])
    # Equal groups vary less than chance: everything is drawn to the mean.
    assert intraclass_correlation([2, 2, 2], n) == 0
    np.testing.assert_allclose(shrunken_rates([2, 2, 2], n), 0.5)


@pytest.mark.parametrize(
    ("k", "n", "wanted"),
    [
        # p = .5, Σ n (p_g − p)² / p(1−p) = 2, (2 − 1) / (8 − 4 − 1)
        ([1, 3], [4, 4], 1 / 3),
        # p = 1/3, the sum 3, (3 − 1) / (3 − 5/3 − 1) = 6, and 1 is the most
        ([1, 0], [1, 2], 1),
        ([0, 0, 0], [4, 4, 4], 0),
        ([4, 4], [4, 4], 0),
        ([2], [4], 0),
        # One trial each says nothing of what is alike within a group.
        ([1, 0, 1], [1, 1, 1], 0),
    ],
)
def test_the_correlation_by_hand_and_where_there_is_none(k, n, wanted):
    """Two groups are enough; nobody, everybody, one group and groups of one have none, without a division by zero."""
    assert intraclass_correlation(k, n) == pytest.approx(wanted)


def test_correlation_recovers_a_beta_binomial():
    """Groups from a beta with correlation .2 give .2 back."""
    rng = np.random.default_rng(6)
    n = rng.integers(5, 40, 4000)
    k = rng.binomial(n, rng.beta(0.3 * 4, 0.7 * 4, 4000))
    assert intraclass_correlation(k, n) == pytest.approx(0.2, abs=0.015)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=20))
def test_shrunken_rates_lie_between_rate_and_mean(groups):
    """Shrinking moves a rate towards the mean, never past it or away."""
    k, n = np.array([min(k, n) for k, n in groups]), np.array([n for _, n in groups])
    shrunken, mean = shrunken_rates(k, n), k.sum() / n.sum()
    assert (np.minimum(k / n, mean) - 1e-9 <= shrunken).all()
    assert (shrunken <= np.maximum(k / n, mean) + 1e-9).all()


def test_heterogeneity_is_pearsons():
    """The p-value is χ²'s of Σ (k − np)²/(np(1−p)), and half the photos at 30, half at 70 are not a common 50."""
    k, n = np.array([5, 9, 12]), np.array([20, 20, 20])
    statistic = ((k - 10) ** 2 / 5).sum()
    assert heterogeneity_p(k, n, 0.5) == pytest.approx(chi2.sf(statistic, 3))
    assert heterogeneity_p([12, 28] * 10, [40] * 20, 0.5) < 1e-9
    assert heterogeneity_p([19, 21] * 10, [40] * 20, 0.5) > 0.9
