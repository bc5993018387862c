"""What no estimator can use is refused in one line that says what was expected, before anything is computed."""

import math

import numpy as np
import pytest

from analysis import mixed_model
from analysis.bootstrap import bootstrap_mean
from analysis.clustered import cluster, cross, one_way_variance
from analysis.compare import holm
from analysis.detection import d_prime_2afc
from analysis.estimate import fool_rate
from analysis.hype import hype_time
from analysis.mixed.marginal import intercept_of, marginal_rate
from analysis.mixed.quadrature import OneFactor
from analysis.preference import bradley_terry
from analysis.sentences import of_hundred, p_text
from analysis.sequential import confidence_sequence
from analysis.simulation import Sheet, Simulator, Spreads
from analysis.trials import read_export

ONES = np.ones(3, dtype=np.int64)
REFUSED = {
    "no labels": (lambda: cluster([]), "expected at least one trial, got none"),
    "a missing label": (lambda: cluster(["a", None]), "one label per trial, got 1 missing"),
    "columns of two lengths": (
        lambda: cross([1, 2], [1, 2, 3]),
        "as many participants as images, one per trial, got 2",
    ),
    "one cluster": (lambda: one_way_variance(np.ones(2), cluster([1, 1])), "at least 2 clusters, got 1"),
    "d′ of one side": (lambda: d_prime_2afc(1, 2, 0, 0), "the fake at both places, got 2 and 0"),
    "d′ of the other side": (lambda: d_prime_2afc(0, 0, 1, 2), "the fake at both places, got 0 and 2"),
    "a negative spread": (lambda: marginal_rate(0.0, -1), "standard deviation of 0 or more, got -1"),
    "an infinite spread": (lambda: marginal_rate(0.0, math.inf), "standard deviation of 0 or more, got inf"),
    "a rate of 1": (lambda: intercept_of(1.0, 0.5), "a rate between 0 and 1, got 1.0; write 10 % as 0.1"),
    "a rate of 0": (lambda: intercept_of(0.0, 0.5), "a rate between 0 and 1, got 0.0"),
    "no nodes": (lambda: OneFactor(np.ones(3), ONES, ONES, 0), "at least 1 node, got 0"),
    "a confidence in percent": (lambda: confidence_sequence([0.1, 0.2], confidence=95), "between 0 and 1, got 95"),
    "a null of 0": (lambda: fool_rate([0, 1], [1, 2], [1, 2]).p_value(0), "between 0 and 1, got 0; write 10 % as 0.1"),
    "one value": (lambda: bootstrap_mean([1.0]), "finite values of two or more participants"),
    "a value of NaN": (lambda: bootstrap_mean([1.0, math.nan]), "finite values of two or more participants"),
    "a table of values": (lambda: bootstrap_mean(np.ones((2, 2))), "finite values of two or more participants"),
    "a missing exposure": (lambda: hype_time([100, math.nan], [1, 2]), "in every trial, got missing ones"),
    "a missing person": (lambda: hype_time([100, 200], [1, None]), "in every trial, got missing ones"),
    "an unknown reference": (
        lambda: bradley_terry(["a", "b"], ["b", "a"], [1, 1], reference="c"),
        "the reference among a, b, got 'c'",
    ),
    "a photograph seen twice": (
        lambda: Simulator(Sheet(ONES, ONES, ONES - 1), (0.3,), Spreads()),
        "no participant to see an image twice",
    ),
    "an interaction without images": (
        lambda: mixed_model([0, 1, 1, 0, 1, 0], [1, 1, 2, 2, 3, 3], None, list("ababab"), has_interaction=True),
        "several participants and images for \\(1 | image:condition\\), got one factor",
    ),
    "a share above 1": (lambda: holm([1.0000001]), "numbers from 0 to 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name):
    """ValueError, with what was expected and what came."""
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_term_that_no_model_has_is_named():
    """With the terms that there are."""
    rng = np.random.default_rng(1)
    fit = mixed_model(rng.random(60) < 0.4, np.repeat(np.arange(10), 6), None)
    with pytest.raises(KeyError, match="expected one of all, sd_participant, got 'sd_image'"):
        fit["sd_image"]


def test_a_stimulus_that_the_set_lacks_is_named(golden):
    """By photograph and condition."""
    export = read_export(golden)
    assert export.stimulus("photo-000", "real")["condition"] == "real"
    with pytest.raises(ValueError, match="expected a stimulus of photo-000 in gray, got none"):
        export.stimulus("photo-000", "gray")


@pytest.mark.parametrize(
    ("p", "text"),
    [(math.nan, "p not defined"), (0.0009, "p < .001"), (0.9991, "p > .999"), (0.032, "p = .032"), (0.001, "p = .001")],
)
def test_p_values_are_written_as_apa_does(p, text):
    assert p_text(p).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0049, "fewer than 1 of 100"),
        (0.005, "about 0 of 100"),
        (0.31, "about 31 of 100"),
        (0.995, "about 100 of 100"),
        (0.9951, "more than 99 of 100"),
    ],
)
def test_rates_for_who_reads_nothing_else(rate, text):
    assert of_hundred(rate) == text
