"""Simulated studies with a known truth: crossed effects of people and photographs on the logit.

Shape suffixes: S studies, n trials, P participants, I images, K conditions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse, special

from analysis.clustered import TwoWayVariance
from analysis.mixed.marginal import intercept_of

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spreads:
    """Standard deviations on the logit: participants, images shared by all conditions, image × condition."""

    participant: float = 0.5
    image: float = 0.6
    interaction: float = 0.8

    @property
    def total(self) -> float:
        """Standard deviation of the sum, which the marginal rate integrates over."""
        return math.hypot(self.participant, self.image, self.interaction)


@dataclass(frozen=True)
class Sheet:
    """Who sees what: participant, image and condition (0 or more) of each of n trials."""

    participant_n: Integers
    image_n: Integers
    condition_n: Integers

    @property
    def n_trials(self) -> int:
        """Number of trials of one study."""
        return len(self.participant_n)

    @property
    def n_participants(self) -> int:
        """Number of participants with a trial."""
        return len(np.unique(self.participant_n))

    @property
    def n_images(self) -> int:
        """Number of images with a trial."""
        return len(np.unique(self.image_n))


def grid(n_participants: int, n_images: int, n_conditions: int = 1) -> Sheet:
    """Everybody sees every image once; conditions rotate as in a Latin square."""
    person, image = np.repeat(np.arange(n_participants), n_images), np.tile(np.arange(n_images), n_participants)
    return Sheet(person, image, (person + image) % n_conditions)


def pool(n_participants: int, n_each: int, n_images: int, n_conditions: int = 1, *, seed: int = 0) -> Sheet:
    """Everybody sees `n_each` different images of a pool, conditions in turn."""
    rng = np.random.default_rng(seed)
    shown = [rng.choice(n_images, n_each, replace=False) for _ in range(n_participants)]
    return Sheet(
        np.repeat(np.arange(n_participants), n_each),
        np.concatenate(shown),
        np.tile(np.arange(n_each) % n_conditions, n_participants),
    )


def unbalanced(n_participants: int, n_images: int, *, seed: int = 0) -> Sheet:
    """Numbers of trials that differ widely between people (3 to 90 %) and popularity that does between images."""
    rng = np.random.default_rng(seed)
    weights = np.exp(rng.normal(0, 0.8, n_images))
    sizes = np.clip(np.round(np.exp(rng.normal(2.8, 0.7, n_participants))), 3, 0.9 * n_images).astype(int)
    shown = [rng.choice(n_images, size, replace=False, p=weights / weights.sum()) for size in sizes]
    image = np.concatenate(shown)
    return Sheet(np.repeat(np.arange(n_participants), sizes), image, np.zeros(len(image), dtype=np.int64))


class Simulator:
    """Draws studies on one sheet and sums what the primary estimators need of them."""

    def __init__(self, sheet: Sheet, rates: tuple[float, ...], spreads: Spreads) -> None:
        self.sheet, self.rates, self.spreads = sheet, rates, spreads
        self.intercept_K = np.array([intercept_of(rate, spreads.total) for rate in rates])
        self.person_n = np.unique(sheet.participant_n, return_inverse=True)[1]
        self.image_n = np.unique(sheet.image_n, return_inverse=True)[1]
        n, P, I = sheet.n_trials, sheet.n_participants, sheet.n_images  # noqa: E741 -- the paper's letters
        ones, trial = np.ones(n, dtype=np.float32), np.arange(n)
        self.by_person = sparse.csr_array((ones, (self.person_n, trial)), shape=(P, n))
        self.by_image = sparse.csr_array((ones, (self.image_n, trial)), shape=(I, n))
        self.P, self.I = P, I
        if len(np.unique(self.person_n * I + self.image_n)) != n:
            raise ValueError("simulation: expected no participant to see an image twice; change the sheet")

    def outcomes(self, rng: np.random.Generator, n_studies: int) -> npt.NDArray[np.float32]:
        """Draw fooled (S, n) as 0 and 1, with new people and new photographs in each study."""
        sheet, spreads = self.sheet, self.spreads
        eta = self.intercept_K[sheet.condition_n].astype(np.float32)
        eta = eta + rng.normal(0, spreads.participant, (n_studies, self.P)).astype(np.float32)[:, self.person_n]
        eta += rng.normal(0, spreads.image, (n_studies, self.I)).astype(np.float32)[:, self.image_n]
        if spreads.interaction:
            K = len(self.rates)
            own = rng.normal(0, spreads.interaction, (n_studies, self.I * K)).astype(np.float32)
            eta += own[:, self.image_n * K + sheet.condition_n]
        return (rng.random(eta.shape, dtype=np.float32) < special.expit(eta)).astype(np.float32)

    def variance(self, influence_Sn: npt.NDArray[np.float32]) -> TwoWayVariance:
        """The parts of the two-way variance (S,) from the influence (S, n); every cell holds one trial."""
        n = self.sheet.n_trials
        people = np.asarray((self.by_person @ influence_Sn.T) ** 2).sum(axis=0, dtype=np.float64)
        photos = np.asarray((self.by_image @ influence_Sn.T) ** 2).sum(axis=0, dtype=np.float64)
        cells = (influence_Sn**2).sum(axis=1, dtype=np.float64)
        return TwoWayVariance(people * self.P / (self.P - 1), photos * self.I / (self.I - 1), cells * n / (n - 1))

    def rate(self, y_Sn: npt.NDArray[np.float32]) -> tuple[Floats, TwoWayVariance]:
        """Share fooled (S,) and the parts of its variance."""
        p = y_Sn.mean(axis=1, dtype=np.float64)
        return p, self.variance((y_Sn - p[:, None].astype(np.float32)) / np.float32(self.sheet.n_trials))

    def difference(self, y_Sn: npt.NDArray[np.float32]) -> tuple[Floats, TwoWayVariance]:
        """Rate of condition 0 less that of condition 1 (S,), and the parts of its variance."""
        is_a, is_b = (self.sheet.condition_n == k for k in (0, 1))
        n_a, n_b = np.float32(is_a.sum()), np.float32(is_b.sum())
        p_a, p_b = (y_Sn[:, rows].mean(axis=1, dtype=np.float64) for rows in (is_a, is_b))
        influence = np.where(is_a, (y_Sn - p_a[:, None].astype(np.float32)) / n_a, 0) - np.where(
            is_b, (y_Sn - p_b[:, None].astype(np.float32)) / n_b, 0
        )
        return p_a - p_b, self.variance(influence.astype(np.float32))
