"""Bradley–Terry: against R, recovery of a simulated truth, clustering, and what has no estimate."""

import numpy as np
import pytest
from scipy.special import expit

from analysis import bradley_terry


def expand(table):
    a, b, won = [], [], []
    for row in table.itertuples():
        a += [row.p1] * (row.win1 + row.win2)
        b += [row.p2] * (row.win1 + row.win2)
        won += [1] * row.win1 + [0] * row.win2
    return a, b, won


@pytest.mark.parametrize("name", ["bt_small", "bt_citations"])
def test_equals_r(reference, name):
    """Abilities and standard errors equal BradleyTerry2's; so does the deviance."""
    expected = reference(f"{name}_abilities").set_index("item")
    fit = bradley_terry(*expand(reference(f"{name}_input")), reference=expected.index[0])
    for system, ability, se in zip(fit.systems, fit.abilities, fit.se, strict=True):
        assert ability == pytest.approx(expected["ability"][system], abs=1e-6)
        assert se == pytest.approx(expected["se"][system], abs=1e-6)
    if "deviance" in expected:
        assert fit.deviance == pytest.approx(expected["deviance"].iloc[0], abs=1e-8)
    np.testing.assert_allclose(fit.win_rates + fit.win_rates.T, 1)
    assert "ignores clustering" in fit.method


@pytest.mark.slow
def test_clustered_errors_are_honest():
    """Where people have tastes of their own the clustered interval covers, and the model's does not."""
    rng = np.random.default_rng(5)
    hits = np.zeros(2)
    for _ in range(100):
        person = np.repeat(np.arange(40), 20)
        taste = rng.normal(0, 1.2, 40)[person]
        won = (rng.random(800) < expit(taste)).astype(int)
        for at, people in enumerate((None, person)):
            fit = bradley_terry(["a"] * 800, ["b"] * 800, won, participant=people)
            hits[at] += abs(fit.abilities[1]) < 2.02 * fit.se[1]
    assert hits[0] < 75
    assert hits[1] > 86


def test_recovers_a_simulated_truth():
    """Four systems, compared at random on photographs by people: abilities within four clustered errors."""
    rng = np.random.default_rng(6)
    truth = np.array([0, 0.5, -0.7, 1.2])
    a = rng.integers(0, 4, 6000)
    b = (a + rng.integers(1, 4, 6000)) % 4
    person, photo = rng.integers(0, 60, 6000), rng.integers(0, 80, 6000)
    won = rng.random(6000) < expit(truth[a] - truth[b])
    names = np.array(["m0", "m1", "m2", "m3"])
    fit = bradley_terry(names[a], names[b], won, participant=person, image=photo)
    assert "participant and image" in fit.method
    assert (np.abs(fit.abilities - truth)[1:] < 4 * fit.se[1:]).all()
    assert (fit.se[1:] > 0).all()


def test_ties_are_refused_or_halved():
    """Ties are named and refused; as halves they draw abilities together."""
    a, b, won = ["x"] * 12, ["y"] * 12, [1] * 6 + [0] * 2 + [0.5] * 4
    with pytest.raises(ValueError, match="got 4 ties of 12"):
        bradley_terry(a, b, won)
    halved = bradley_terry(a, b, won, ties="half")
    assert halved.n_ties == 4
    assert halved.abilities[1] == pytest.approx(-np.log(8 / 4))


@pytest.mark.parametrize(
    ("a", "b", "won", "message"),
    [
        (["x", "y"], ["y", "z"], [1, 1], "z never wins"),
        (["x", "x", "u", "u"], ["y", "y", "v", "v"], [1, 0, 1, 0], "never meet"),
        (["x", "x", "x"], ["y", "y", "z"], [1, 0, 1], "separation"),
        (["x"], ["x"], [1], "against itself"),
        ([], [], [], "one outcome per pair"),
        (["x", "x"], ["y", "y"], [1, np.nan], "got others or NaN"),
        (["x", "x"], ["y", "y"], [1, 2], "got others or NaN"),
    ],
)
def test_refuses(a, b, won, message):
    """What has no finite estimate, and what is no comparison, is refused with the reason."""
    with pytest.raises(ValueError, match=message):
        bradley_terry(a, b, won)


def test_where_the_two_way_sum_is_no_variance_the_larger_part_is_taken():
    """With two people and two photographs V_P + V_I − V_PI is not positive: the method says what stands there."""
    person, photo = np.tile([0, 0, 1, 1], 6), np.tile([0, 1, 0, 1], 6)
    won = np.tile([1, 0, 0, 1], 6)
    won[0] = 0
    systems = ["a"] * 24, ["b"] * 24
    both = bradley_terry(*systems, won, participant=person, image=photo)
    assert "whichever is larger" in both.method
    ones = [
        bradley_terry(*systems, won, **{name: labels}).se[1]
        for name, labels in (("participant", person), ("image", photo))
    ]
    assert both.se[1] == pytest.approx(max(ones))
