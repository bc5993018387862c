"""Simulated participants, data only, through the same session functions as people.

Model: a participant is fooled by a photograph with probability expit(b + u + v ± s); u ~ N(0, sd_participant²) per
participant, v ~ N(0, sd_image²) per photograph, s = side_bias, towards "left is the fake" if positive: it adds where
the fake is on the right and subtracts where it is on the left. With probability `lapse` the answer is a coin.

The stated truth is the rate that is observed in the long run, after lapse and bias, over the populations of
participants and photographs; b is solved for it by quadrature. The latent rate E[expit(b + u + v)] stands beside it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from study import sessions
from study.design import SIDES, PlannedTrial, other
from study.dice import Dice
from study.models import SessionRow, StudyRow
from study.sessions import Desk
from study.studies import Study

GRID = 401
GRID_SD = 8.0
MAX_INTERCEPT = 30.0
FRAME_MS = 1000 / 60
DEVICE = {
    "screen_width_px": 1920,
    "screen_height_px": 1080,
    "viewport_width_px": 1280,
    "viewport_height_px": 900,
    "device_pixel_ratio": 1,
    "refresh_hz": 60,
    "language": "en",
}


class SimulationError(ValueError):
    """A truth that cannot be simulated; the message is one line."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What simulated participants are like."""

    sd_participant: float = 0.5
    sd_image: float = 1.0
    lapse: float = 0.0
    side_bias: float = 0.0
    seed: int = 1

    def check(self) -> None:
        """Stop with one line if a parameter makes no sense."""
        for name, value, low, high in (
            ("sd-participant", self.sd_participant, 0, 10),
            ("sd-image", self.sd_image, 0, 10),
            ("lapse", self.lapse, 0, 0.99),
            ("side-bias", self.side_bias, -10, 10),
        ):
            if not low <= value <= high:
                raise SimulationError(f"--{name}: expected {low} to {high}, got {value:g}")


def expit(x: float) -> float:
    """Give the logistic function of x, any real number; in (0, 1)."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


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


def observed_rate(intercept: float, parameters: Parameters) -> float:
    """Give the long-run share of fooled trials, after side bias (sides are balanced) and lapses."""
    sd = math.hypot(parameters.sd_participant, parameters.sd_image)
    perceived = sum(latent_rate(intercept + sign * parameters.side_bias, sd) for sign in (1, -1)) / 2
    return perceived * (1 - parameters.lapse) + parameters.lapse / 2


def solve_intercept(rate: float, parameters: Parameters) -> float:
    """Find b such that the observed rate is `rate`."""
    parameters.check()
    low, high = -MAX_INTERCEPT, MAX_INTERCEPT
    floor, ceiling = observed_rate(low, parameters), observed_rate(high, parameters)
    if not floor < rate < ceiling:
        raise SimulationError(
            f"--fool-rate: with --lapse {parameters.lapse:g} and --side-bias {parameters.side_bias:g} "
            f"expected a rate between {floor:.4f} and {ceiling:.4f}, got {rate:g}"
        )
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if observed_rate(middle, parameters) < rate else (low, middle)
    return (low + high) / 2


def state_truth(study: Study, rates: Mapping[str, float], parameters: Parameters) -> dict[str, Any]:
    """Write down what is true of the simulated data, as the export will say it."""
    conditions = list(study.pools.arms)
    if study.definition.catch.n_low_anchor:
        conditions.append(study.definition.catch.low_anchor_condition)
    for name in rates:
        if name not in conditions:
            raise SimulationError(f"--fool-rate: the study has no condition {name!r}; it has {', '.join(conditions)}")
    missing = [name for name in conditions if name not in rates]
    if missing:
        raise SimulationError(f"--fool-rate: no rate is stated for {', '.join(missing)}")
    intercepts = {name: solve_intercept(rates[name], parameters) for name in conditions}
    sd = math.hypot(parameters.sd_participant, parameters.sd_image)
    return {
        "fool_rate": {name: rates[name] for name in conditions},
        "parameters": {
            **asdict(parameters),
            "latent_intercept": {name: round(b, 9) for name, b in intercepts.items()},
            "latent_fool_rate": {name: round(latent_rate(b, sd), 9) for name, b in intercepts.items()},
        },
    }


def simulate(
    desk: Desk,
    study: Study,
    *,
    n_participants: int,
    rates: Mapping[str, float],
    parameters: Parameters,
    now: datetime,
    among_people: bool = False,
    tell: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Add simulated sessions to a study and return the stated truth; `tell` hears of every session."""
    if n_participants < 1:
        raise SimulationError(f"--participants: expected 1 or more, got {n_participants}")
    truth = state_truth(study, rates, parameters)
    n_before = _claim(desk, study, truth, among_people=among_people)
    for number in range(n_before, n_before + n_participants):
        with desk.database.batch():
            _take_part(desk, study, truth, number, now=now)
        tell(number)
    return truth


def _claim(desk: Desk, study: Study, truth: dict[str, Any], *, among_people: bool) -> int:
    """Mark the study as simulated; two truths never mix, and people's data only where it is asked for."""
    with desk.database.session() as session:
        row = session.get_one(StudyRow, study.id)
        mine = select(func.count()).select_from(SessionRow).where(SessionRow.study_id == study.id)
        if not among_people and session.scalar(mine.where(SessionRow.is_simulated.is_(False))):
            raise SimulationError(
                f"{study.slug} holds sessions of people; create a study of its own for simulation, "
                "or say --among-people (its report will say SIMULATED)"
            )
        if row.simulation is not None and row.simulation != truth:
            raise SimulationError(
                f"{study.slug} was simulated with another truth {row.simulation['fool_rate']} or other parameters; "
                "create a study of its own"
            )
        row.simulation = truth
        return session.scalar(mine) or 0


def _take_part(desk: Desk, study: Study, truth: dict[str, Any], number: int, *, now: datetime) -> None:
    """Lead one simulated participant from consent to debrief."""
    p = truth["parameters"]
    dice = Dice("participant", study.seed, p["seed"], number)
    clock = now - timedelta(hours=1)
    token = sessions.start(
        desk,
        study.id,
        now=clock,
        user_agent="simulated",
        source="simulated",
        is_simulated=True,
        may_be_closed=True,
        bits=Dice("names", study.name, study.seed, p["seed"], number).getrandbits,
    )
    sessions.advance(desk, token, stage="instructions")
    page_id = f"page-{number}"
    sessions.next_trial(desk, token, page_id=page_id, device=DEVICE, now=clock)
    u = dice.gauss(0, p["sd_participant"])
    speed = dice.gauss(0, 0.25)
    state = sessions.read_state(desk, token)
    for index, trial in enumerate(state.shown):
        rt_ms = round(math.exp(6.6 + speed + dice.gauss(0, 0.35)), 1)
        clock += timedelta(milliseconds=4000 + rt_ms)
        report = {
            "trial_id": sessions.trial_name(desk, state.session_id, index, trial),
            "idempotency_key": f"{page_id}-{index}",
            "page_id": page_id,
            "response": _respond(study, truth, trial, u, dice),
            "rt_ms": rt_ms,
            "exposures": [_exposure(study, dice), _exposure(study, dice)],
            "refresh_hz": 60.0,
            "visible": True,
        }
        sessions.record_response(desk, token, report, now=clock)
    sessions.record_answers(desk, token, _fill_in(study, dice), now=clock + timedelta(seconds=40))


def _respond(study: Study, truth: dict[str, Any], trial: PlannedTrial, u: float, dice: Dice) -> str:
    p = truth["parameters"]
    if dice.random() < p["lapse"]:
        return dice.choice(SIDES)
    if trial.instructed_response:
        return trial.instructed_response
    v = p["sd_image"] * Dice("image", study.seed, p["seed"], trial.a.image_id).gauss(0, 1)
    bias = p["side_bias"] if trial.side_of_a == "right" else -p["side_bias"]
    is_fooled = dice.random() < expit(p["latent_intercept"][trial.a.condition] + u + v + bias)
    fake_side, real_side = trial.side_of_a, other(trial.side_of_a, SIDES)
    if study.definition.trial.question == "fake":
        return real_side if is_fooled else fake_side
    return fake_side if is_fooled else real_side


def _exposure(study: Study, dice: Dice) -> dict[str, float]:
    """A screen of 60 Hz that keeps its time to a fraction of a millisecond."""
    n_frames = max(1, round(study.definition.timing.exposure_ms / FRAME_MS))
    return {
        "achieved_ms": round(n_frames * FRAME_MS + dice.gauss(0, 0.2), 2),
        "frames": n_frames,
        "dropped_frames": 0,
    }


def _fill_in(study: Study, dice: Dice) -> dict[str, str]:
    answers: dict[str, str] = {}
    for item in study.definition.questionnaire.items:
        if item.type == "choice":
            answers[item.item_id] = item.options[0].value if dice.random() < 0.9 else dice.choice(item.options).value
        elif item.type == "text":
            if item.required:
                answers[item.item_id] = "simulated"
        else:
            low = math.ceil(item.minimum) if item.minimum is not None else 0
            high = math.floor(item.maximum) if item.maximum is not None else low + 10
            answers[item.item_id] = str(dice.randint(low, high))
    return answers
