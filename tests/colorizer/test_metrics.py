"""Metrics have the values that their definitions give by hand."""

import numpy as np
import pytest
import torch

from colorizer.ab_bins import N_BINS
from colorizer.evaluate import _bootstrap
from colorizer.metrics import (
    auc_raw,
    auc_rebalanced_parts,
    colourfulness,
    colourfulness_absolute,
    delta_e00_mean,
    mean_chroma,
    psnr,
)


@pytest.mark.parametrize(("error", "expected"), [(0.0, 1.0), (150.0, 1 / 300), (75.0, 75.5 / 150), (200.0, 0.0)])
def test_auc_of_a_constant_error(error: float, expected: float) -> None:
    """All pixels wrong by e: the curve is a step at e, its area by the trapezoid rule is (150 - e + ½) / 150."""
    true = torch.zeros(1, 2, 4, 4)
    predicted = true.clone()
    predicted[:, 0] = error
    value = 1.0 if error == 0 else expected
    assert float(auc_raw(predicted, true)[0]) == pytest.approx(value, abs=1e-9)


def test_rebalanced_auc_weighs_pixels_by_their_true_bin() -> None:
    """Half the pixels right and rare, half wrong by 150 and common: the weights decide the ratio."""
    true = torch.zeros(1, 2, 1, 2)
    true[0, :, 0, 0] = torch.tensor([50.0, 50.0])
    predicted = true.clone()
    predicted[0, 0, 0, 1] = 200.0
    weights = torch.ones(N_BINS)
    from colorizer.ab_bins import nearest_bin

    weights[nearest_bin(true)[0, 0, 0]] = 3.0
    area, mass = auc_rebalanced_parts(predicted, true, weights)
    assert float(mass[0]) == 4.0
    assert float(area[0] / mass[0]) == pytest.approx(0.75)


def test_colourfulness_of_known_pictures() -> None:
    """Grey has none; half red, half blue has the value of Hasler and Süsstrunk's formula worked out by hand."""
    assert float(colourfulness(torch.full((1, 3, 4, 4), 0.4))[0]) == 0.0
    picture = torch.zeros(1, 3, 1, 2)
    picture[0, 0, 0, 0] = picture[0, 2, 0, 1] = 1.0
    # rg = 255, 0; yb = 127.5, -255: sd 127.5 and 191.25, means 127.5 and -63.75
    expected = np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, 63.75)
    assert float(colourfulness(picture)[0]) == pytest.approx(expected)
    expected = np.hypot(127.5, 63.75) + 0.3 * np.hypot(127.5, 191.25)
    assert float(colourfulness_absolute(picture)[0]) == pytest.approx(expected)


def test_psnr_difference_and_chroma_by_hand() -> None:
    """An error of .1 everywhere is 20 dB; identical pictures differ by 0; chroma of (3, 4) is 5."""
    a = torch.full((2, 3, 5, 5), 0.5)
    assert float(psnr(a + 0.1, a)[0]) == pytest.approx(20.0, abs=1e-4)
    assert float(delta_e00_mean(a, a)[1]) == 0.0
    assert float(delta_e00_mean(a, a + 0.1)[0]) > 5
    assert float(mean_chroma(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1))[0]) == pytest.approx(5.0)


def test_bootstrap_interval_of_a_mean_is_the_known_one() -> None:
    """For 400 normal values the percentile interval is the mean ± 1.96 standard errors, within 10 %."""
    values = np.random.default_rng(0).normal(3, 1, size=400)
    estimate = _bootstrap(values, np.ones(400), seed=1)
    half = 1.96 * values.std() / 20
    assert estimate.mean == pytest.approx(values.mean())
    assert estimate.ci_high - estimate.mean == pytest.approx(half, rel=0.1)
    assert estimate.mean - estimate.ci_low == pytest.approx(half, rel=0.1)
