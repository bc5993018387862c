"""What is true of simulated participants: their parameters, and the numbers that are observed in the long run.

Model: the answer that counts (fooled; said real; preferred a) is given with probability expit(b + u + v + s);
u ~ N(0, sd_participant²) per participant, v ~ N(0, sd_image²) per photograph, s = ± side_bias. With probability `lapse`
the answer is a coin. The stated truth is the rate that is observed in the long run, after lapse and bias, over the
populations of participants and photographs; b is solved for it by quadrature. The latent rate E[expit(b + u + v)]
stands beside it.

With a staircase a picture is seen for what it is with probability expit(slope · (ln t − ln T) + u + v) after t ms, and
else guessed. The stated truth is the exposure at which the staircase's target is observed, after lapses; the latent
threshold is T, where half of the pictures are seen and so three of four answers are right.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from study.errors import Refusal
from study.studies import Study

GRID = 401
GRID_SD = 8.0
MAX_INTERCEPT = 30.0


class SimulationError(Refusal, ValueError):
    """A truth that cannot be simulated; the message is one line."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What simulated participants are like."""

    sd_participant: float = 0.5
    sd_image: float = 1.0
    lapse: float = 0.0
    side_bias: float = 0.0
    """On the logit. Pairs of real and fake: towards "left is the fake"; else towards the left button."""
    seed: int = 1
    hit_rate: float = 0.8
    """Single pictures: the observed share of originals that are called real."""
    slope: float = 2.0
    """Staircase: on the logit, per unit of ln ms."""
    drop_out: float = 0.0
    """Probability of leaving for good before a trial drawn at random."""
    rt_median_ms: float = 735.0
    rt_sd: float = 0.35
    """Of ln ms within a participant."""
    rt_sd_participant: float = 0.25

    def check(self) -> None:
        """Stop with one line if a parameter makes no sense."""
        for name, value, low, high in (
            ("sd-participant", self.sd_participant, 0, 10),
            ("sd-image", self.sd_image, 0, 10),
            ("lapse", self.lapse, 0, 0.99),
            ("side-bias", self.side_bias, -10, 10),
            ("hit-rate", self.hit_rate, 0, 1),
            ("slope", self.slope, 0.01, 100),
            ("drop-out", self.drop_out, 0, 1),
            ("rt-median", self.rt_median_ms, 1, 100_000),
            ("rt-sd", self.rt_sd, 0, 3),
            ("rt-sd-participant", self.rt_sd_participant, 0, 3),
        ):
            if not low <= value <= high:
                raise SimulationError(f"--{name}: expected {low} to {high}, got {value:g}")

    @property
    def sd(self) -> float:
        """Spread of participants and photographs together."""
        return math.hypot(self.sd_participant, self.sd_image)


def expit(x: float) -> float:
    """Give the logistic function of x, any real number; in (0, 1)."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


@lru_cache(maxsize=8192)  # the same truth is solved for again and again, by the same steps
def latent_rate(intercept: float, sd: float) -> float:
    """Give E[expit(intercept + sd·Z)] for a standard normal Z.

    The trapezoid rule on a smooth integrand that vanishes at both ends converges faster than any power of the step;
    with 401 points over ±8 the error is below 1e-10.
    """
    step = 2 * GRID_SD / (GRID - 1)
    total = weight = 0.0
    for k in range(GRID):
        z = k * step - GRID_SD
        w = math.exp(-z * z / 2)
        weight += w
        total += w * expit(intercept + sd * z)
    return total / weight


def observed_rate(intercept: float, parameters: Parameters, signs: tuple[int, ...] = (1, -1)) -> float:
    """Give the long-run rate after side bias and lapses; `signs` are the bias's, each equally often."""
    biased = (latent_rate(intercept + sign * parameters.side_bias, parameters.sd) for sign in signs)
    return sum(biased) / len(signs) * (1 - parameters.lapse) + parameters.lapse / 2


def solve_intercept(
    rate: float, parameters: Parameters, signs: tuple[int, ...] = (1, -1), *, option: str = "fool-rate"
) -> float:
    """Find b such that the observed rate is `rate`."""
    parameters.check()
    low, high = -MAX_INTERCEPT, MAX_INTERCEPT
    floor, ceiling = observed_rate(low, parameters, signs), observed_rate(high, parameters, signs)
    if not floor < rate < ceiling:
        raise SimulationError(
            f"--{option}: with --lapse {parameters.lapse:g} and --side-bias {parameters.side_bias:g} "
            f"expected a rate between {floor:.4f} and {ceiling:.4f}, got {rate:g}"
        )
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if observed_rate(middle, parameters, signs) < rate else (low, middle)
    return (low + high) / 2


def solve_threshold(threshold_ms: float, target: float, parameters: Parameters) -> float:
    """Find ln T such that the share `target` of right answers is observed at `threshold_ms`."""
    parameters.check()
    lapse = parameters.lapse
    # target = (1 − lapse)(½ + ½ E[seen]) + lapse/2
    seen = 2 * (target - lapse / 2) / (1 - lapse) - 1
    if not (threshold_ms > 0 and 0 < seen < 1):
        raise SimulationError(
            f"--threshold: {target:.0%} right answers cannot be reached at {threshold_ms:g} ms with --lapse {lapse:g}"
        )
    low, high = -MAX_INTERCEPT, MAX_INTERCEPT
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if latent_rate(middle, parameters.sd) < seen else (low, middle)
    return math.log(threshold_ms) - (low + high) / 2 / parameters.slope


def stated_names(study: Study) -> tuple[list[str], list[str]]:
    """Name what a truth must be stated for: the comparisons, and the control conditions."""
    catch = study.definition.catch
    controls = [catch.low_anchor_condition] if catch.n_low_anchor or catch.low_anchor_probability else []
    if catch.n_obvious:
        controls.append(catch.obvious_condition)
    return [t.name for t in study.pools.compared], controls


def state_truth(study: Study, rates: Mapping[str, float], parameters: Parameters) -> dict[str, Any]:
    """Write down what is true of the simulated data, as the export will say it.

    `rates` are fool rates, shares of a (preference), or thresholds in ms (staircase) of the comparisons, and rates of
    the control conditions.
    """
    definition = study.definition
    compared, controls = stated_names(study)
    for name in rates:
        if name not in (*compared, *controls):
            there = ", ".join((*compared, *controls))
            raise SimulationError(f"--fool-rate: the study has no condition {name!r}; it has {there}")
    missing = [name for name in (*compared, *controls) if name not in rates]
    if missing:
        raise SimulationError(f"--fool-rate: no rate is stated for {', '.join(missing)}")
    signs: tuple[int, ...] = (1, -1)
    if definition.is_single:
        signs = (1,) if definition.trial.real_button == "left" else (-1,)
    by_rate = controls if definition.staircase.is_on else [*compared, *controls]
    intercepts = {name: solve_intercept(rates[name], parameters, signs) for name in by_rate}
    stated = {name: rates[name] for name in by_rate}
    detail: dict[str, Any] = {
        **asdict(parameters),
        "latent_intercept": {name: round(b, 9) for name, b in intercepts.items()},
        "latent_fool_rate": {name: round(latent_rate(b, parameters.sd), 9) for name, b in intercepts.items()},
    }
    truth: dict[str, Any] = {"fool_rate": stated, "parameters": detail}
    if definition.is_preference:
        truth = {
            "fool_rate": {},
            "preference": {name: stated[name] for name in compared},
            "control_rate": {name: stated[name] for name in controls},
            "parameters": detail,
        }
    elif definition.staircase.is_on:
        target = definition.staircase.target
        logs = {name: solve_threshold(rates[name], target, parameters) for name in compared}
        truth |= {"threshold_ms": {name: rates[name] for name in compared}, "target": target}
        detail["latent_threshold_ms"] = {name: round(math.exp(log), 6) for name, log in logs.items()}
    elif definition.is_single:
        hit = solve_intercept(parameters.hit_rate, parameters, signs, option="hit-rate")
        detail |= {"latent_hit_intercept": round(hit, 9), "latent_hit_rate": round(latent_rate(hit, parameters.sd), 9)}
        errors = {name: round((rates[name] + 1 - parameters.hit_rate) / 2, 9) for name in compared}
        truth |= {"hit_rate": parameters.hit_rate, "error_rate": errors}
    return truth
