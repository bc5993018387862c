"""How many participants and photographs a study needs, by simulation with the report's own estimators.

People and photographs are both drawn anew in every simulated study.  More people cannot do what only more photographs
can: as people grow without end the power goes to a limit that the photographs set, and no advice goes past it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.compare import contrast_variance
from analysis.estimate import ASSUMED_CORRELATION
from analysis.interval import pivot_of, t_quantile
from analysis.mixed.marginal import intercept_of, normal_nodes
from analysis.simulation import Sheet, Simulator, Spreads, pool

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

Question = Literal["difference", "precision", "target", "equivalence"]
Comparison = Literal["between", "within", "single"]
N_STUDIES = 1000
ASKED_POWER = 0.8
ASKED_CONFIDENCE = 0.95
BLOCK_TRIALS = 4_000_000


@dataclass(frozen=True)
class Plan:
    """What is asked.  Rates in [0, 1]; `rates` has two for a difference, one otherwise.

    `aim` is the half-width asked for (precision), the rate declared beforehand (target), or the margin around 50 %
    (equivalence); it is not used for a difference.  `n_each` trials per participant, over both conditions together.
    """

    question: Question
    rates: tuple[float, ...]
    n_each: int = 36
    aim: float = math.nan
    spreads: Spreads = field(default_factory=Spreads)
    asked_power: float = ASKED_POWER

    def __post_init__(self) -> None:
        wanted = 2 if self.question == "difference" else 1
        if len(self.rates) != wanted or not all(0 < rate < 1 for rate in self.rates):
            raise ValueError(
                f"power: expected {wanted} rate(s) between 0 and 1 for {self.question}, got {self.rates}; "
                "write 32 % as 0.32"
            )
        if wanted == 2 and self.rates[0] == self.rates[1]:
            raise ValueError("power: expected two different rates, got the same twice; there is nothing to tell apart")
        if self.question != "difference" and not 0 < self.aim < 1:
            raise ValueError(f"power: expected {self.question} to aim at a number between 0 and 1, got {self.aim}")
        if self.question == "equivalence" and not self.aim < 0.5:
            raise ValueError(f"power: expected a margin below 0.5 around 50 %, got {self.aim}")
        if self.question == "target" and self.rates[0] == self.aim:
            raise ValueError("power: expected a rate other than the target; at the target the power is 5 %")
        if self.n_each < (2 if wanted == 2 else 1):
            raise ValueError(f"power: expected two or more trials per participant, got {self.n_each}")
        if not 0 < self.asked_power < 1:
            raise ValueError(f"power: expected the power asked for between 0 and 1, got {self.asked_power}")

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Layouts to show side by side."""
        return ("between", "within") if self.question == "difference" else ("single",)


@dataclass(frozen=True)
class Point:
    """Power of one layout; `n_participants` counts everybody, both arms together, infinity being the limit.

    `power` is the share of studies that reject, declare, or are as precise as asked for; `half_width` the mean
    half-width of the 95 % interval, in [0, 1].
    """

    comparison: Comparison
    n_participants: float
    n_images: int
    power: float
    monte_carlo_se: float
    half_width: float


@dataclass(frozen=True)
class Advice:
    """The fewest participants for a layout and a number of photographs; None where photographs limit."""

    comparison: Comparison
    n_images: int
    n_participants: int | None
    limit: float
    sentence: str


def sheet_of(comparison: Comparison, n_participants: int, n_images: int, n_each: int, seed: int) -> Sheet:
    """Who sees what: `n_each` different photographs of the pool per person, conditions by arm or in turn."""
    sheet = pool(n_participants, n_each, n_images, 2 if comparison == "within" else 1, seed=seed)
    if comparison == "between":
        return Sheet(sheet.participant_n, sheet.image_n, sheet.participant_n % 2)
    return sheet


def simulate_point(
    plan: Plan, comparison: Comparison, n_participants: int, n_images: int, *, n_studies: int = N_STUDIES, seed: int = 0
) -> Point:
    """Simulate studies of one size."""
    if n_participants < (4 if comparison == "between" else 2) or n_images < 2:
        raise ValueError(
            f"power: expected two or more participants per arm and photographs, got {n_participants} and {n_images}"
        )
    if plan.n_each > n_images:
        raise ValueError(
            f"power: expected at most {n_images} trials per participant, as nobody sees a photograph twice, got "
            f"{plan.n_each}; use at most that many trials, or more photographs"
        )
    sheet = sheet_of(comparison, n_participants, n_images, plan.n_each, seed)
    simulator = Simulator(sheet, plan.rates, plan.spreads)
    rng = np.random.default_rng([seed, n_participants, n_images])
    step = max(1, BLOCK_TRIALS // sheet.n_trials)
    hits, widths, done = 0.0, 0.0, 0
    while done < n_studies:
        size = min(step, n_studies - done)
        hit, half = _judge(plan, simulator, simulator.outcomes(rng, size), comparison)
        hits, widths, done = hits + float(hit.sum()), widths + float(half.sum()), done + size
    power = hits / n_studies
    return Point(comparison, n_participants, n_images, power, _error(power, n_studies), widths / n_studies)


def limit_point(
    plan: Plan, comparison: Comparison, n_images: int, *, n_studies: int = N_STUDIES, seed: int = 0
) -> Point:
    """The same with infinitely many participants: every photograph's own rate is known, and photographs still vary."""
    spreads, rng = plan.spreads, np.random.default_rng([seed, n_images])
    nodes, weights = normal_nodes(30)
    K = len(plan.rates)
    intercepts = [intercept_of(rate, spreads.total) for rate in plan.rates]
    shared = rng.normal(0, spreads.image, (n_studies, n_images))
    rates = []
    for k in range(K):
        photo = intercepts[k] + shared + rng.normal(0, spreads.interaction, (n_studies, n_images))
        rates.append(
            sum(w * special.expit(photo + spreads.participant * x) for x, w in zip(nodes, weights, strict=True))
        )
    value = rates[0] - rates[1] if K == 2 else rates[0]
    mean, variance = value.mean(axis=1), value.var(axis=1, ddof=1) / n_images
    half = t_quantile(n_images - 1, 0.95) * np.sqrt(variance)
    if plan.question == "difference":
        hit = np.abs(mean) > half
    elif plan.question == "precision":
        hit = half <= plan.aim
    elif plan.question == "target":
        hit = np.abs(mean - plan.aim) > half
    else:
        inner = t_quantile(n_images - 1, 0.90) * np.sqrt(variance)
        hit = (mean - inner > 0.5 - plan.aim) & (mean + inner < 0.5 + plan.aim)
    power = float(hit.mean())
    return Point(comparison, math.inf, n_images, power, _error(power, n_studies), float(half.mean()))


def power_curves(
    plan: Plan, participants: list[int], images: list[int], *, n_studies: int = N_STUDIES, seed: int = 0
) -> Iterator[Point]:
    """Every layout × photographs × participants, each followed by its limit."""
    for comparison in plan.comparisons:
        for n_images in images:
            for n in participants:
                yield simulate_point(plan, comparison, n, n_images, n_studies=n_studies, seed=seed)
            yield limit_point(plan, comparison, n_images, n_studies=n_studies, seed=seed)


def advise(plan: Plan, points: list[Point]) -> list[Advice]:
    """For each layout and number of photographs the fewest participants, read off between the simulated sizes."""
    advice = []
    for comparison in plan.comparisons:
        for n_images in sorted({point.n_images for point in points}):
            rows = [point for point in points if point.comparison == comparison and point.n_images == n_images]
            finite = sorted((row for row in rows if math.isfinite(row.n_participants)), key=lambda r: r.n_participants)
            limit = next((row.power for row in rows if math.isinf(row.n_participants)), math.nan)
            advice.append(_advise_one(plan, comparison, n_images, finite, limit))
    return advice


def _advise_one(plan: Plan, comparison: Comparison, n_images: int, rows: list[Point], limit: float) -> Advice:
    asked, name = plan.asked_power, comparison if comparison != "single" else plan.question
    if limit < asked:
        sentence = (
            f"{name}, {n_images:,} photographs: the photographs limit; even infinitely many participants reach only "
            f"{limit:.0%}. Add photographs, not participants"
        )
        return Advice(comparison, n_images, None, limit, sentence)
    for at, row in enumerate(rows):
        if row.power >= asked:
            n = int(row.n_participants) if at == 0 else _between(rows[at - 1], row, asked)
            words = "at most" if at == 0 else "about"
            sentence = f"{name}, {n_images:,} photographs: {words} {n} participants for {asked:.0%}"
            return Advice(comparison, n_images, n, limit, sentence)
    most = int(rows[-1].n_participants)
    sentence = (
        f"{name}, {n_images:,} photographs: more than {most} participants ({rows[-1].power:.0%} there, {limit:.0%} at "
        "the photographs' limit); more photographs may be cheaper"
    )
    return Advice(comparison, n_images, None, limit, sentence)


def _between(low: Point, high: Point, asked: float) -> int:
    """Participants at a power between two points, straight in probit against log participants."""
    z = special.ndtri(np.clip([low.power, high.power, asked], 1e-3, 1 - 1e-3))
    share = float((z[2] - z[0]) / (z[1] - z[0]))
    n = math.exp(math.log(low.n_participants) + share * math.log(high.n_participants / low.n_participants))
    return 2 * math.ceil(n / 2)


def _judge(
    plan: Plan, simulator: Simulator, y: npt.NDArray[np.float32], comparison: Comparison
) -> tuple[npt.NDArray[np.bool_], Floats]:
    P, I, n = simulator.P, simulator.I, y.shape[1]  # noqa: E741 -- participants and images
    if plan.question == "difference":
        gap, parts = simulator.difference(y)
        variance, df = contrast_variance(parts, P // 2 if comparison == "between" else P, I)
        half = t_quantile(df, ASKED_CONFIDENCE) * np.sqrt(variance)
        return np.abs(gap) > half, half
    p, parts = simulator.rate(y)
    assumed = 1 + (n / P - 1 + n / I - 1) * ASSUMED_CORRELATION
    pivot = pivot_of(p, n, [(parts.by_participant, P), (parts.by_image, I)], parts.by_cell, assumed)
    ends = pivot.ends(ASKED_CONFIDENCE)
    half = (ends.high - ends.low) / 2
    judges: dict[str, Callable[[], npt.NDArray[np.bool_]]] = {
        "precision": lambda: half <= plan.aim,
        "target": lambda: (plan.aim < ends.low) | (plan.aim > ends.high),
        "equivalence": lambda: _inside(plan.aim, *pivot.ends(0.90)),
    }
    return judges[plan.question](), half


def _inside(margin: float, low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    return (low > 0.5 - margin) & (high < 0.5 + margin)


def _error(power: float, n_studies: int) -> float:
    return math.sqrt(power * (1 - power) / n_studies)
