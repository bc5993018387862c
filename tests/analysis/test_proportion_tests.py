"""Tests of plain counts against R."""

import math

import pytest

from analysis.proportion_tests import binomial_test, equivalence_test, mcnemar, two_shares
from analysis.proportions import wilson


def test_binomial_tests_equal_r(reference):
    """Two-sided and one-sided exact tests equal binom.test."""
    for row in reference("binom_tests").iloc[::7].itertuples():
        for column, alternative in (("two", "two-sided"), ("less", "less"), ("greater", "greater")):
            found = binomial_test(row.k, row.n, row.p0, alternative)
            assert found.p == pytest.approx(getattr(row, column), abs=1e-9)
            assert found.label == "ignores clustering"


def test_equivalence_equals_r(reference):
    """Two exact one-sided tests equal R's."""
    for row in reference("tost_exact").itertuples():
        assert equivalence_test(row.k, row.n, row.centre, row.margin).p == pytest.approx(row.p_tost_exact, abs=1e-9)


def test_two_shares_equal_r(reference):
    """χ², corrected χ², Fisher and Newcombe's interval equal R's."""
    for row in reference("two_proportions").itertuples():
        found = two_shares(row.k1, row.n1, row.k2, row.n2)
        values = [found.chi2.statistic, found.chi2.p, found.chi2_corrected.p, found.fisher.p]
        assert values == pytest.approx([row.chi2, row.p_chi2, row.p_chi2_cc, row.p_fisher], abs=1e-6)
        ends = [found.difference, found.ci_low, found.ci_high]
        assert ends == pytest.approx([row.diff, row.newcombe_lo, row.newcombe_hi], abs=1e-6)


def test_mcnemar_equals_r(reference):
    """The exact test of discordant pairs equals R's."""
    for row in reference("mcnemar").itertuples():
        assert mcnemar(row.b, row.c).p == pytest.approx(row.p_exact, abs=1e-9)


def test_edges():
    """Nothing to tell apart is p = 1 or undefined, and what is no count is refused."""
    assert mcnemar(0, 0).p == 1
    none = two_shares(0, 10, 0, 20)
    assert math.isnan(none.chi2.p)
    assert none.fisher.p == 1
    for k, n in ((1, 0), (-1, 3), (4, 3), (math.nan, 3)):
        with pytest.raises(ValueError, match="k of n: expected"):
            binomial_test(k, n, 0.5)
    with pytest.raises(ValueError, match="margin: expected"):
        equivalence_test(5, 10, 0.5, 0.6)
    with pytest.raises(ValueError, match="less or greater"):
        binomial_test(5, 10, 0.5, "more")


@pytest.mark.parametrize("null", [0, 1, -0.1, 1.1])
def test_a_null_is_a_rate_between_0_and_1(null):
    """A rate of 0 or 1 is no null hypothesis of a binomial test, nor is anything beyond."""
    with pytest.raises(ValueError, match=r"null: expected a rate between 0 and 1"):
        binomial_test(3, 10, null)


@pytest.mark.parametrize(("centre", "margin"), [(0.5, 0), (0.5, 0.5), (0.3, 0.3), (0.8, 0.2), (0.8, 0.25), (0.3, -0.1)])
def test_a_margin_leaves_room_on_both_sides(centre, margin):
    """No margin, or one that reaches 0 or 1, is refused."""
    with pytest.raises(ValueError, match=r"margin: expected between 0 and 0\.[235]"):
        equivalence_test(3, 10, centre, margin)


def test_two_shares_at_another_confidence():
    """The interval is Newcombe's, of both Wilson intervals at the confidence that was asked for.

    12 of 30 and 20 of 35, worked by hand from Newcombe 1998, method 10.
    """
    for confidence in (0.8, 0.95, 0.99):
        found = two_shares(12, 30, 20, 35, confidence)
        a, b = wilson(12, 30, confidence), wilson(20, 35, confidence)
        gap = 12 / 30 - 20 / 35
        assert found.difference == pytest.approx(gap, abs=1e-12)
        assert found.ci_low == pytest.approx(gap - math.sqrt((0.4 - a.low) ** 2 + (b.high - 4 / 7) ** 2), abs=1e-12)
        assert found.ci_high == pytest.approx(gap + math.sqrt((a.high - 0.4) ** 2 + (4 / 7 - b.low) ** 2), abs=1e-12)


@pytest.mark.parametrize(("k1", "k2"), [(0, 0), (10, 20)])
def test_two_shares_without_variation(k1, k2):
    """Nobody or everybody: no χ² is defined, Fisher's p is 1, the interval says how little is known."""
    found = two_shares(k1, 10, k2, 20)
    assert found.difference == 0
    assert math.isnan(found.chi2.p)
    assert math.isnan(found.chi2_corrected.statistic)
    assert (found.chi2.name, found.fisher.name, found.fisher.p) == (
        "χ²: no variation, undefined",
        "Fisher's exact test",
        1.0,
    )
    far, near = float(wilson(0, 10).high), float(wilson(0, 20).high)
    ends = (-near, far) if k1 == 0 else (-far, near)
    assert (found.ci_low, found.ci_high) == pytest.approx(ends, abs=1e-12)


def test_the_corrected_statistic_is_yates():
    """Yates's statistic of 12 of 30 and 20 of 35: n (|ad − bc| − n/2)² over the product of the margins."""
    found = two_shares(12, 30, 20, 35)
    yates = 65 * (abs(12 * 15 - 18 * 20) - 65 / 2) ** 2 / (30 * 35 * 32 * 33)
    assert found.chi2_corrected.statistic == pytest.approx(yates, rel=1e-12)
    assert (found.chi2.name, found.chi2_corrected.name) == (
        "χ² without continuity correction",
        "χ² with continuity correction",
    )


def test_reports_name_the_tests():
    """What a report prints beside a p says which test it is of, against what, and what it ignores."""
    found = (
        binomial_test(3, 10, 0.5),
        binomial_test(3, 10, 0.25, "less"),
        equivalence_test(3, 10, 0.5, 0.1),
        mcnemar(3, 5),
    )
    assert [test.name for test in found] == [
        "exact binomial test (two-sided) against 0.5",
        "exact binomial test (less) against 0.25",
        "exact two one-sided tests, 0.5 ± 0.1",
        "McNemar's exact test",
    ]
    assert {test.label for test in found} == {"ignores clustering"}
    assert two_shares(3, 10, 4, 10).label == "ignores clustering"


def test_mcnemar_at_its_edges():
    """One-sided discordance is a coin's run; equal counts say nothing; neither count may be negative."""
    assert mcnemar(5, 0).p == pytest.approx(2 * 0.5**5, rel=1e-12)
    assert mcnemar(4, 4).p == 1
    for b, c in ((-1, 3), (3, -1)):
        with pytest.raises(ValueError, match="expected counts of 0 or more"):
            mcnemar(b, c)


def test_a_single_trial_is_a_count():
    """One trial is enough for a test; none is refused."""
    assert binomial_test(1, 1, 0.5).p == 1
    with pytest.raises(ValueError, match="expected 0 ≤ k ≤ n and n > 0"):
        binomial_test(0, 0, 0.5)
