"""The fool rate: reference values, what must hold for any table, edges and refusals."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from analysis import fool_rate
from analysis.clustered import cluster, cross, one_way_variance, two_way_variance
from analysis.estimate import FORMULA, NO_IMAGES, NO_PARTICIPANTS, ONE_IMAGE, ONE_OF_EACH, ONE_PARTICIPANT, OUTER
from analysis.interval import pivot_of, satterthwaite, t_quantile
from analysis.proportions import wilson

DATASETS = {
    "sim_one_alg_40x40": "input_sim_one_alg_40x40",
    "sim_three_alg_latin": "input_sim_three_alg_latin",
    "sim_unbalanced_pool": "input_sim_unbalanced_pool",
}
tables = st.integers(2, 8).flatmap(
    lambda n_people: st.lists(
        st.tuples(st.booleans(), st.integers(0, n_people - 1), st.integers(0, 5)), min_size=4, max_size=60
    )
)


def columns(rows):
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def numbers(rate):
    return [rate.fool_rate, rate.ci_low, rate.ci_high, rate.se, rate.design_effect, rate.n_eff, rate.df]


@pytest.mark.parametrize("dataset", DATASETS)
def test_equals_r(reference, dataset):
    """Rate, standard error, design effect, degrees of freedom and interval equal R's in every condition."""
    expected = reference("ds_condition_rates").query("dataset == @dataset").set_index("cond")
    trials = reference(DATASETS[dataset])
    assert len(expected) == trials["cond"].nunique()
    for condition, rows in trials.groupby("cond"):
        rate = fool_rate(rows["y"], rows["participant"], rows["item"], condition=condition)
        row = expected.loc[condition]
        assert (rate.n_fooled, rate.n_trials, rate.df) == (row["k"], row["n"], row["df"])
        assert (rate.n_participants, rate.n_images) == (row["participants"], row["items"])
        found = [rate.fool_rate, rate.se, rate.design_effect, rate.n_eff, rate.ci_low, rate.ci_high]
        names = ["rate", "se_twoway", "deff", "neff", "wilson_neff_t_lo", "wilson_neff_t_hi"]
        np.testing.assert_allclose(found, row[names].astype(float), rtol=1e-8)
        influence = (rows["y"].to_numpy() - rate.fool_rate) / rate.n_trials
        for labels, name in (("participant", "se_participant"), ("item", "se_item")):
            se = math.sqrt(one_way_variance(influence, cluster(rows[labels])))
            assert se == pytest.approx(row[name], rel=1e-8)


def test_one_way_equals_r_too(reference):
    """Without images the standard error is R's one-way clustered one, and the interval says what it is about."""
    row = reference("ds_condition_rates").iloc[0]
    trials = reference("input_sim_one_alg_40x40")
    by_people = fool_rate(trials["y"], trials["participant"], None)
    by_images = fool_rate(trials["y"], None, trials["item"])
    assert by_people.se == pytest.approx(row["se_participant"], rel=1e-8)
    assert by_images.se == pytest.approx(row["se_item"], rel=1e-8)
    assert (by_people.estimand, by_images.estimand) == (NO_IMAGES, NO_PARTICIPANTS)


@given(rows=tables)
def test_interval_contains_the_rate(rows):
    """0 ≤ low ≤ rate ≤ high ≤ 1, and n_eff never exceeds n."""
    rate = fool_rate(*columns(rows))
    assert 0 <= rate.ci_low <= rate.fool_rate <= rate.ci_high <= 1
    assert 0 < rate.n_eff <= rate.n_trials


@given(rows=tables, seed=st.integers(0, 1000))
def test_order_and_names_do_not_matter(rows, seed):
    """Shuffling the rows and renaming people and photographs changes nothing."""
    fooled, people, photos = columns(rows)
    shuffle = np.random.default_rng(seed).permutation(len(rows))
    renamed = fool_rate(
        fooled[shuffle], [f"person {9 - i}" for i in people[shuffle]], [f"photo {i}" for i in photos[shuffle]]
    )
    np.testing.assert_allclose(numbers(renamed), numbers(fool_rate(fooled, people, photos)), atol=1e-12)


@given(rows=tables)
def test_is_symmetric(rows):
    """Counting the other outcome mirrors the interval about one half."""
    fooled, people, photos = columns(rows)
    rate, other = fool_rate(fooled, people, photos), fool_rate(~fooled, people, photos)
    np.testing.assert_allclose([other.ci_low, other.ci_high], [1 - rate.ci_high, 1 - rate.ci_low], atol=1e-9)


def test_copying_people_does_not_narrow_the_images():
    """The same answers from ten times the people leave the variance over photographs as it was."""
    rng = np.random.default_rng(3)
    people, photos = np.repeat(np.arange(20), 10), np.tile(np.arange(10), 20)
    fooled = rng.random(200) < np.linspace(0.1, 0.7, 10)[photos]
    many = np.concatenate([people + 20 * copy for copy in range(10)])
    rate, copied = fool_rate(fooled, people, photos), fool_rate(np.tile(fooled, 10), many, np.tile(photos, 10))
    by_image = one_way_variance((fooled - rate.fool_rate) / 200, cluster(photos))
    assert copied.se**2 == pytest.approx(by_image, rel=0.05)
    assert copied.n_eff < 2 * rate.n_eff


def test_repeated_rows_do_not_narrow_the_interval(crossed):
    """Every row twice is the same information: cells, people and images keep their sums."""
    fooled, people, photos = crossed(12, 15)
    once, twice = fool_rate(fooled, people, photos), fool_rate(*(np.repeat(x, 2) for x in (fooled, people, photos)))
    layout = cross(people, photos)
    parts = two_way_variance((fooled - once.fool_rate) / len(fooled), layout)
    assert twice.se == pytest.approx(once.se, rel=1e-12)
    assert parts.by_cell == pytest.approx(once.fool_rate * (1 - once.fool_rate) / (len(fooled) - 1), rel=1e-12)


@given(rows=tables, null=st.floats(0.01, 0.99))
def test_p_value_inverts_the_interval(rows, null):
    """The interval at confidence 1 − p has the tested rate at its end."""
    rate = fool_rate(*columns(rows))
    p = rate.p_value(null)
    assert 0 <= p <= 1
    if 1e-6 < p < 1 - 1e-6:
        low, high = rate.interval(1 - p)
        assert min(abs(low - null), abs(high - null)) < 1e-6
    low, high = rate.interval(0.95)
    if min(abs(low - null), abs(high - null)) > 1e-9:
        assert (p < 0.05) == (not low <= null <= high)


@pytest.mark.parametrize("value", [False, True])
def test_all_or_none_fooled(crossed, value):
    """At k = 0 and k = n the interval is wider than Wilson's, ends at the bound, and carries a warning."""
    fooled, people, photos = crossed(20, 20)
    rate = fool_rate(np.full_like(fooled, value), people, photos)
    plain = wilson(rate.n_fooled, rate.n_trials)
    assert rate.n_eff == pytest.approx(400 / (1 + 1.9 + 1.9))
    assert rate.ci_high - rate.ci_low > 3 * (plain.high - plain.low)
    assert (rate.ci_high == 1) if value else (rate.ci_low == 0)
    assert math.isnan(rate.se)
    assert "no variance can be estimated" in " ".join(rate.warnings)
    told = fool_rate(np.full_like(fooled, value), people, photos, extreme_design_effect=8.0)
    assert told.n_eff == 50


def test_one_participant(crossed):
    """One participant gives a one-way interval about this participant only, with a warning."""
    rate = fool_rate(*crossed(1, 30))
    assert rate.estimand == ONE_PARTICIPANT
    assert rate.df == 29
    assert "one participant only" in rate.warnings[0]
    assert rate.ci_low < rate.fool_rate < rate.ci_high


def test_one_image(crossed):
    """One photograph gives a one-way interval about this photograph only, with a warning."""
    rate = fool_rate(*crossed(30, 1))
    assert rate.estimand == ONE_IMAGE
    assert rate.df == 29
    assert "one photograph only" in rate.warnings[0]


def test_one_of_each():
    """One participant and one photograph leave Wilson's interval about these trials, with a warning."""
    rate = fool_rate([1, 0, 0, 1, 1], ["p"] * 5, ["i"] * 5)
    assert rate.estimand == ONE_OF_EACH
    ends = wilson(3, 5)
    assert (rate.ci_low, rate.ci_high) == pytest.approx((float(ends.low), float(ends.high)))
    assert rate.warnings


def test_a_balanced_table_without_spread_is_not_narrower_than_independence():
    """Where clusters vary less than chance, n_eff stops at n."""
    rate = fool_rate([1, 0, 0, 1], [0, 0, 1, 1], [0, 1, 0, 1])
    assert rate.n_eff == 4


@pytest.mark.parametrize("design", ["preference", "single", "sequential_pair and single", ""])
def test_refuses_other_designs(crossed, design):
    """A table of another design has no fool rate."""
    with pytest.raises(ValueError, match="expected a pair design"):
        fool_rate(*crossed(5, 5), design=design)


@pytest.mark.parametrize(
    ("fooled", "message"),
    [
        ([], "at least one scored trial"),
        ([1.0, math.nan, 0.0], "1 missing of 3"),
        ([1, 2, 0], "only 0 and 1, got 2"),
        (["yes", "no", "yes"], "only 0 and 1, got yes"),
        (pd.array([True, None, False], dtype="boolean"), "1 missing of 3"),
    ],
)
def test_refuses_outcomes_that_are_none(fooled, message):
    """Missing, empty or other outcomes are refused, with the count or the value."""
    with pytest.raises(ValueError, match=message):
        fool_rate(fooled, list(range(len(fooled))), list(range(len(fooled))))


def test_refuses_missing_names_and_unequal_columns():
    """A missing participant and columns of different lengths are refused."""
    with pytest.raises(ValueError, match="1 missing"):
        fool_rate([1, 0], ["p", None], ["i", "j"])
    with pytest.raises(ValueError, match="one image per trial"):
        fool_rate([1, 0], ["p", "q"], ["i"])


def test_accepts_pandas_booleans_strings_and_categories(crossed):
    """Columns of a table come in many types, and all give the same."""
    fooled, people, photos = crossed(6, 7)
    plain = fool_rate(fooled, people, photos)
    typed = fool_rate(
        pd.Series(fooled, dtype="boolean"), pd.Series(people.astype(str)), pd.Series(photos).astype("category")
    )
    assert numbers(typed) == pytest.approx(numbers(plain))


@pytest.mark.parametrize(("n_fooled", "kind"), [(16, OUTER), (400, FORMULA)])
def test_rare_events_take_the_outer_ends(n_fooled, kind):
    """Below 25 effective events the formula's upper end is too low: both ends are then the outer of two intervals."""
    fooled = np.random.default_rng(3).permutation(np.arange(1600) < n_fooled)
    people, images = np.repeat(np.arange(40), 40), np.tile(np.arange(40), 40)
    rate = fool_rate(fooled, people, images)
    formula = wilson(rate.fool_rate * rate.n_eff, rate.n_eff, z=float(t_quantile(rate.df, 0.95)))
    assert rate.interval_kind == kind
    if kind == FORMULA:
        assert (rate.ci_low, rate.ci_high) == pytest.approx((float(formula.low), float(formula.high)))
    else:
        assert rate.ci_low <= formula.low + 1e-12
        assert rate.ci_high >= formula.high - 1e-12


@pytest.mark.parametrize(
    ("kind", "n_people", "n_images", "rate"),
    [("formula", 40, 40, 0.3), ("score", 12, 15, 0.3), ("outer", 40, 40, 0.008)],
)
def test_a_rate_gives_its_interval_again_and_the_p_that_belongs_to_it(kind, n_people, n_images, rate):
    """At its own confidence, a shorter one at 90 %; an end is what a test at 5 % just does not refuse."""
    rng = np.random.default_rng(4)
    person, image = np.repeat(np.arange(n_people), n_images), np.tile(np.arange(n_images), n_people)
    chance = rate * np.exp(rng.normal(0, 0.5, n_images)[image] + rng.normal(0, 0.4, n_people)[person])
    found = fool_rate(rng.random(len(chance)) < chance, person, image)
    assert found.interval_kind == kind
    assert found.clustered_square > 0 or kind == "outer"
    assert found.interval(0.95) == pytest.approx((found.ci_low, found.ci_high), abs=1e-12)
    low, high = found.interval(0.90)
    assert found.ci_low < low < found.fool_rate < high < found.ci_high
    for end in (found.ci_low, found.ci_high):
        assert found.p_value(end) == pytest.approx(0.05, abs=1e-6)
    for end in (low, high):
        assert found.p_value(end) == pytest.approx(0.10, abs=1e-6)


def test_with_few_clusters_the_score_interval_is_solved_for():
    """From sums by hand: V(p0) = b0/n + c·b0², t of Satterthwaite's degrees of freedom, both ends by a root finder."""
    rng = np.random.default_rng(8)
    person, image = np.repeat(np.arange(9), 14), np.tile(np.arange(14), 9)
    draws = rng.random(126)
    fooled = draws < 0.3 + rng.normal(0, 0.15, 14)[image] + rng.normal(0, 0.12, 9)[person]
    n, p = 126, fooled.mean()
    parts = {}
    for name, labels in (("people", person), ("photos", image), ("cells", person * 14 + image)):
        sums = [((fooled - p) / n)[labels == one].sum() for one in np.unique(labels)]
        parts[name] = len(sums) / (len(sums) - 1) * sum(total**2 for total in sums)
    b = p * (1 - p)
    variance = max(parts["people"] + parts["photos"] - parts["cells"], b / n)
    df = np.clip(variance**2 / (parts["people"] ** 2 / 8 + parts["photos"] ** 2 / 13), 8, 21)
    t, square = stats.t.ppf(0.975, df), (variance - b / n) / b**2

    def distance(p0):
        b0 = p0 * (1 - p0)
        return (p - p0) ** 2 - t**2 * (b0 / n + square * b0**2)

    found = fool_rate(fooled, person, image)
    assert 9 < found.df == pytest.approx(df)
    assert found.clustered_square == pytest.approx(square)
    ends = optimize.brentq(distance, 1e-9, p), optimize.brentq(distance, p, 1 - 1e-9)
    assert (found.ci_low, found.ci_high) == pytest.approx(ends, abs=1e-9)
    assert found.design_effect == pytest.approx(max(variance, parts["people"], parts["photos"]) / (b / n))


def test_many_rates_at_once_have_the_intervals_of_each_alone():
    """Rare, common, none and all, with few clusters and with many."""
    p = np.array([0.0, 0.004, 0.02, 0.31, 0.5, 0.97, 1.0])
    for groups in (8, 40):
        people, photos, cells = 0.004 * p * (1 - p) * 3, 0.002 * p * (1 - p) * 4, 0.0006 * p * (1 - p)
        whole = pivot_of(p, 1600, [(people, groups), (photos, 50)], cells, 3.0)
        together = whole.ends(0.9)
        for at in range(len(p)):
            one = pivot_of(p[at], 1600, [(people[at], groups), (photos[at], 50)], cells[at], 3.0)
            ends = one.ends(0.9)
            assert (together.low[at], together.high[at]) == pytest.approx((float(ends.low), float(ends.high)))
            assert whole.p_value(0.4)[at] == pytest.approx(float(one.p_value(0.4)))


TWO_WAY = "two-way cluster-robust variance (participant × image), t"


@pytest.mark.parametrize(
    ("n_people", "n_images", "rate", "named", "method"),
    [
        (40, 40, 0.3, "both", f"Wilson at the effective sample size, {TWO_WAY}"),
        (12, 15, 0.3, "both", f"score interval (fewer than 30 clusters), {TWO_WAY} of Satterthwaite"),
        (40, 40, 0.012, "both", f"{TWO_WAY}; the outer ends of it and of the score interval (few events)"),
        (
            40,
            40,
            0.3,
            "people",
            "Wilson at the effective sample size, one-way cluster-robust variance (participant), t",
        ),
        (40, 40, 0.3, "photos", "Wilson at the effective sample size, one-way cluster-robust variance (image), t"),
        (1, 1, 0.3, "nobody", "Wilson (ignores clustering)"),
    ],
)
def test_the_method_is_printed_as_it_was(crossed, n_people, n_images, rate, named, method):
    """Reports print it beside each number."""
    fooled, people, photos = crossed(n_people, n_images, rate=rate)
    people, photos = (
        (people if named in ("both", "people") else None),
        (photos if named in ("both", "photos") else None),
    )
    assert fool_rate(fooled, people, photos).method.endswith(method)


def test_words_of_none_and_all_and_of_columns_too_short():
    """Which it was, and which column."""
    people, photos = np.repeat(np.arange(5), 8), np.tile(np.arange(8), 5)
    for value, word in ((0, "none"), (1, "all")):
        (warning,) = fool_rate(np.full(40, value), people, photos).warnings
        assert warning.startswith(f"{word} of 40 trials fooled: no variance can be estimated, a design effect of ")
    with pytest.raises(ValueError, match=r"^fool rate: expected one participant per trial \(40\), got 39"):
        fool_rate(np.zeros(40), people[1:], photos)
    with pytest.raises(ValueError, match=r"^fool rate: expected one image per trial \(40\), got 39"):
        fool_rate(np.zeros(40), people, photos[1:])


def test_satterthwaites_degrees_of_freedom_by_hand():
    """(3 + 1)² / (9/4 + 1/9) = 6.78, within G − 1 of the fewest and of all; the fewest where nothing varies."""
    parts = [(np.array([3.0, 3.0, 3.0, 0.0]), 5), (np.array([1.0, 1.0, 1.0, 0.0]), 10)]
    found = satterthwaite(np.array([4.0, 1.0, 40.0, 0.0]), parts, lowest=4)
    assert found.tolist() == pytest.approx([16 / (9 / 4 + 1 / 9), 4, 13, 4])
