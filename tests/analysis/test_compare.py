"""Differences between conditions and their adjustment."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.compare import benjamini_hochberg, difference, holm, pairwise


@pytest.mark.parametrize("dataset", ["sim_three_alg_latin", "sim_unbalanced_pool"])
def test_equals_r(reference, dataset):
    """Without the floor, difference, interval, t, df, p, Holm and Benjamini–Hochberg equal R's."""
    expected = reference("ds_pairwise").query("dataset == @dataset")
    trials = reference(f"input_{dataset}").rename(columns={"cond": "condition", "item": "image", "y": "fooled"})
    found = pairwise(trials, sorted(trials["condition"].unique()), is_floored=False)
    assert len(found) == len(expected)
    names = ["diff", "lo", "hi", "t", "df", "p_twoway", "p_twoway_holm", "p_twoway_BH"]
    for pair, (_, row) in zip(found, expected.iterrows(), strict=True):
        assert (pair.condition_a, pair.condition_b) == (row["a"], row["b"])
        values = [pair.difference, pair.ci_low, pair.ci_high, pair.t, pair.df, pair.p, pair.p_holm, pair.p_bh]
        np.testing.assert_allclose(values, row[names].astype(float), rtol=1e-6)


def test_the_default_equals_r_from_thirty_clusters_on(reference):
    """On the reference sets nothing needs a floor, and the default gives R's numbers, too."""
    trials = reference("input_sim_three_alg_latin").rename(
        columns={"cond": "condition", "item": "image", "y": "fooled"}
    )
    assert pairwise(trials, ["A", "B", "C"]) == pairwise(trials, ["A", "B", "C"], is_floored=False)


def test_the_floor_keeps_a_variance():
    """Where V_P + V_I − V_PI falls below both of its parts, the smaller part is taken and the interval stays open."""
    rng = np.random.default_rng(11)
    people, photos = np.repeat(np.arange(8), 10), np.tile(np.arange(10), 8)
    condition = np.where((people + photos) % 2, "b", "a")
    wider = []
    for _ in range(40):
        trials = pd.DataFrame(
            {"condition": condition, "participant": people, "image": photos, "fooled": rng.random(80) < 0.4}
        )
        floored, plain = (difference(trials, "a", "b", is_floored=is_floored) for is_floored in (True, False))
        assert floored.ci_high > floored.ci_low
        assert floored.df >= plain.df == 7
        wider.append((floored.ci_high - floored.ci_low) > (plain.ci_high - plain.ci_low) * 1.01)
    assert any(wider)


def test_swapping_the_conditions_changes_the_sign_only(reference):
    """a − b is −(b − a)."""
    trials = reference("input_sim_unbalanced_pool").rename(
        columns={"cond": "condition", "item": "image", "y": "fooled"}
    )
    one, other = difference(trials, "X", "Y"), difference(trials, "Y", "X")
    assert one.difference == pytest.approx(-other.difference)
    assert (one.ci_low, one.ci_high, one.p) == pytest.approx((-other.ci_high, -other.ci_low, other.p))


def test_separate_people_have_fewer_degrees_of_freedom():
    """With separate arms the smaller arm, not the sum of both, sets the degrees of freedom."""
    rng = np.random.default_rng(4)
    people = np.repeat(np.arange(30), 50)
    trials = pd.DataFrame(
        {
            "condition": np.where(people < 10, "a", "b"),
            "participant": people,
            "image": np.tile(np.arange(50), 30),
            "fooled": rng.random(1500) < 0.3,
        }
    )
    assert difference(trials, "a", "b").df == 9


def test_a_condition_against_itself_renamed_differs_by_nothing(reference):
    """The same answers under two names differ by 0 with p = 1, however much people and photographs vary."""
    trials = reference("input_sim_one_alg_40x40").rename(columns={"item": "image", "y": "fooled"})
    twice = pd.concat([trials.assign(condition="a"), trials.assign(condition="b")])
    pair = difference(twice, "a", "b")
    assert (pair.difference, pair.p) == (0, 1)


def test_one_participant_leaves_no_variance():
    """A difference within one person has no interval over people: none is made up."""
    trials = pd.DataFrame({"condition": list("aabb"), "participant": 1, "image": [1, 2, 3, 4], "fooled": [0, 1, 1, 1]})
    assert difference(trials, "a", "b") is None
    assert pairwise(trials, ["a", "b"]) == ()


def test_an_absent_condition_is_refused():
    """A name that the table does not hold is an error, not a rate of NaN."""
    trials = pd.DataFrame({"condition": ["a"], "participant": [1], "image": [1], "fooled": [0]})
    with pytest.raises(ValueError, match="expected trials of b, got none"):
        difference(trials, "a", "b")


def test_adjustments_equal_r(reference):
    """Holm and Benjamini–Hochberg equal R's p.adjust, ties and a missing value included."""
    table = reference("p_adjust")
    sets = [rows for _, rows in table.groupby("set")]
    assert any(rows["p"].isna().any() for rows in sets)
    for rows in sets:
        np.testing.assert_allclose(holm(rows["p"]), rows["holm"], rtol=1e-9)
        np.testing.assert_allclose(benjamini_hochberg(rows["p"]), rows["bh"], rtol=1e-9)


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjustments_never_lower_p(p):
    """p ≤ BH ≤ Holm ≤ min(1, m·p)."""
    h, b = holm(p), benjamini_hochberg(p)
    assert (np.array(p) <= b + 1e-12).all()
    assert (b <= h + 1e-12).all()
    assert (h <= np.minimum(1, len(p) * np.array(p)).max() + 1e-12).all()


def test_adjustment_refuses_what_is_no_p_value():
    """A number outside [0, 1] is refused; no p-values give none."""
    with pytest.raises(ValueError, match="from 0 to 1"):
        holm([0.1, 1.2])
    assert len(benjamini_hochberg([])) == 0
