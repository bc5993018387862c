"""Single pictures: d′, criterion and accuracies, against a computation by loops and what was put in."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.sensitivity import sensitivity, yes_no


def table(seed=1, n_people=12, n_images=15, hit=0.7, false_alarm=0.3):
    """Everybody judges each photograph once, as a fake or as an original in turn."""
    rng = np.random.default_rng(seed)
    person, image = np.repeat(np.arange(n_people), n_images), np.tile(np.arange(n_images), n_people)
    is_fake = (person + image) % 2 == 0
    said_fake = rng.random(len(person)) < np.where(is_fake, hit, false_alarm)
    return pd.DataFrame({"participant": person, "image": image, "is_fake": is_fake, "judged_real": ~said_fake})


def one_way(influence, labels):
    sums = [influence[labels == label].sum() for label in np.unique(labels)]
    return len(sums) / (len(sums) - 1) * sum(total**2 for total in sums)


def test_d_prime_and_criterion_by_loops():
    """z of the log-linear rates; the interval is the delta method's over both clusterings, with Satterthwaite's t."""
    trials = table()
    fake, said = trials["is_fake"].to_numpy(), ~trials["judged_real"].to_numpy()
    z, influence = {}, {}
    for name, rows in (("h", fake), ("f", ~fake)):
        n, k = rows.sum(), (said & rows).sum()
        z[name] = stats.norm.ppf((k + 0.5) / (n + 1))
        influence[name] = np.where(rows, (said - k / n) / (n * stats.norm.pdf(z[name])), 0)
    found = sensitivity(trials, confidence=0.9)
    person, image = trials["participant"].to_numpy(), trials["image"].to_numpy()
    for value, low, high, expected, parts in (
        (found.d_prime, found.d_low, found.d_high, z["h"] - z["f"], influence["h"] - influence["f"]),
        (found.criterion, found.c_low, found.c_high, -(z["h"] + z["f"]) / 2, -(influence["h"] + influence["f"]) / 2),
    ):
        people, photos = one_way(parts, person), one_way(parts, image)
        cells = one_way(parts, person * 100 + image)
        variance = max(people + photos - cells, min(people, photos))
        df = np.clip(variance**2 / (people**2 / 11 + photos**2 / 14), 11, 25)
        half = stats.t.ppf(0.95, df) * math.sqrt(variance)
        assert (value, low, high) == pytest.approx((expected, expected - half, expected + half))


def test_one_person_or_photograph_has_no_interval():
    """d′ with an interval needs two of each; the accuracies are there all the same."""
    one = table(n_people=1)
    found = yes_no(one)
    assert found.sensitivity is None
    assert found.difference is None
    assert found.accuracy.n_trials == 15
    assert sensitivity(table(n_images=1, n_people=2)) is None
    assert sensitivity(table(n_images=2, n_people=2)) is not None


def test_accuracies_are_shares_judged_rightly():
    """Of all, of fakes, of originals; fakes minus originals is the difference."""
    trials = table(seed=3, hit=0.8, false_alarm=0.5)
    found = yes_no(trials, confidence=0.8)
    right = trials["judged_real"] != trials["is_fake"]
    assert found.accuracy.fool_rate == pytest.approx(right.mean())
    assert found.accuracy_fake.fool_rate == pytest.approx(right[trials["is_fake"]].mean())
    assert found.accuracy_real.fool_rate == pytest.approx(right[~trials["is_fake"]].mean())
    assert (found.accuracy.condition, found.accuracy_fake.condition, found.accuracy_real.condition) == (
        "all",
        "fake",
        "real",
    )
    assert {one.confidence for one in (found.accuracy, found.accuracy_fake, found.accuracy_real)} == {0.8}
    gap = found.difference
    assert (gap.condition_a, gap.condition_b) == ("fake", "real")
    assert gap.difference == pytest.approx(found.accuracy_fake.fool_rate - found.accuracy_real.fool_rate)
    wide = yes_no(trials).difference
    assert wide.ci_high - wide.ci_low > gap.ci_high - gap.ci_low
    assert yes_no(trials).sensitivity.d_low < found.sensitivity.d_low


def test_the_naive_p_is_pearsons():
    """χ² without continuity correction over trials, as if each were a person of its own; NaN where all agree."""
    trials = table(seed=5, hit=0.8, false_alarm=0.5)
    right = trials["judged_real"] != trials["is_fake"]
    expected = stats.chi2_contingency(pd.crosstab(trials["is_fake"], right), correction=False).pvalue
    assert yes_no(trials).naive_p == pytest.approx(expected)
    assert math.isnan(yes_no(trials.assign(judged_real=~trials["is_fake"])).naive_p)
    assert math.isnan(yes_no(trials.assign(judged_real=trials["is_fake"])).naive_p)


@pytest.mark.parametrize(("is_fake", "kind"), [(True, "fakes"), (False, "originals")])
def test_both_kinds_are_needed(is_fake, kind):
    """Only fakes, or only originals, are refused by name."""
    with pytest.raises(ValueError, match=f"expected fakes and originals, got only {kind}; name the column"):
        yes_no(table().assign(is_fake=is_fake))


@pytest.mark.parametrize(
    ("n_fake", "is_balanced"), [(500, True), (504, True), (495, False), (506, False), (400, False)]
)
def test_balanced_is_half_and_half_to_half_a_percent(n_fake, is_balanced):
    """Accuracy alone means something only where fakes and originals are as many."""
    trials = pd.DataFrame(
        {
            "participant": np.arange(1000) % 10,
            "image": np.arange(1000) // 10,
            "is_fake": np.arange(1000) < n_fake,
            "judged_real": np.arange(1000) % 3 == 0,
        }
    )
    assert yes_no(trials).is_balanced == is_balanced


@given(seed=st.integers(0, 1000))
def test_calling_everything_the_other_way_turns_d_prime_round(seed):
    """Who says real for fake has −d′, an interval mirrored, and the same leaning turned round."""
    trials = table(seed=seed, n_people=4, n_images=6)
    one, other = sensitivity(trials), sensitivity(trials.assign(judged_real=~trials["judged_real"]))
    assert other.d_prime == pytest.approx(-one.d_prime)
    assert (other.d_low, other.d_high) == pytest.approx((-one.d_high, -one.d_low))
    assert other.criterion == pytest.approx(-one.criterion)
