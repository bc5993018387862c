"""The logistic mixed model: against glmmTMB and lme4, its own derivatives, simulated truths, and what it refuses."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special

from analysis import MixedModel, mixed_model
from analysis.mixed.cells import count_cells
from analysis.mixed.laplace import Laplace
from analysis.mixed.marginal import intercept_of, marginal_rate, marginal_slopes
from analysis.mixed.quadrature import OneFactor


def load(reference, dataset):
    trials = reference(f"input_{dataset}")
    return trials["y"], trials["participant"], trials["item"], trials["cond"]


def simulate(seed, n_people, n_images, n_trials, sds=(0.5, 0.8, 0.0), betas=(-1.2, -0.4)):
    rng = np.random.default_rng(seed)
    person, image = rng.integers(0, n_people, n_trials), rng.integers(0, n_images, n_trials)
    condition = rng.integers(0, len(betas), n_trials)
    eta = (
        np.array(betas)[condition]
        + rng.normal(0, sds[0], n_people)[person]
        + rng.normal(0, sds[1], n_images)[image]
        + rng.normal(0, sds[2], (n_images, len(betas)))[image, condition]
    )
    return (rng.random(n_trials) < special.expit(eta)).astype(float), person, image, condition


@pytest.mark.parametrize("dataset", ["sim_one_alg_40x40", "sim_three_alg_latin", "sim_unbalanced_pool"])
def test_equals_glmmtmb(reference, dataset):
    """Estimates, standard errors, sds and log-likelihood equal glmmTMB's to 1e-4; so do the marginal rates."""
    expected = reference("glmm_fits").query("dataset == @dataset")
    fit = mixed_model(*load(reference, dataset))
    assert fit.is_converged
    assert fit.warnings == ()
    np.testing.assert_allclose([*fit.estimates, fit.log_likelihood], expected["est"], atol=1e-4)
    se = expected["se"].dropna()
    np.testing.assert_allclose(fit.se[: len(se)], se, atol=1e-4)
    assert len(se) == len(fit.marginal)
    rows = reference("ds_condition_rates").query("dataset == @dataset").set_index("cond")
    sd = math.hypot(fit["sd_participant"], fit["sd_image"])
    for at, rate in enumerate(fit.marginal):
        row = rows.loc[rate.condition]
        assert rate.estimate == pytest.approx(row["glmm_marginal_p"], abs=1e-4)
        ends = marginal_rate(fit.estimates[at] + np.array([-1.959964, 1.959964]) * fit.se[at], sd)
        np.testing.assert_allclose(ends, row[["glmm_marginal_lo", "glmm_marginal_hi"]].astype(float), atol=1e-4)
        assert rate.ci_low < rate.estimate < rate.ci_high


@pytest.mark.parametrize("dataset", ["sim_three_alg_latin", "sim_unbalanced_pool"])
def test_image_by_condition_equals_glmmtmb(reference, dataset):
    """With (1 | image:condition) too, at the boundary on the log-likelihood."""
    expected = reference("mixed_more").query("dataset == @dataset and model == 'interaction'").set_index("term")
    fit = mixed_model(*load(reference, dataset), has_interaction=True)
    assert fit.is_converged
    assert fit.log_likelihood == pytest.approx(expected["est"]["logLik"], abs=1e-4)
    for term, estimate, se in zip(fit.terms, fit.estimates, fit.se, strict=True):
        assert estimate == pytest.approx(expected["est"][term], abs=1e-4)
        if not term.startswith("sd_"):
            assert se == pytest.approx(expected["se"][term], abs=1e-4)
    is_bound = fit["sd_image:condition"] == 0
    assert is_bound == (dataset == "sim_unbalanced_pool")
    assert any("boundary" in warning for warning in fit.warnings) == is_bound
    assert math.isnan(fit.se[-1]) == is_bound


@pytest.mark.parametrize("n_nodes", [1, 25])
@pytest.mark.parametrize("dataset", ["sim_three_alg_latin", "sim_unbalanced_pool"])
def test_one_factor_equals_lme4(reference, dataset, n_nodes):
    """With participants only, adaptive quadrature equals lme4's nAGQ = 25, and one node its Laplace."""
    more = reference("mixed_more")
    expected = more[(more["dataset"] == dataset) & (more["model"] == f"participant_{n_nodes}")].set_index("term")
    y, person, _, condition = load(reference, dataset)
    fit = mixed_model(y, person, None, condition, n_nodes=n_nodes)
    for term, estimate, se in zip(fit.terms, fit.estimates, fit.se, strict=True):
        assert estimate == pytest.approx(expected["est"][term], abs=1e-4)
        if not term.startswith("sd_"):
            assert se == pytest.approx(expected["se"][term], abs=1e-4)
    assert ("nodes" in fit.method) == (n_nodes > 1)


@pytest.mark.parametrize("has_interaction", [False, True])
@pytest.mark.parametrize(("n_people", "n_images"), [(60, 12), (9, 40)])
def test_gradient_is_that_of_the_likelihood(n_people, n_images, has_interaction):
    """The closed gradient equals differences of the value, whichever side is eliminated, repeated cells included."""
    y, *codes = simulate(1, n_people, n_images, 900)
    cells = count_cells(y, *codes, by_condition=has_interaction)
    laplace = Laplace(cells, has_interaction=has_interaction)
    theta = np.array([-1.0, -0.3, 0.6, 0.9, 0.3][: 5 if has_interaction else 4])
    _, gradient = laplace(theta)
    assert laplace.factor.keeps_images == (n_people == 60)
    for at in range(len(theta)):
        h = 1e-4 * np.eye(len(theta))[at]
        slope = (laplace(theta + h)[0] - laplace(theta - h)[0]) / 2e-4
        assert gradient[at] == pytest.approx(slope, abs=1e-5)


@pytest.fixture
def small():
    """Cells of a small study and a θ = (β, σ_P, σ_I, σ_IC) of theirs, with F and its gradient from a cold start."""
    y, *codes = simulate(1, 20, 12, 600)
    cells, theta = count_cells(y, *codes, by_condition=True), np.array([-1.0, -0.3, 0.6, 0.9, 0.3])
    return cells, theta, Laplace(cells, has_interaction=True)(theta)


@pytest.mark.parametrize("far", [[9, -9, 8, 8, 5], [-12, 12, 3, 6, 2], [0, 0, 0.01, 0.01, 0.01]])
def test_the_mode_is_found_from_anywhere(small, far):
    """Newton's steps are halved where they overshoot: F is the same after any θ before."""
    cells, theta, (value, gradient) = small
    warm = Laplace(cells, has_interaction=True)
    warm(np.array(far, dtype=float))
    assert warm(theta)[0] == pytest.approx(value, abs=1e-9)
    np.testing.assert_allclose(warm(theta)[1], gradient, atol=1e-7)


def test_a_poor_factor_is_made_anew(small, monkeypatch):
    """Where conjugate gradients do not get there, the factor of this very point is exact."""
    cells, theta, (value, gradient) = small
    monkeypatch.setattr("analysis.mixed.laplace.MAX_CONJUGATE", 0)
    found = Laplace(cells, has_interaction=True)(theta)
    assert found[0] == pytest.approx(value, abs=1e-9)
    np.testing.assert_allclose(found[1], gradient, atol=1e-7)


def test_the_guessed_curvature_is_near_the_real_one(small):
    """For β within 5 % of the gradient's own differences; for the sds within a factor of 3."""
    cells, theta, _ = small
    laplace = Laplace(cells, has_interaction=True)
    laplace(theta)
    guess = laplace.curvature(theta)
    real = np.array([(laplace(theta + h)[1] - laplace(theta - h)[1]) / 2e-4 for h in 1e-4 * np.eye(5)])
    np.testing.assert_allclose(guess[:2, :2], real[:2, :2], rtol=0.05)
    ratio = np.diag(guess)[2:] / np.diag(real)[2:]
    assert (ratio > 1).all()
    assert (ratio < 3).all()


def test_quadrature_is_the_integral():
    """25 adaptive nodes equal the integral over the random effect done by brute force."""
    rng = np.random.default_rng(3)
    group, y = np.repeat(np.arange(4), 9), (rng.random(36) < 0.3).astype(float)
    one = OneFactor(y, group, np.zeros(36, np.int64), 25)
    total = 0.0
    for at in range(4):
        k = y[group == at].sum()

        def density(u, k=k):
            eta = -0.8 + 1.3 * u
            return math.exp(k * eta - 9 * np.logaddexp(0, eta) - u * u / 2) / math.sqrt(2 * math.pi)

        total += math.log(integrate.quad(density, -9, 9, epsabs=1e-14)[0])
    assert one.value(np.array([-0.8, 1.3])) == pytest.approx(-total, abs=1e-8)


@pytest.mark.slow
def test_recovers_a_simulated_truth():
    """From 20,000 trials with image × condition effects each parameter lies within four standard errors."""
    truth = [-1.2, -0.4, 0.5, 0.8, 0.6]
    fit = mixed_model(*simulate(5, 250, 90, 20_000, sds=truth[2:]), has_interaction=True)
    assert fit.is_converged
    assert (np.abs(fit.estimates - truth) < 4 * fit.se).all()
    total = math.sqrt(sum(sd**2 for sd in truth[2:]))
    for rate, b in zip(fit.marginal, truth[:2], strict=True):
        assert abs(rate.estimate - float(marginal_rate(b, total))) < 4 * rate.se


def test_swapping_the_factors_changes_their_names_only(reference):
    """Participants called images and images participants give the same fit: both eliminations agree."""
    y, person, image, condition = load(reference, "sim_unbalanced_pool")
    one, other = mixed_model(y, person, image, condition), mixed_model(y, image, person, condition)
    assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-8)
    assert one["sd_participant"] == pytest.approx(other["sd_image"], abs=1e-6)


def test_a_warm_start_changes_nothing_but_the_way(reference):
    """Starting from an earlier fit ends at the same place."""
    columns = load(reference, "sim_three_alg_latin")
    cold = mixed_model(*columns)
    warm = mixed_model(*columns, start=cold)
    np.testing.assert_allclose(warm.estimates, cold.estimates, atol=1e-6)


def test_a_separated_condition_is_infinite_and_harmless(reference):
    """A condition with none fooled has an infinite estimate and a warning; the others are as without it."""
    y, person, image, condition = load(reference, "sim_three_alg_latin")
    without = condition != "B"
    alone = mixed_model(y[without], person[without], image[without], condition[without])
    fit = mixed_model(y.where(without, 0), person, image, condition)
    assert fit.terms == ("A", "B", "C", "sd_participant", "sd_image")
    assert fit["B"] == -math.inf
    assert [rate.estimate for rate in fit.marginal][1] == 0
    assert math.isnan(fit.se[1])
    assert "none of 900 trials of B" in fit.warnings[0]
    np.testing.assert_allclose(fit.estimates[[0, 2, 3, 4]], alone.estimates, atol=1e-6)
    np.testing.assert_allclose(fit.se[[0, 2]], alone.se[:2], atol=1e-6)


def test_no_spread_is_said(crossed):
    """Where everybody is alike the standard deviation is 0, named as the boundary, and the rate is k of n."""
    fooled = np.tile([1, 0, 0, 0, 1, 0], 30)
    fit = mixed_model(fooled, np.repeat(np.arange(30), 6), np.tile(np.arange(6), 30))
    assert fit["sd_participant"] == 0
    assert any("sd_participant is at its boundary" in warning for warning in fit.warnings)
    assert isinstance(fit, MixedModel)


def test_one_level_leaves_one_factor(crossed):
    """One photograph only: participants are fitted by quadrature, and the model says that images are not spoken of."""
    rng = np.random.default_rng(2)
    person = np.repeat(np.arange(25), 8)
    fooled = rng.random(200) < special.expit(rng.normal(-0.5, 1, 25))[person]
    fit = mixed_model(fooled, person, np.zeros(200, int))
    assert fit.formula == "y ~ 0 + condition + (1 | participant)"
    assert "one image only" in fit.warnings[0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([], [], []), "at least one scored trial"),
        (([1, math.nan], [1, 2], [1, 2]), "1 missing of 2"),
        (([1, 0, 1], [1, 1, None], [1, 2, 3]), "1 missing"),
        (([1, 0, 1], [1, 2], [1, 2, 3]), r"one participant per trial \(3\), got 2"),
        (([1, 1, 1], [1, 1, 2], [1, 2, 2]), "all or none in each"),
        (([0, 0, 0], [1, 1, 2], [1, 2, 2]), "all or none in each"),
        (([0, 1, 0], [1, 1, 1], [2, 2, 2]), "got one of each"),
    ],
)
def test_refuses(columns, message):
    """What carries no such model is refused in one line."""
    with pytest.raises(ValueError, match=message):
        mixed_model(*columns)


def test_refuses_an_interaction_that_is_no_other_effect():
    """Where each image is in one condition only, (1 | image:condition) is (1 | image): refused."""
    y, person, image, _ = simulate(7, 20, 10, 300)
    with pytest.raises(ValueError, match="images in more than one condition"):
        mixed_model(y, person, image, image % 2, has_interaction=True)


@given(rate=st.floats(0.001, 0.999), sd=st.floats(0, 3))
def test_marginal_rate_and_back(rate, sd):
    """The intercept found for a rate has that rate, and the slopes are its derivatives."""
    b = intercept_of(rate, sd)
    assert float(marginal_rate(b, sd)) == pytest.approx(rate, abs=1e-9)
    by_b, by_sd = marginal_slopes(b, sd)
    h = 1e-5
    assert by_b == pytest.approx(float(marginal_rate(b + h, sd) - marginal_rate(b - h, sd)) / (2 * h), abs=1e-7)
    if sd > h:
        assert by_sd == pytest.approx(float(marginal_rate(b, sd + h) - marginal_rate(b, sd - h)) / (2 * h), abs=1e-7)


def test_marginal_rates_move_with_every_parameter():
    """Their standard errors are the delta method's over fixed effects and standard deviations, by numeric slopes."""
    fit = mixed_model(*simulate(8, 60, 40, 1500))
    n_conditions, step = len(fit.marginal), 1e-5

    def rates(estimates):
        return marginal_rate(estimates[:n_conditions], float(np.linalg.norm(estimates[n_conditions:])))

    moved = np.eye(len(fit.estimates)) * step
    slopes = np.array([(rates(fit.estimates + e) - rates(fit.estimates - e)) / (2 * step) for e in moved])
    wanted = np.sqrt(np.diag(slopes.T @ fit.covariance @ slopes))
    assert [one.se for one in fit.marginal] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("rate", [1e-9, 1e-4, 0.1, 0.5, 0.93, 1 - 1e-6])
@pytest.mark.parametrize("sd", [0.0, 0.7, 3.0, 8.0])
def test_the_intercept_of_a_rate_gives_the_rate(rate, sd):
    """Also where Newton's steps leave the bracket and halving it is all that is left."""
    assert float(marginal_rate(intercept_of(rate, sd), sd)) == pytest.approx(rate, rel=1e-9)
