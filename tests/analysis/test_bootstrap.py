"""Bootstraps against R's, the published tool's numbers, edges; HYPE on top of them."""

import numpy as np
import pytest

from analysis import hype_infinity, hype_time, nested_bootstrap, participant_bootstrap, two_way_bootstrap
from analysis.hype import staircase_threshold


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["sim_one_alg_40x40", "sim_three_alg_latin", "sim_unbalanced_pool"])
def test_equals_r_within_monte_carlo(reference, dataset):
    """Standard errors are R's to 3 %, percentiles to a fifth of one, in every condition."""
    expected = reference("ds_condition_rates").query("dataset == @dataset").set_index("cond")
    for condition, rows in reference(f"input_{dataset}").groupby("cond"):
        row = expected.loc[condition]
        one = participant_bootstrap(rows["y"], rows["participant"], n_draws=20_000, seed=1)
        both = two_way_bootstrap(rows["y"], rows["participant"], rows["item"], n_draws=8_000, seed=1)
        assert one.fool_rate == both.fool_rate == pytest.approx(row["rate"])
        assert one.se == pytest.approx(row["bootP_ideal_lin_se"], rel=0.03)
        assert both.se == pytest.approx(row["boot2_se_mc"], rel=0.03)
        for found, name in ((one, "bootP"), (both, "boot2")):
            ends = row[[f"{name}_pct_lo", f"{name}_pct_hi"]].astype(float)
            np.testing.assert_allclose([found.ci_low, found.ci_high], ends, atol=0.2 * found.se)


def test_nested_is_the_two_stage_variance():
    """The tool's sd is that of people drawn plus that of their trials drawn again; better adds up to one."""
    rng = np.random.default_rng(2)
    person, condition = np.repeat(np.arange(25), 40), np.tile(["a", "b"], 500)
    y = (rng.random(1000) < np.where(condition == "a", 0.2, 0.4) + rng.normal(0, 0.1, 25)[person]).astype(int)
    found = nested_bootstrap(y, person, condition, n_draws=4000, seed=3)
    assert found.conditions == ("a", "b")
    assert found.fool_rate == pytest.approx([y[condition == "a"].mean(), y[condition == "b"].mean()])
    np.testing.assert_allclose(found.mean, found.fool_rate, atol=0.003)
    np.testing.assert_allclose(found.better + found.better.T, 1)
    assert found.better[1, 0] > 0.99
    # One condition: the variance of a mean of P draws of m draws each, written out.
    one = nested_bootstrap(y, person, n_draws=20_000, seed=3)
    share = y.reshape(25, 40).mean(axis=1)
    variance = share.var() / 25 + (share * (1 - share)).mean() / 1000
    assert one.sd[0] == pytest.approx(np.sqrt(variance), rel=0.02)


def test_same_seed_same_interval(crossed):
    """A seed gives the interval again."""
    fooled, people, photos = crossed(10, 10)
    assert two_way_bootstrap(fooled, people, photos, seed=4, n_draws=500) == two_way_bootstrap(
        fooled, people, photos, seed=4, n_draws=500
    )


@pytest.mark.parametrize("value", [0, 1])
def test_all_or_none_fooled(value):
    """All or none fooled leaves nothing to draw from: the interval is a point, one reason why it is secondary."""
    found = participant_bootstrap(np.full(20, value), np.repeat(np.arange(5), 4), n_draws=200)
    assert (found.ci_low, found.ci_high, found.se) == (value, value, 0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], []), "at least one scored trial"),
        (([1, np.nan], [1, 2]), "1 missing"),
        (([1, 0], [1, 1]), "two or more participants"),
        (([1, 0, 1], [1, 2]), r"per trial \(3\), got 2"),
    ],
)
def test_refuses(columns, message):
    """Empty, missing and lone are refused."""
    with pytest.raises(ValueError, match=message):
        participant_bootstrap(*columns)


def test_hype_time_is_the_mean_of_modes():
    """Each staircase gives its mode; blocks are averaged within, then over participants."""
    assert staircase_threshold([500, 470, 470, 480, 470]) == 470
    assert staircase_threshold([500, 490]) == 500
    exposures = [500, 400, 400, 300, 300, 350, 100, 100]
    found = hype_time(exposures, ["p"] * 6 + ["q"] * 2, [0, 0, 0, 1, 1, 1, 0, 0], n_draws=2000)
    assert found.threshold_ms == pytest.approx(((400 + 300) / 2 + 100) / 2)
    assert found.ci_low_ms == 100
    assert found.n_participants == 2
    with pytest.raises(ValueError, match="above 0"):
        staircase_threshold([0, 100])


def test_hype_infinity_is_the_error_rate_over_both_kinds():
    """Fakes taken for real and originals taken for fakes count alike."""
    wrong, real = [1, 0, 0, 0, 1, 1, 0, 0], [False, False, True, True] * 2
    found = hype_infinity(wrong, real, list("ppppqqqq"), n_draws=2000)
    assert found.error_rate == 3 / 8
    assert (found.fake_error_rate, found.real_error_rate) == (3 / 4, 0)
    assert found.ci_low <= 3 / 8 <= found.ci_high
    with pytest.raises(ValueError, match="of fakes and of originals"):
        hype_infinity(wrong, [True] * 8, list("ppppqqqq"))
