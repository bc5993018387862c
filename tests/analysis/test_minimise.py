"""The search for a minimum, on functions whose minimum is known and on some that have none."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from analysis.mixed.minimise import _update, minimise

OPEN = -math.inf


def bowl(matrix, middle):
    """½ (x − m)ᵀ A (x − m) and its gradient."""

    def function(x):
        gradient = matrix @ (x - middle)
        return 0.5 * float((x - middle) @ gradient), gradient

    return function


@given(seed=st.integers(0, 10_000), n=st.integers(1, 5))
def test_a_bowl_with_bounds_is_solved(seed, n):
    """Where some parameters end at their bounds it is the minimum that non-negative least squares finds.

    No bowl is flatter in one direction than a thirtieth of another: in a flat one the two stop at other places, which
    12 of 50,005 of these draws showed.
    """
    rng = np.random.default_rng(seed)
    left, steep, right = np.linalg.svd(rng.normal(size=(n, n)) + 2 * np.eye(n))
    root = left @ np.diag(np.maximum(steep, steep[0] / 30**0.5)) @ right
    middle = rng.normal(0, 2, n)
    found = minimise(bowl(root.T @ root, middle), np.ones(n), np.eye(n), np.zeros(n))
    expected = optimize.nnls(root, root @ middle)[0]
    np.testing.assert_allclose(found.place, expected, atol=1e-5)
    assert found.is_converged
    if (expected > 1e-3).all():
        assert found.is_free.all()
        np.testing.assert_allclose(found.hessian, root.T @ root, atol=1e-6)


def test_a_curved_valley_is_followed():
    """Rosenbrock's function from its usual start, one of the parameters bounded away from the minimum."""

    def function(x):
        return optimize.rosen(x), optimize.rosen_der(x)

    found = minimise(function, np.array([-1.2, 1.0]), np.eye(2), np.full(2, OPEN))
    np.testing.assert_allclose(found.place, [1, 1], atol=1e-5)
    assert found.is_converged
    assert 5 < found.n_iterations < 100
    held = minimise(function, np.array([2.0, 3.0]), np.eye(2), np.array([1.5, OPEN]))
    np.testing.assert_allclose(held.place, [1.5, 2.25], atol=1e-4)
    assert held.is_free.tolist() == [False, True]
    assert np.isnan(held.hessian[0]).all()
    assert held.hessian[1, 1] == pytest.approx(200, rel=1e-4)


def test_a_start_below_its_bound_is_lifted():
    """The search never asks for a value on the wrong side of a bound."""
    asked = []

    def function(x):
        asked.append(x.copy())
        return bowl(np.eye(2), np.array([-1.0, 3.0]))(x)

    found = minimise(function, np.array([-5.0, -5.0]), np.eye(2), np.array([0.5, OPEN]))
    np.testing.assert_allclose(found.place, [0.5, 3], atol=1e-6)
    assert min(x[0] for x in asked) >= 0.5


def test_where_the_function_ends_the_step_is_shortened():
    """−log x + x is infinite left of 0, and its minimum is 1; no step is longer than what is allowed."""

    def function(x):
        if x[0] <= 0:
            return math.inf, np.zeros(1)
        return float(x[0] - math.log(x[0])), np.array([1 - 1 / x[0]])

    found = minimise(function, np.array([30.0]), np.array([[0.01]]), np.array([OPEN]))
    assert found.place[0] == pytest.approx(1, abs=1e-5)
    assert found.is_converged
    places = []
    minimise(lambda x: (places.append(float(x[0])), function(x))[1], np.array([30.0]), np.eye(1), np.array([OPEN]))
    assert max(abs(a - b) for a, b in itertools.pairwise(places)) < 1.5 + 1e-9


def test_a_gradient_that_lies_ends_unconverged_where_it_began():
    """Nothing falls along it: the search starts over once, gives up, and says so."""

    def function(x):
        return float(x @ x), -2 * x

    found = minimise(function, np.array([1.0, 2.0]), np.eye(2), np.full(2, OPEN))
    assert found.is_converged is False
    assert found.place.tolist() == [1, 2]
    assert found.n_iterations == 2


def test_a_saddle_is_no_minimum():
    """Started where the gradient vanishes, the curvature tells."""

    def function(x):
        return float(x[0] ** 2 - x[1] ** 2), np.array([2 * x[0], -2 * x[1]])

    assert not minimise(function, np.zeros(2), np.eye(2), np.full(2, OPEN)).is_converged


def test_too_few_steps_are_no_minimum():
    """With the iterations used up far from the minimum a rough valley is not called solved."""

    def function(x):
        return optimize.rosen(x), optimize.rosen_der(x)

    found = minimise(function, np.array([-1.2, 1.0]), np.eye(2), np.full(2, OPEN), max_iterations=3)
    assert found.n_iterations == 3
    assert not found.is_converged


def test_beside_a_bound_the_curvature_is_taken_from_the_other_side():
    """A minimum less than a step above its bound has the Hessian of the bowl all the same."""
    matrix = np.array([[3.0, 1.0], [1.0, 2.0]])
    found = minimise(bowl(matrix, np.array([0.0004, 1.0])), np.ones(2), np.eye(2), np.array([0.0, OPEN]))
    np.testing.assert_allclose(found.place, [0.0004, 1], atol=1e-7)
    assert found.is_free.all()
    np.testing.assert_allclose(found.hessian, matrix, atol=1e-6)


@given(seed=st.integers(0, 10_000), turn=st.floats(-2, 2))
def test_an_update_keeps_the_curvature_positive(seed, turn):
    """What was seen along a step is taken over; where the gradient fell along it, a fifth of what was believed."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 3)) + 2 * np.eye(3)
    believed, step = root.T @ root, rng.normal(size=3)
    seen = turn * (believed @ step)
    updated = _update(believed, step, seen)
    np.testing.assert_allclose(updated, updated.T, atol=1e-9)
    assert np.linalg.eigvalsh(updated).min() > 0
    expected = max(turn, 0.2) * float(step @ believed @ step)
    assert float(step @ updated @ step) == pytest.approx(expected, rel=1e-6)
