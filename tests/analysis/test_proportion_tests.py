"""Tests of plain counts against R."""

import math

import pytest

from analysis.proportion_tests import binomial_test, equivalence_test, mcnemar, two_shares


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
