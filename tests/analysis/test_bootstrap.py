"""Bootstraps against R's, the published tool's numbers, edges; HYPE on top of them."""

import itertools

import numpy as np
import pytest

from analysis import hype_infinity, hype_time, nested_bootstrap, participant_bootstrap, two_way_bootstrap
from analysis.bootstrap import bootstrap_mean
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
    assert one.conditions == ("all",)
    share = y.reshape(25, 40).mean(axis=1)
    variance = share.var() / 25 + (share * (1 - share)).mean() / 1000
    assert one.sd[0] == pytest.approx(np.sqrt(variance), rel=0.02)


def test_same_seed_same_interval(crossed):
    """A seed gives the interval again."""
    fooled, people, photos = crossed(10, 10)
    assert two_way_bootstrap(fooled, people, photos, seed=4, n_draws=500) == two_way_bootstrap(
        fooled, people, photos, seed=4, n_draws=500
    )


PEOPLE, PHOTOS = np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4)
FOOLED = np.array([1, 0, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0])


def test_drawing_people_has_the_distribution_of_every_draw():
    """With four people all 256 draws can be listed: their mean, spread and percentiles are the bootstrap's."""
    found = participant_bootstrap(FOOLED, PEOPLE, n_draws=20_000, seed=3, confidence=0.8)
    rates = FOOLED.reshape(4, 6).mean(axis=1)
    every = np.array([rates[list(draw)].mean() for draw in itertools.product(range(4), repeat=4)])
    assert found.fool_rate == FOOLED.mean()
    assert found.se == pytest.approx(every.std(), rel=0.02)
    ends = np.quantile(every, [0.1, 0.9])
    np.testing.assert_allclose([found.ci_low, found.ci_high], ends, atol=0.011)  # a third of a step between rates
    assert (found.n_draws, found.seed, found.confidence) == (20_000, 3, 0.8)
    assert found.estimand == "this population of participants, and these images only"
    assert found.method == "bootstrap of participants, percentile"


@pytest.mark.parametrize("block", [12_000_000, 70])
def test_drawing_both_counts_a_trial_as_often_as_both_of_its_own(monkeypatch, block):
    """The same draws, done trial by trial; in one block and in blocks of seven draws, a last one of five."""
    monkeypatch.setattr("analysis.bootstrap.BLOCK", block)
    found = two_way_bootstrap(FOOLED, PEOPLE, PHOTOS, n_draws=40, seed=5, confidence=0.9)
    dice, rates = np.random.default_rng(5), []
    for size in [40] if block > 40 * 10 else [7, 7, 7, 7, 7, 5]:
        people, photos = dice.multinomial(4, [1 / 4] * 4, size=size), dice.multinomial(6, [1 / 6] * 6, size=size)
        for one, other in zip(people, photos, strict=True):
            weights = one[PEOPLE] * other[PHOTOS]
            rates.append((weights * FOOLED).sum() / weights.sum())
    assert found.se == pytest.approx(np.std(rates, ddof=1))
    assert [found.ci_low, found.ci_high] == pytest.approx(np.quantile(rates, [0.05, 0.95]))
    assert (found.n_draws, found.seed, found.confidence) == (40, 5, 0.9)
    assert found.estimand == "this population of participants and this population of photographs"
    assert found.method == "bootstrap of participants and images, percentile"


def test_a_draw_that_leaves_no_trial_says_nothing():
    """Everybody saw a photograph of their own: drawn people and photographs often do not meet."""
    found = two_way_bootstrap([1, 0, 1, 0], [1, 2, 3, 4], [1, 2, 3, 4], n_draws=400, seed=1)
    assert 200 < found.n_draws < 400
    assert 0 <= found.ci_low < found.ci_high <= 1


def test_the_mean_of_values_is_drawn_as_its_people_are():
    """Mean, spread and percentiles of the same draws."""
    values = [310.0, 250.0, 480.0, 390.0, 400.0]
    weights = np.random.default_rng(7).multinomial(5, [0.2] * 5, size=300)
    drawn = weights @ np.array(values) / 5
    expected = (366.0, drawn.std(), *np.quantile(drawn, [0.1, 0.9]))
    assert bootstrap_mean(values, confidence=0.8, n_draws=300, seed=7) == pytest.approx(expected)
    assert bootstrap_mean([1, 2], n_draws=50, seed=7)[0] == 1.5


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda **given: participant_bootstrap(FOOLED, PEOPLE, **given), "participant bootstrap"),
        (lambda **given: two_way_bootstrap(FOOLED, PEOPLE, PHOTOS, **given), "two-way bootstrap"),
        (lambda **given: nested_bootstrap(FOOLED, PEOPLE, **given), "nested bootstrap"),
    ],
)
def test_another_design_is_refused_by_the_estimators_name(call, name):
    with pytest.raises(ValueError, match=f"^{name}: expected a pair or single or preference design, got 'staircase'"):
        call(design="staircase")


@pytest.mark.parametrize("value", [0, 1])
def test_all_or_none_fooled(value):
    """All or none fooled leaves nothing to draw from: the interval is a point, one reason why it is secondary."""
    found = participant_bootstrap(np.full(20, value), np.repeat(np.arange(5), 4), n_draws=200)
    assert (found.ci_low, found.ci_high, found.se) == (value, value, 0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], []), "^bootstrap: .*at least one scored trial"),
        (([1, np.nan], [1, 2]), "^bootstrap: .*1 missing"),
        (([1, 0], [1, 1]), "^bootstrap: .*two or more participants"),
        (([1, 0, 1], [1, 2]), r"^bootstrap: .*per trial \(3\), got 2"),
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
