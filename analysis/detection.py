"""How people answered, beyond right and wrong: biases, sensitivity, and lapses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analysis.estimate import FoolRate, fool_rate
from analysis.proportions import wilson


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval for new participants and photographs; rates in [0, 1]."""

    name: str
    n_trials: int
    k: int
    share: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Detection:
    """d′ (in standard deviations of one picture's impression) and criterion (0 is unbiased) of a 2AFC table."""

    d_prime: float
    criterion: float


def called_fake(trials: pd.DataFrame) -> pd.Series[bool]:
    """Whether picture a was called the fake one, of answered trials, whichever question was asked."""
    chose_a = trials["response"] == trials["side_of_a"]
    return chose_a == (trials["question"] == "fake")


def side_bias(trials: pd.DataFrame) -> Share:
    """Share of answered trials with the left picture chosen; .5 is no bias."""
    return share_of("left picture chosen", trials["response"] == "left", trials)


def interval_bias(trials: pd.DataFrame) -> Share:
    """Share of answered trials with the first picture chosen; .5 is no bias."""
    chose_a = trials["response"] == trials["side_of_a"]
    return share_of("first picture chosen", chose_a == (trials["order_of_a"] == "first"), trials)


def share_of(name: str, hit: pd.Series[bool], trials: pd.DataFrame) -> Share:
    """Estimate a share of an export's trials, of any kind."""
    # A share over people and photographs has the same variance whatever its outcome is called.
    rate = fool_rate(hit, trials["participant_id"], trials["image_id"])
    return Share(name, rate.n_trials, rate.n_fooled, rate.fool_rate, rate.ci_low, rate.ci_high)


def d_prime_2afc(hits: int, n_a: int, false_alarms: int, n_b: int) -> Detection:
    """d′ = [z(H) − z(F)]/√2 and c = −[z(H) + z(F)]/2, with the log-linear correction (k + ½)/(n + 1).

    H: share of "A" where the fake is at A, F: share of "A" where it is at B.  Hautus 1995 (the correction),
    Macmillan and Creelman 2005, chapter 7 (the √2).
    """
    if n_a <= 0 or n_b <= 0:
        raise ValueError(f"d′: expected trials with the fake at both places, got {n_a} and {n_b}")
    z_h = float(special.ndtri((hits + 0.5) / (n_a + 1)))
    z_f = float(special.ndtri((false_alarms + 0.5) / (n_b + 1)))
    return Detection((z_h - z_f) / math.sqrt(2), -(z_h + z_f) / 2)


def detection(trials: pd.DataFrame) -> Detection | None:
    """d′ over answered real-and-fake trials, by side; None if the fake was only ever on one side."""
    at_left = trials["side_of_a"] == "left"
    said_left = called_fake(trials) == at_left
    if at_left.all() or not at_left.any():
        return None
    return d_prime_2afc(
        int((said_left & at_left).sum()),
        int(at_left.sum()),
        int((said_left & ~at_left).sum()),
        int((~at_left).sum()),
    )


# Fewer instructed trials than this leave the lapse rate so open that a corrected rate would say nothing.
MIN_INSTRUCTED = 20


@dataclass(frozen=True)
class LapseCorrection:
    """The fool rate that attentive trials would have had, p with p_observed = p (1 − λ) + λ/2.

    `low` and `high` are the extremes over both 95 % intervals, of the rate and of λ: wide, and only a sensitivity line.
    """

    lapse_rate: float
    lapse_low: float
    lapse_high: float
    corrected: float
    low: float
    high: float


def lapse_correction(rate: FoolRate, n_instructed: int, n_failed: int) -> LapseCorrection | None:
    """Correct a fool rate for lapses estimated from instructed trials; None from fewer than MIN_INSTRUCTED.

    Who lapses answers at random and fails an instructed trial half of the time, so λ = 2 × share failed.
    """
    if n_instructed < MIN_INSTRUCTED:
        return None
    ends = wilson(n_failed, n_instructed)
    lapses = [min(2 * float(x), 0.99) for x in (ends.low, n_failed / n_instructed, ends.high)]

    def attentive(p: float, lapse: float) -> float:
        return float(np.clip((p - lapse / 2) / (1 - lapse), 0, 1))

    corners = [attentive(p, lapse) for p in (rate.ci_low, rate.ci_high) for lapse in (lapses[0], lapses[2])]
    return LapseCorrection(
        lapses[1], lapses[0], lapses[2], attentive(rate.fool_rate, lapses[1]), min(corners), max(corners)
    )
