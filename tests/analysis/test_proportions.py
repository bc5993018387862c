"""Binomial intervals against R, and what must hold for any of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.proportions import agresti_coull, clopper_pearson, jeffreys, wilson, z_quantile

METHODS = {"wilson": wilson, "cp": clopper_pearson, "ac_clip": agresti_coull, "jeff_edge": jeffreys}
counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize("column", METHODS)
def test_equals_r(reference, column):
    """Every interval equals R's on 501 combinations of k, n and confidence."""
    grid = reference("binom_ci_grid")
    assert len(grid) == 501
    for confidence, rows in grid.groupby("conf"):
        low, high = METHODS[column](rows["k"], rows["n"], float(confidence))
        np.testing.assert_allclose(low, rows[f"{column}_lo"], atol=1e-9)
        np.testing.assert_allclose(high, rows[f"{column}_hi"], atol=1e-9)


@pytest.mark.parametrize("method", METHODS.values())
@given(k_of_n=counts, confidence=st.floats(0.5, 0.999))
def test_contains_the_share_and_stays_in_range(method, k_of_n, confidence):
    """An interval contains k/n and lies in [0, 1]."""
    k, n = k_of_n
    low, high = method(k, n, confidence)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1


@pytest.mark.parametrize("method", METHODS.values())
@given(k_of_n=counts)
def test_is_symmetric(method, k_of_n):
    """Counting the other outcome mirrors the interval."""
    k, n = k_of_n
    low, high = method(k, n)
    mirrored_low, mirrored_high = method(n - k, n)
    np.testing.assert_allclose([1 - high, 1 - low], [mirrored_low, mirrored_high], atol=1e-9)


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5), (float("nan"), 5), (1, float("inf"))])
@pytest.mark.parametrize("method", METHODS.values())
def test_refuses_what_is_no_count(method, k, n):
    """What is not k of n is refused, with what was expected."""
    with pytest.raises(ValueError, match="k of n: expected"):
        method(k, n)


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95])
def test_a_confidence_is_a_number_between_0_and_1(confidence):
    """0, 1 and percentages are refused."""
    with pytest.raises(ValueError, match="confidence: expected a number between 0 and 1"):
        z_quantile(confidence)


def test_wilson_takes_a_quantile_of_the_callers_own():
    """With z = 2: the rates whose score statistic is 2, whatever the confidence says; ends stay in [0, 1]."""
    low, high = wilson(7, 20, z=2.0)
    for rate in (float(low), float(high)):
        assert abs(7 / 20 - rate) == pytest.approx(2 * np.sqrt(rate * (1 - rate) / 20), rel=1e-9)
    assert wilson([0, 5], 5, z=3.0).high.tolist() == pytest.approx([9 / 14, 1.0])
    assert wilson([0, 5], 5, z=3.0).low.tolist() == pytest.approx([0.0, 5 / 14])


def test_clopper_pearson_at_no_and_all_successes():
    """0 of n ends at 1 − (α/2)^(1/n), n of n begins at (α/2)^(1/n) (Clopper and Pearson 1934)."""
    tail = 0.025 ** (1 / 12)
    assert [float(end) for end in clopper_pearson(0, 12)] == pytest.approx([0.0, 1 - tail], abs=1e-12)
    assert [float(end) for end in clopper_pearson(12, 12)] == pytest.approx([tail, 1.0], abs=1e-12)
